"""Deliveries: creating, scheduling and triggering them.

The item is authoritative. A trigger names the time at which the delivery is due, so a late or repeated trigger has no
effect. If a trigger is lost, the delivery is overdue, and the sweep triggers it.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock, queues
from oms.core.dynamodb import ConditionFailedError, put_item, update_item
from oms.core.errors import NotFoundError, WebhookNotActiveError
from oms.core.leases import Lease
from oms.core.queues import MAX_DELAY_SECONDS, OutgoingMessage
from oms.core.retries import ConcurrentUpdateError, retrying
from oms.core.settings import settings
from oms.events.envelope import TIME_LENGTH, Event
from oms.webhooks import shards
from oms.webhooks.models import INTERRUPTED, Delivery, Subscription

RETENTION = timedelta(days=30)
# A restarted delivery is stored until its last attempt. With the longest delays that a receiver can request, that takes
# nine days.
RESTARTED_RETENTION = timedelta(days=10)
# A claim takes the delivery's lease. Its end is the next due time, so the sweep triggers an interrupted attempt again.
LEASE = Lease(Delivery.claim, Delivery.due_at)
CLAIM_LEASE = timedelta(seconds=60)
# An event that is dispatched this long after it occurred may be dispatched again: by a retry, a redrive or an operator.
LATE_AFTER = timedelta(minutes=5)


@dataclass(frozen=True)
class Trigger:
    """A queue message that makes the sender process a delivery. `due_at`: Unix milliseconds.

    It names the delivery's shard, unless that is 0. So the sender finds a delivery by one key.
    """

    subscription: str
    delivery: str
    due_at: int
    shard: int = 0

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        assert delivery.due_at is not None  # noqa: S101 - only pending deliveries are triggered
        return cls(delivery.subscription_id, delivery.id, delivery.due_at, delivery.shard)

    @classmethod
    def read(cls, content: Any) -> Self:
        shard = int(content.get("shard", 0))
        return cls(str(content["subscription"]), str(content["delivery"]), int(content["due_at"]), shard)

    @property
    def key(self) -> tuple[str, str]:
        return Delivery.key(self.subscription, self.delivery, self.shard)

    def message(self, now: datetime) -> OutgoingMessage:
        left = -(-(self.due_at - milliseconds(now)) // 1000)
        content = {"subscription": self.subscription, "delivery": self.delivery, "due_at": self.due_at}
        if self.shard:
            content["shard"] = self.shard
        return OutgoingMessage(content, delay=max(0, min(left, MAX_DELAY_SECONDS)), group=self.subscription)


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def delivery_id(subscription_id: str, event_id: str) -> str:
    """Returns the id of an event's delivery to a subscription.

    It begins with the event's second, so ids sort by time.
    """
    digest = hashlib.sha256(json.dumps([subscription_id, event_id]).encode()).digest()
    return event_id[:TIME_LENGTH] + clock.encoded(int.from_bytes(digest) >> 176, 16)


def create(subscription: Subscription, *, event_id: str, event_type: str, body: str) -> Delivery:
    """Returns the event's delivery, created if missing: pending, or paused if the subscription is not active."""
    now = clock.now()
    key = delivery_id(subscription.id, event_id)
    shard = shards.shard_of(key)
    if not shards.is_only_in(shard, key) and _is_late(event_id, now) and (found := shards.find(subscription.id, key)):
        return found
    new = Delivery(
        *Delivery.key(subscription.id, key, shard),
        id=key,
        subscription_id=subscription.id,
        event_id=event_id,
        event_type=event_type,
        body=body,
        status="pending" if subscription.status == "active" else "paused",
        attempts=[],
        attempt_count=0,
        created_at=clock.timestamp(now),
        expires_at=int((now + RETENTION).timestamp()),
    )
    if new.status == "pending":
        new.due_at, new.due_shard, new.due_key = due(Delivery.shard_name(subscription.id, shard), key, now)

    def put() -> Delivery:
        try:
            put_item(new, Delivery.pk.does_not_exist())
        except ConditionFailedError as error:
            # An earlier attempt stored it and its response was lost, or the event was dispatched twice.
            return Delivery.from_raw_data(error.item or {})
        return new

    return retrying(put)


def _is_late(event_id: str, now: datetime) -> bool:
    """Whether the event may have been dispatched before the number of shards grew."""
    return event_id[:TIME_LENGTH] < clock.encoded(int((now - LATE_AFTER).timestamp()), TIME_LENGTH)


def due(shard: str, item_id: str, moment: datetime) -> tuple[int, str, str]:
    """Returns the due_at, due_shard and due_key of an item that is due at `moment`.

    The due_shard of a delivery begins with its subscription's id, so that no subscription's backlog delays another.
    """
    at = milliseconds(moment)
    return at, shard, f"{at:015d}#{item_id}"


def setting_due(shard_name: str, delivery_id: str, moment: datetime) -> list[Action]:
    at, shard, key = due(shard_name, delivery_id, moment)
    return [Delivery.due_at.set(at), Delivery.due_shard.set(shard), Delivery.due_key.set(key)]


