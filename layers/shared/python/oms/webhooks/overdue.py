"""What is due and was not looked at: attempts that come too late for the queue's own delay, and nudges that were lost.

Only what is minutes overdue, as what is due now has a nudge on its way. A nudge too many does nothing.
"""

from datetime import timedelta

from oms import clock, queues
from oms.pages import Entry, Range, merged_page
from oms.queues import Message
from oms.settings import settings
from oms.webhooks.audience import all_subscriptions
from oms.webhooks.deliveries import Nudge, milliseconds, queue_of
from oms.webhooks.models import DUE, Delivery, Replay, Subscription

OVERDUE = timedelta(minutes=2)
# Of each subscription in a sweep, the oldest first: none is in the way of another.
MOST = 100
# A queue with more than so many waiting has nudges enough, those of the overdue among them.
DEEP = 1000


def sweep() -> int:
    """Nudges what is overdue, as far as the queues are not deep; how many nudges were sent."""
    shallow = {
        url for url in (settings().delivery_queue_url, settings().slow_delivery_queue_url) if queues.depth(url) <= DEEP
    }
    sent = 0
    for subscription in all_subscriptions():
        queue = queue_of(subscription)
        if queue in shallow:
            sent += _nudge(subscription, queue)
    return sent


def _nudge(subscription: Subscription, queue: str) -> int:
    now = clock.now()
    before = f"{milliseconds(now - OVERDUE):015d}"
    entries = merged_page(DUE, [subscription.id], Range(MOST, high=before)).items
    replays = [it for it in entries if it["sk"] == Replay.key("")[1]]
    nudges = [_nudge_of(subscription, it).message(now) for it in entries if it not in replays]
    queues.send_all(queue, nudges)
    again = [Message({"subscription": subscription.id, "due_at": _due_at(it)}) for it in replays]
    queues.send_all(settings().replay_queue_url, again)
    return len(entries)


def _nudge_of(subscription: Subscription, entry: Entry) -> Nudge:
    return Nudge(subscription.id, entry["sk"].removeprefix(Delivery.key("", "")[1]), _due_at(entry))


def _due_at(entry: Entry) -> int:
    return int(entry["due_key"].partition("#")[0])
