"""What attempts tell of their subscription: whether it is quick or slow, since when it fails, that it is gone."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from threading import Timer
from typing import Literal

from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.audit import audit_log
from oms.core import clock
from oms.core.actors import System
from oms.core.dynamodb import (
    ConcurrentUpdateError,
    ConditionFailedError,
    failed,
    get_item,
    retrying,
    transaction,
    update_item,
)
from oms.core.errors import OmsError
from oms.webhooks.deliveries import CLAIM, milliseconds
from oms.webhooks.models import Attempt, Subscription
from oms.webhooks.schedule import DISABLED_AFTER

# An attempt of at most so many seconds is quick: see `deliveries.queue_of`.
QUICK = 1.0
_GONE = 410


@dataclass(frozen=True)
class Answered:
    """What came of an attempt."""

    attempt: Attempt
    retry_after: str | None
    began: datetime
    ended: datetime

    @property
    def pace(self) -> Literal["quick", "slow"]:
        return "quick" if (self.attempt.duration_ms or 0) <= 1000 * QUICK else "slow"

    @property
    def succeeded(self) -> bool:
        return self.attempt.status_code is not None and 200 <= self.attempt.status_code < 300

    @property
    def says_gone(self) -> bool:
        return self.attempt.status_code == _GONE


def is_for_all(subscription: Subscription, now: datetime) -> bool:
    """Whether it is sent by the senders that all share: it is known to be quick, or this is the attempt to find out.

    There is one such attempt at a time, so that of a subscription that nobody knows, one sender at most is kept busy.
    A stale nudge may be taken for it: then it is not found out for a minute, and the slow's senders do the work.
    """
    if subscription.pace is not None:
        return subscription.pace == "quick"
    until = milliseconds(now + CLAIM)
    free = Subscription.probed_until.does_not_exist() | (Subscription.probed_until < milliseconds(now))
    known = Subscription.status.exists() & Subscription.pace.does_not_exist()
    try:
        retrying(lambda: update_item(subscription, [Subscription.probed_until.set(until)], known & free))
    except ConditionFailedError:
        return False
    return True


@contextmanager
def mark_slow_after(subscription: Subscription) -> Iterator[None]:
    """Sets a subscription aside while an attempt is under way, as soon as it is no longer quick.

    Until one ends, 15 s later perhaps, as many more would be begun as there are senders that all share.
    """

    def set_aside() -> None:
        with suppress(ConditionFailedError, OmsError):  # the attempt's end says it again
            actions: list[Action] = [Subscription.pace.set("slow")]
            retrying(lambda: update_item(subscription, actions, Subscription.pace == "quick"))

    timer = Timer(QUICK, set_aside)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def note(subscription: Subscription, answered: Answered) -> bool:
    """Writes what an attempt says of its subscription, where that is new; whether the subscription is disabled then.

    It is held against the subscription as it is after the attempt, since others were made meanwhile: a success ends
    the failing that was noted for a moment before it began, and no other. What has another URL now, or is not active,
    has moved on: of that it says nothing. Raises UnavailableError.
    """

    def write() -> bool:
        now = get_item(Subscription, Subscription.key(subscription.id))
        if now is None or now.url != subscription.url:
            return False
        if now.status != "active":
            return now.status == "disabled"  # if not by another attempt, by ours, whose answer was lost
        try:
            return _noted(now, answered)
        except ConditionFailedError as error:
            raise ConcurrentUpdateError from error

    return retrying(write)


def _noted(now: Subscription, answered: Answered) -> bool:
    since = None if now.failing_since is None else clock.instant(now.failing_since)
    if not answered.succeeded:
        if answered.says_gone:
            return _disable(now, "gone", answered.ended)
        if since is not None and since + DISABLED_AFTER <= answered.ended:
            return _disable(now, "failing", answered.ended)
    actions: list[Action] = []
    if now.pace != answered.pace:
        actions.append(Subscription.pace.set(answered.pace))
    if answered.succeeded and since is not None and since <= answered.began:
        actions.append(Subscription.failing_since.remove())
    if not answered.succeeded and since is None:
        actions.append(Subscription.failing_since.set(clock.timestamp(answered.ended)))
    if actions:
        update_item(now, actions, _as_read(now))
    return False


def _as_read(subscription: Subscription) -> Condition:
    since = subscription.failing_since
    unmoved = Subscription.failing_since.does_not_exist() if since is None else Subscription.failing_since == since
    condition: Condition = (Subscription.version == subscription.version) & unmoved
    return condition


def _disable(subscription: Subscription, reason: str, at: datetime) -> bool:
    """True. Raises ConcurrentUpdateError for one that was edited, or begun anew, meanwhile."""
    system = System()
    actions: list[Action] = [
        Subscription.status.set("disabled"),
        Subscription.disabled_reason.set(reason),
        Subscription.version.set(subscription.version + 1),
        Subscription.updated_at.set(clock.timestamp(at)),
        Subscription.updated_by.set(system.id),
        Subscription.updated_by_role.set(system.role),
    ]
    entry = audit_log.entry(
        "webhook.disabled",
        actor_id=system.id,
        actor_role=system.role,
        address=None,
        target=f"webhook#{subscription.id}",
        details={"reason": reason},
    )
    try:
        with transaction() as writes:
            writes.save(entry)
            writes.update(Subscription(*Subscription.key(subscription.id)), actions, _as_read(subscription))
    except TransactWriteError as error:
        if any(failed(it) for it in error.cancellation_reasons or []):
            raise ConcurrentUpdateError from error
        raise
    return True
