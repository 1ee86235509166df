"""The health of a subscription by its latest attempts: quick or slow, working or failing, disabled."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from threading import Timer
from typing import Literal

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.audit import audit_log
from oms.core import clock
from oms.core.actors import System
from oms.core.dynamodb import ConditionFailedError, get_item, is_written, update_item
from oms.core.errors import OmsError
from oms.core.retries import ConcurrentUpdateError, retrying
from oms.core.transactions import TransactionError, transaction
from oms.webhooks.deliveries import CLAIM_LEASE, milliseconds
from oms.webhooks.models import Attempt, Subscription
from oms.webhooks.schedule import DISABLED_AFTER

# An attempt of at most this duration is quick: see `deliveries.queue_of`.
MAX_QUICK_SECONDS = 1.0
_GONE = 410


@dataclass(frozen=True)
class AttemptResult:
    """The result of an attempt. `retry_after` is the response header."""

    attempt: Attempt
    retry_after: str | None
    started_at: datetime
    ended_at: datetime

    @property
    def pace(self) -> Literal["quick", "slow"]:
        return "quick" if (self.attempt.duration_ms or 0) <= 1000 * MAX_QUICK_SECONDS else "slow"

    @property
    def succeeded(self) -> bool:
        return self.attempt.status_code is not None and 200 <= self.attempt.status_code < 300

    @property
    def says_gone(self) -> bool:
        return self.attempt.status_code == _GONE


def uses_shared_senders(subscription: Subscription, now: datetime) -> bool:
    """Whether the shared senders make the attempt: the subscription is quick, or this attempt is its probe.

    A subscription without a known pace has one probe at a time, so that it occupies only one shared sender. If a stale
    trigger takes the probe, the senders of slow subscriptions make the attempts of the next minute.
    """
    if subscription.pace is not None:
        return subscription.pace == "quick"
    until = milliseconds(now + CLAIM_LEASE)
    free = Subscription.probed_until.does_not_exist() | (Subscription.probed_until < milliseconds(now))
    known = Subscription.status.exists() & Subscription.pace.does_not_exist()
    return is_written(lambda: update_item(subscription, [Subscription.probed_until.set(until)], known & free))


@contextmanager
def mark_slow_after(subscription: Subscription) -> Iterator[None]:
    """Marks a subscription as slow during an attempt, as soon as the attempt is no longer quick.

    An attempt may take 15 s. Without the mark, every shared sender could start another slow attempt in that time.
    """

    def mark_slow() -> None:
        with suppress(ConditionFailedError, OmsError):  # the attempt's result sets it too
            actions: list[Action] = [Subscription.pace.set("slow")]
            retrying(lambda: update_item(subscription, actions, Subscription.pace == "quick"))

    timer = Timer(MAX_QUICK_SECONDS, mark_slow)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def update(subscription: Subscription, result: AttemptResult) -> bool:
    """Updates the subscription's health by the result of an attempt; returns whether the subscription is disabled.

    The update is conditional, because other attempts may have finished meanwhile. A success clears only failures from
    before it started. A subscription that has another URL now, or is not active, is not updated. Raises
    UnavailableError.

    A success of a working subscription at its usual pace changes nothing, so it does not read the subscription again.
    If another attempt failed just before this one started, and `subscription` does not show it yet, the order of the
    two counts as the reverse.
    """
    if result.succeeded and subscription.failing_since is None and subscription.pace == result.pace:
        return False

    def write() -> bool:
        now = get_item(Subscription, Subscription.key(subscription.id))
        if now is None or now.url != subscription.url:
            return False
        if now.status != "active":
            return now.status == "disabled"  # by another attempt, or by this one, whose response was lost
        try:
            return _apply(now, result)
        except ConditionFailedError as error:
            raise ConcurrentUpdateError from error

    return retrying(write)


def _apply(now: Subscription, result: AttemptResult) -> bool:
    since = None if now.failing_since is None else clock.instant(now.failing_since)
    if not result.succeeded:
        if result.says_gone:
            return _disable(now, "gone", result.ended_at)
        if since is not None and since + DISABLED_AFTER <= result.ended_at:
            return _disable(now, "failing", result.ended_at)
    actions: list[Action] = []
    if now.pace != result.pace:
        actions.append(Subscription.pace.set(result.pace))
    if result.succeeded and since is not None and since <= result.started_at:
        actions.append(Subscription.failing_since.remove())
    if not result.succeeded and since is None:
        actions.append(Subscription.failing_since.set(clock.timestamp(result.ended_at)))
    if actions:
        update_item(now, actions, _unchanged(now))
    return False


def _unchanged(subscription: Subscription) -> Condition:
    since = subscription.failing_since
    same_since = Subscription.failing_since.does_not_exist() if since is None else Subscription.failing_since == since
    condition: Condition = (Subscription.version == subscription.version) & same_since
    return condition


def _disable(subscription: Subscription, reason: str, at: datetime) -> bool:
    """Disables the subscription; returns True. Raises ConcurrentUpdateError if it was changed meanwhile."""
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
            writes.update(Subscription(*Subscription.key(subscription.id)), actions, _unchanged(subscription))
    except TransactionError as error:
        if error.any_failed:
            raise ConcurrentUpdateError from error
        raise
    return True
