"""What is due and was not looked at: attempts that come too late for the queue's own delay, and nudges that were lost.

Only what is minutes overdue, as what is due now has a nudge on its way. A nudge too many does nothing.
"""

from collections.abc import Iterator
from datetime import timedelta

from oms.core import clock, queues
from oms.core.dynamodb import deadline
from oms.core.pages import IndexEntry, KeyRange, Page, merged_page
from oms.core.settings import settings
from oms.webhooks import replay
from oms.webhooks.deliveries import Trigger, milliseconds, queue_of
from oms.webhooks.matcher import all_subscriptions
from oms.webhooks.models import DUE, REPLAYS, Delivery, Replay, Subscription
from oms.webhooks.replay import ABANDONED

OVERDUE = timedelta(minutes=2)
# In a sweep, of each subscription and of all, the oldest of each first. They are nudged in rounds of a page of each, so
# that none is in the way of another.
MAX_PER_SUBSCRIPTION = 1000
MAX_TOTAL = 10_000
PAGE = 100
# A queue that has more than so many has nudges enough. Whose they are it does not say, and all may be one
# subscription's: so a few of each are nudged all the same.
DEEP_QUEUE = 1000
SAMPLE_SIZE = 5
# In seconds; the sweeper has 60. A round takes some 10 at most where all is well, and may end after the last begins.
START_DEADLINE_SECONDS = 30.0
READ_WITHIN = 45.0


def sweep() -> int:
    """Nudges what is overdue; how many nudges were sent. Goes on past what fails, and then raises ExceptionGroup."""
    end = clock.monotonic() + START_DEADLINE_SECONDS
    sent = 0
    failures: list[Exception] = []
    with deadline(READ_WITHIN):
        left = _nudging()
        while left and sent < MAX_TOTAL and clock.monotonic() < end:
            for nudged in tuple(left):
                try:
                    sent += next(nudged)
                except StopIteration:
                    left.remove(nudged)
                except Exception as failure:
                    left.remove(nudged)
                    failures.append(failure)
    if failures:
        raise ExceptionGroup("not all that is overdue was nudged", failures)
    return sent


def _nudging() -> list[Iterator[int]]:
    """For the replays, and for the deliveries of each subscription: nudges page by page, and says how many."""
    queue_urls = (settings().delivery_queue_url, settings().slow_delivery_queue_url)
    most = {url: SAMPLE_SIZE if queues.depth(url).total > DEEP_QUEUE else MAX_PER_SUBSCRIPTION for url in queue_urls}
    return [_nudge_replays(), *(_nudge(it, most[queue_of(it)]) for it in all_subscriptions())]


def _nudge(subscription: Subscription, most: int) -> Iterator[int]:
    left, after = most, None
    while left:
        page = _overdue(subscription.id, min(left, PAGE), after)
        now = clock.now()
        nudges = [
            Trigger(subscription.id, it["sk"].removeprefix(Delivery.key("", "")[1]), _due_at(it)).message(now)
            for it in page.items
        ]
        queues.send_all(queue_of(subscription), nudges)
        yield len(nudges)
        if page.position is None:
            return
        left, after = left - len(nudges), page.position


def _nudge_replays() -> Iterator[int]:
    """Those whose message was lost. Their queue is their own, so they wait for no other. Gives up the abandoned."""
    alive = milliseconds(clock.now() - ABANDONED)
    overdue = [(it["pk"].removeprefix(Replay.key("")[0]), _due_at(it)) for it in _overdue(REPLAYS, PAGE).items]
    again = [replay.message(it, due_at) for it, due_at in overdue if due_at >= alive]
    queues.send_all(settings().replay_queue_url, again)
    yield len(again)
    for subscription_id, due_at in overdue:
        if due_at < alive:
            replay.give_up(subscription_id, due_at)


def _overdue(shard: str, most: int, after: str | None = None) -> Page[IndexEntry]:
    before = f"{milliseconds(clock.now() - OVERDUE):015d}"
    return merged_page(DUE, [shard], KeyRange(most, high=before, after=after))


def _due_at(entry: IndexEntry) -> int:
    return int(entry["due_key"].partition("#")[0])
