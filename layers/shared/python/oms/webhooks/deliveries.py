"""Deliveries: how one comes to be, is scheduled, and is brought before the sender.

The item holds the truth, and a trigger names the moment at which it is due: one that comes late or twice does nothing.
So what happens between the write and its trigger is harmless: what nobody triggered is overdue, and the sweep finds it.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.core import clock, queues
from oms.core.dynamodb import ConcurrentUpdateError, ConditionFailedError, get_item, put_item, retrying, update_item
from oms.core.errors import NotFoundError, WebhookNotActiveError
from oms.core.queues import MAX_DELAY_SECONDS, Message
from oms.core.settings import settings
from oms.events.envelope import MOMENT_LENGTH, Event
from oms.webhooks.models import INTERRUPTED, Delivery, Subscription

KEPT = timedelta(days=30)
# What is begun anew is kept for all of its attempts, with the waits that a receiver asks for: nine of a day each.
SCHEDULE = timedelta(days=10)
# How long a claim holds: the attempt has ended by then, or was cut off.
CLAIM = timedelta(seconds=60)


@dataclass(frozen=True)
class Trigger:
    """Asks the sender to look at a delivery that is due at a moment (Unix milliseconds)."""

    subscription: str
    delivery: str
    due_at: int

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        assert delivery.due_at is not None  # noqa: S101 - only what is pending is triggered
        return cls(delivery.subscription_id, delivery.id, delivery.due_at)

    @classmethod
    def read(cls, content: Any) -> Self:
        return cls(str(content["subscription"]), str(content["delivery"]), int(content["due_at"]))

    def message(self, now: datetime) -> Message:
        left = -(-(self.due_at - milliseconds(now)) // 1000)
        content = {"subscription": self.subscription, "delivery": self.delivery, "due_at": self.due_at}
        return Message(content, delay=max(0, min(left, MAX_DELAY_SECONDS)), group=self.subscription)


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def delivery_id(subscription_id: str, event_id: str) -> str:
    """One for each subscription and event. It begins with the event's second, so that deliveries stand in its order."""
    digest = hashlib.sha256(json.dumps([subscription_id, event_id]).encode()).digest()
    return event_id[:MOMENT_LENGTH] + clock.encoded(int.from_bytes(digest) >> 176, 16)


def create(subscription: Subscription, *, event_id: str, event_type: str, body: str) -> Delivery:
    """The event's delivery to the subscription, put if it was not there: pending, or paused if that is not active."""
    now = clock.now()
    key = delivery_id(subscription.id, event_id)
    new = Delivery(
        *Delivery.key(subscription.id, key),
        id=key,
        subscription_id=subscription.id,
        event_id=event_id,
        event_type=event_type,
        body=body,
        status="pending" if subscription.status == "active" else "paused",
        attempts=[],
        attempt_count=0,
        created_at=clock.timestamp(now),
        expires_at=int((now + KEPT).timestamp()),
    )
    if new.status == "pending":
        new.due_at, new.due_shard, new.due_key = due(subscription.id, key, now)

    def put() -> Delivery:
        try:
            put_item(new, Delivery.pk.does_not_exist())
        except ConditionFailedError as error:
            # By an earlier attempt whose answer was lost, or the event has come twice.
            return Delivery.from_raw_data(error.item or {})
        return new

    return retrying(put)


def due(shard: str, item_id: str, moment: datetime) -> tuple[int, str, str]:
    """The due_at, due_shard and due_key of what is due at a moment. The shard of deliveries is their subscription's id:
    what one has piled up is not in the way of the others.
    """
    at = milliseconds(moment)
    return at, shard, f"{at:015d}#{item_id}"


def setting_due(subscription_id: str, delivery_id: str, moment: datetime) -> list[Action]:
    at, shard, key = due(subscription_id, delivery_id, moment)
    return [Delivery.due_at.set(at), Delivery.due_shard.set(shard), Delivery.due_key.set(key)]


def removing_due() -> list[Action]:
    return [Delivery.due_at.remove(), Delivery.due_shard.remove(), Delivery.due_key.remove()]


type Send = Callable[[str, Sequence[Message]], None]