def removing_due() -> list[Action]:
    return [Delivery.due_at.remove(), Delivery.due_shard.remove(), Delivery.due_key.remove()]


type Send = Callable[[str, Sequence[OutgoingMessage]], None]


def send_trigger(deliveries: Iterable[tuple[Subscription, Delivery]], *, send: Send = queues.send_all) -> None:
    """Triggers pending deliveries that are due within the longest delay of a queue. The sweep triggers the others."""
    now = clock.now()
    latest = milliseconds(now) + 1000 * MAX_DELAY_SECONDS
    messages: dict[str, list[OutgoingMessage]] = {}
    for subscription, delivery in deliveries:
        if delivery.status == "pending" and (delivery.due_at or 0) <= latest:
            messages.setdefault(queue_of(subscription), []).append(Trigger.of(delivery).message(now))
    for queue, batch in messages.items():
        send(queue, batch)


def queue_of(subscription: Subscription) -> str:
    """Returns the queue for this subscription. Slow subscriptions have their own, so that they do not delay others."""
    is_slow = subscription.pace == "slow"
    return settings().slow_delivery_queue_url if is_slow else settings().delivery_queue_url


def deliver_now(subscription: Subscription, event: Event[Any], *, entry: AuditEntry | None = None) -> Delivery:
    """Sends an event to this subscription alone, after storing the audit entry.

    Raises WebhookNotActiveError, UnavailableError.
    """
    _check_active(subscription)
    if entry:
        audit_log.record(entry)
    delivery = create(subscription, event_id=event.id, event_type=event.type, body=event.text())
    # The delivery is stored, so the request succeeds even if its trigger is not sent.
    send_trigger([(subscription, delivery)], send=queues.send_if_possible)
    return delivery


def replay_one(
    subscription: Subscription,
    delivery_id: str,
    *,
    may_see: Callable[[str], bool] = lambda _: True,
    entry: AuditEntry | None = None,
) -> Delivery:
    """Restarts the attempts of a delivery immediately, after storing the audit entry.

    Raises WebhookNotActiveError, UnavailableError, or NotFoundError, also if the caller may not see its event type.
    """
    delivery = shards.find(subscription.id, delivery_id)
    if delivery is None or not may_see(delivery.event_type):
        raise NotFoundError("Delivery not found.")
    _check_active(subscription)
    if entry:
        audit_log.record(entry)
    delivery = schedule_now(delivery)
    # The delivery is stored, so the request succeeds even if its trigger is not sent.
    send_trigger([(subscription, delivery)], send=queues.send_if_possible)
    return delivery


def schedule_now(delivery: Delivery, *, replay: str | None = None) -> Delivery:
    """Makes a delivery due now, with its attempts counted from 0; returns the stored delivery.

    If it is due within the next minute, its due time stays: a sender may be making an attempt, finds that
    `attempt_count` was reset, and restarts the schedule. `replay` is the id of the range replay, which restarts each
    delivery once.
    """
    now = clock.now()
    at = milliseconds(now)
    seen = delivery

    def write() -> Delivery:
        nonlocal seen
        try:
            return update_item(seen, *_scheduling(seen, now, replay))
        except ConditionFailedError as error:
            if not error.item:
                return seen  # it has expired
            seen = Delivery.from_raw_data(error.item)
            if (replay is not None and seen.replay == replay) or (seen.status, seen.due_at) == ("pending", at):
                return seen  # by an earlier attempt whose response was lost, or by an equal request
            raise ConcurrentUpdateError from error

    return retrying(write)


def is_in_progress(delivery: Delivery) -> bool:
    """Whether the latest attempt is in progress. An interrupted attempt counts as in progress until its claim ends."""
    if delivery.status != "pending" or not delivery.attempts or delivery.attempts[-1].error != INTERRUPTED:
        return False
    return clock.now() < clock.instant(delivery.attempts[-1].at) + CLAIM_LEASE


def _scheduling(delivery: Delivery, now: datetime, replay: str | None) -> tuple[list[Action], Condition]:
    """Returns the actions that make a delivery due now, and the condition that it is unchanged."""
    is_soon = delivery.status == "pending" and (delivery.due_at or 0) <= milliseconds(now + CLAIM_LEASE)
    actions: list[Action] = [Delivery.attempt_count.set(0)]
    if not is_soon:
        actions += [Delivery.status.set("pending"), *setting_due(delivery.due_partition, delivery.id, now)]
    unchanged: Condition = Delivery.status == delivery.status
    if delivery.due_at is not None:
        unchanged &= Delivery.due_at == delivery.due_at
    ends = int((now + RESTARTED_RETENTION).timestamp())
    if delivery.expires_at < ends:
        actions.append(Delivery.expires_at.set(ends))
    if replay is not None:
        unchanged &= Delivery.replay.does_not_exist() | (Delivery.replay != replay)
        actions.append(Delivery.replay.set(replay))
    return actions, unchanged


def _check_active(subscription: Subscription) -> None:
    if subscription.status != "active":
        raise WebhookNotActiveError(f"The webhook is {subscription.status}. Set its status to active first.")
