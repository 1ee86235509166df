"""What is due and was not looked at: attempts that come too late for the queue's own delay, and nudges that were lost.

Only what is minutes overdue, as what is due now has a nudge on its way. A nudge too many does nothing.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from oms import clock, queues
from oms.pages import Entry, Range, merged_page
from oms.queues import Message
from oms.settings import settings
from oms.webhooks.audience import all_subscriptions
from oms.webhooks.deliveries import Nudge, milliseconds, queue_of
from oms.webhooks.models import DUE, REPLAYS, Delivery, Replay, Subscription

OVERDUE = timedelta(minutes=2)
# Of each subscription in a sweep, the oldest first: none is in the way of another.
MOST = 100
# A queue with more than so many waiting has nudges enough. Whose they are it does not say, and all may be one
# subscription's: so a few of each are nudged all the same.
DEEP = 1000
A_FEW = 5


def sweep() -> int:
    """Nudges what is overdue; how many nudges were sent. Goes on past what fails, and then raises ExceptionGroup."""
    queue_urls = (settings().delivery_queue_url, settings().slow_delivery_queue_url)
    most = {url: A_FEW if queues.depth(url) > DEEP else MOST for url in queue_urls}
    sent = 0
    failures: list[Exception] = []
    steps: list[Callable[[], int]] = [_nudge_replays]
    steps += [partial(_nudge, it, most[queue_of(it)]) for it in all_subscriptions()]
    for nudge in steps:
        try:
            sent += nudge()
        except Exception as failure:
            failures.append(failure)
    if failures:
        raise ExceptionGroup("not all that is overdue was nudged", failures)
    return sent


def _nudge(subscription: Subscription, most: int) -> int:
    now = clock.now()
    nudges = [
        Nudge(subscription.id, it["sk"].removeprefix(Delivery.key("", "")[1]), _due_at(it)).message(now)
        for it in _overdue(subscription.id, most)
    ]
    queues.send_all(queue_of(subscription), nudges)
    return len(nudges)


def _nudge_replays() -> int:
    """Those whose message was lost. Their queue is their own, so they wait for no other."""
    again = [
        Message({"subscription": it["pk"].removeprefix(Replay.key("")[0]), "due_at": _due_at(it)})
        for it in _overdue(REPLAYS, MOST)
    ]
    queues.send_all(settings().replay_queue_url, again)
    return len(again)


def _overdue(shard: str, most: int) -> list[Entry]:
    before = f"{milliseconds(clock.now() - OVERDUE):015d}"
    return merged_page(DUE, [shard], Range(most, high=before)).items


def _due_at(entry: Entry) -> int:
    return int(entry["due_key"].partition("#")[0])