def send_trigger(deliveries: Iterable[tuple[Subscription, Delivery]], *, send: Send = queues.send_all) -> None:
    """Sends those that are pending and due within the queue's reach before the sender; the sweep sends the others."""
    now = clock.now()
    furthest = milliseconds(now) + 1000 * MAX_DELAY_SECONDS
    messages: dict[str, list[Message]] = {}
    for subscription, delivery in deliveries:
        if delivery.status == "pending" and (delivery.due_at or 0) <= furthest:
            messages.setdefault(queue_of(subscription), []).append(Trigger.of(delivery).message(now))
    for queue, batch in messages.items():
        send(queue, batch)


def queue_of(subscription: Subscription) -> str:
    """Those known to be slow have a queue and senders of their own, so that they hold up nobody else."""
    is_slow = subscription.pace == "slow"
    return settings().slow_delivery_queue_url if is_slow else settings().delivery_queue_url


type Record = Callable[[], object]
"""Writes down what is about to be done: what nothing speaks against, and before it is done."""


def deliver_now(subscription: Subscription, event: Event[Any], *, record: Record = lambda: None) -> Delivery:
    """Sends an event to this subscription alone. Raises WebhookNotActiveError, UnavailableError."""
    _check_active(subscription)
    record()
    delivery = create(subscription, event_id=event.id, event_type=event.type, body=event.text())
    # Done and accepted, whatever becomes of its trigger.
    send_trigger([(subscription, delivery)], send=queues.send_if_possible)
    return delivery


def replay_one(
    subscription: Subscription,
    delivery_id: str,
    *,
    wanted: Callable[[str], bool] = lambda _: True,
    record: Record = lambda: None,
) -> Delivery:
    """Begins the attempts anew and at once. Raises NotFoundError, WebhookNotActiveError, UnavailableError.

    `wanted` tells by its event's type whether it is there for who asks.
    """
    delivery = get_item(Delivery, Delivery.key(subscription.id, delivery_id))
    if delivery is None or not wanted(delivery.event_type):
        raise NotFoundError("There is no such delivery.")
    _check_active(subscription)
    record()
    delivery = schedule_now(delivery)
    # Done and accepted, whatever becomes of its trigger.
    send_trigger([(subscription, delivery)], send=queues.send_if_possible)
    return delivery


def schedule_now(delivery: Delivery, *, replay: str | None = None) -> Delivery:
    """The delivery, with all its attempts before it: due now, unless it is at work, or will be within a minute.

    Then whoever is at work finds that `made` was taken back, and begins the attempts anew. `replay` is the range
    replay that asks, which takes up each delivery once.
    """
    now = clock.now()
    at, *_ = due(delivery.subscription_id, delivery.id, now)
    seen = delivery

    def write() -> Delivery:
        nonlocal seen
        try:
            return update_item(seen, *_scheduling(seen, now, replay))
        except ConditionFailedError as error:
            if not error.item:
                return seen  # its time was over
            seen = Delivery.from_raw_data(error.item)
            if (replay is not None and seen.replay == replay) or (seen.status, seen.due_at) == ("pending", at):
                return seen  # by an earlier attempt whose answer was lost, or somebody who asked for the same
            raise ConcurrentUpdateError from error

    return retrying(write)


def is_in_progress(delivery: Delivery) -> bool:
    """Whether the latest attempt is being made. One that was cut off is so until its claim is over."""
    if delivery.status != "pending" or not delivery.attempts or delivery.attempts[-1].error != INTERRUPTED:
        return False
    return clock.now() < clock.instant(delivery.attempts[-1].at) + CLAIM


def _scheduling(delivery: Delivery, now: datetime, replay: str | None) -> tuple[list[Action], Condition]:
    """What makes a delivery due now, and that it is as it was read."""
    is_soon = delivery.status == "pending" and (delivery.due_at or 0) <= milliseconds(now + CLAIM)
    actions: list[Action] = [Delivery.attempt_count.set(0)]
    if not is_soon:
        actions += [Delivery.status.set("pending"), *setting_due(delivery.subscription_id, delivery.id, now)]
    unmoved: Condition = Delivery.status == delivery.status
    if delivery.due_at is not None:
        unmoved &= Delivery.due_at == delivery.due_at
    ends = int((now + SCHEDULE).timestamp())
    if delivery.expires_at < ends:
        actions.append(Delivery.expires_at.set(ends))
    if replay is not None:
        unmoved &= Delivery.replay.does_not_exist() | (Delivery.replay != replay)
        actions.append(Delivery.replay.set(replay))
    return actions, unmoved


def _check_active(subscription: Subscription) -> None:
    if subscription.status != "active":
        raise WebhookNotActiveError(f"The webhook is {subscription.status}.")
