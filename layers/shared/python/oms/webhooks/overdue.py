"""The sweep: triggers overdue deliveries and replays.

They were due later than a queue can delay a message, or their trigger was lost. The sweep ignores those that are
overdue by less than two minutes, since their trigger may still arrive. An extra trigger has no effect.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from oms.core import clock, queues
from oms.core.pages import IndexEntry, KeyRange, Page, merged_page
from oms.core.retries import deadline
from oms.core.settings import settings
from oms.webhooks import replay
from oms.webhooks.deliveries import Trigger, milliseconds, queue_of
from oms.webhooks.matcher import all_subscriptions
from oms.webhooks.models import DUE, REPLAYS, Delivery, Replay, Subscription
from oms.webhooks.replay import ABANDONED_AFTER
from oms.webhooks.shards import due_shards_of

OVERDUE_AFTER = timedelta(minutes=2)
# Triggers of one sweep. Each round sends one page of each subscription, oldest first, so that no subscription delays
# another.
MAX_PER_SUBSCRIPTION = 1000
MAX_TOTAL = 10_000
PAGE_SIZE = 100
# A queue with more messages has enough triggers. But all of them may be for one subscription, so the sweep still sends
# a few triggers for each subscription.
DEEP_QUEUE = 1000
SAMPLE_SIZE = 5
# The sweeper's timeout is 60 s. A round takes about 10 s without retries, and the last one starts before this deadline.
START_DEADLINE_SECONDS = 30.0
READ_DEADLINE_SECONDS = 45.0


def sweep() -> int:
    """Sends triggers, and returns their number. Continues after failures, and raises ExceptionGroup at the end."""
    end = clock.monotonic() + START_DEADLINE_SECONDS
    sent = 0
    failures: list[Exception] = []
    with deadline(READ_DEADLINE_SECONDS):
        left = _rounds()
        while left and sent < MAX_TOTAL and clock.monotonic() < end:
            for pages in tuple(left):
                try:
                    sent += next(pages)
                except StopIteration:
                    left.remove(pages)
                except Exception as failure:
                    left.remove(pages)
                    failures.append(failure)
    if failures:
        raise ExceptionGroup("not all overdue deliveries were triggered", failures)
    return sent


def _rounds() -> list[Iterator[int]]:
    """Returns an iterator for all replays and one for each subscription.

    Each step of an iterator triggers one page, and yields the number of triggers.
    """
    queue_urls = (settings().delivery_queue_url, settings().slow_delivery_queue_url)
    limits = {url: SAMPLE_SIZE if queues.depth(url).total > DEEP_QUEUE else MAX_PER_SUBSCRIPTION for url in queue_urls}
    return [_trigger_replays(), *(_trigger_deliveries(it, limits[queue_of(it)]) for it in all_subscriptions())]


def _trigger_deliveries(subscription: Subscription, limit: int) -> Iterator[int]:
    left, after = limit, None
    while left:
        page = _overdue(due_shards_of(subscription.id), min(left, PAGE_SIZE), after)
        now = clock.now()
        triggers = [
            Trigger(subscription.id, _delivery_id(it), _due_at(it), Delivery.shard_in(it["pk"])).message(now)
            for it in page.items
        ]
        queues.send_all(queue_of(subscription), triggers)
        yield len(triggers)
        if page.position is None:
            return
        left, after = left - len(triggers), page.position


def _trigger_replays() -> Iterator[int]:
    """Triggers replays whose message was lost, and ends abandoned replays."""
    alive = milliseconds(clock.now() - ABANDONED_AFTER)
    overdue = [(it["pk"].removeprefix(Replay.key("")[0]), _due_at(it)) for it in _overdue([REPLAYS], PAGE_SIZE).items]
    again = [replay.message(it, due_at) for it, due_at in overdue if due_at >= alive]
    queues.send_all(settings().replay_queue_url, again)
    yield len(again)
    for subscription_id, due_at in overdue:
        if due_at < alive:
            replay.end_abandoned(subscription_id, due_at)


def _overdue(due_shards: Sequence[str], limit: int, after: str | None = None) -> Page[IndexEntry]:
    before = f"{milliseconds(clock.now() - OVERDUE_AFTER):015d}"
    return merged_page(DUE, due_shards, KeyRange(limit, high=before, after=after))


def _delivery_id(entry: IndexEntry) -> str:
    return entry["sk"].removeprefix(Delivery.key("", "")[1])


def _due_at(entry: IndexEntry) -> int:
    return int(entry["due_key"].partition("#")[0])
