"""One attempt at a delivery: claimed, sent, settled, each by one conditional write, so that who comes late finds out.

The claim counts the attempt before anything is sent and holds for a minute, longer than its sender lives. What a sender
that was cut off has claimed stays an attempt, and is due again when the claim ends.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from threading import Timer

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms import clock, queues
from oms.actors import System
from oms.dynamodb import ConditionFailedError, get_item, retrying, update_item
from oms.errors import OmsError
from oms.settings import settings
from oms.webhooks import deliveries, vault
from oms.webhooks.audience import Audience
from oms.webhooks.deliveries import CLAIM, Nudge, milliseconds, removing_due, setting_due
from oms.webhooks.models import Attempt, Delivery, Subscription
from oms.webhooks.post import NoAnswerError, post
from oms.webhooks.schedule import DELAYS, DISABLED_AFTER, next_attempt
from oms.webhooks.signature import signed_headers
from oms.webhooks.targets import ForbiddenTargetError, parse

MOST_ATTEMPTS = len(DELAYS) + 1
# An attempt of at most so many seconds is quick: see `deliveries.queue_of`.
QUICK = 1.0
_SHOWN_ATTEMPTS = 20
_SHOWN_ANSWER = 1000
_SHOWN_ERROR = 200
_EARLY_MS = 1000
_GONE = 410


class Outcome(StrEnum):
    DELIVERED = "Delivered"
    RETRIED = "Retried"
    FAILED = "Failed"
    PAUSED = "Paused"
    # Nothing was sent: the nudge came late or twice, before its time, or to the wrong queue.
    STALE = "Stale"
    EARLY = "Early"
    MOVED = "Moved"


@dataclass(frozen=True)
class Answered:
    """What came of a POST."""

    attempt: Attempt
    retry_after: str | None
    ended: datetime
    is_quick: bool

    @property
    def succeeded(self) -> bool:
        return self.attempt.status_code is not None and 200 <= self.attempt.status_code < 300


def attempt(nudge: Nudge, *, slow: bool) -> Outcome:
    """Looks at a delivery, and sends it if it is due as the nudge says. `slow`: the nudge is of the queue for those.

    Raises UnavailableError, NotSentError and botocore's errors; until it is claimed, the nudge is to come again.
    """
    now = clock.now()
    queue = settings().slow_delivery_queue_url if slow else settings().delivery_queue_url
    if nudge.due_at > milliseconds(now) + _EARLY_MS:
        queues.send_all(queue, [nudge.message(now)])
        return Outcome.EARLY
    subscription = get_item(Subscription, Subscription.key(nudge.subscription))
    if subscription is None or subscription.status != "active":
        return _set_aside(nudge)
    if not slow and not _is_for_all(subscription, now):
        queues.send_all(settings().slow_delivery_queue_url, [nudge.message(now)])
        return Outcome.MOVED
    secrets = _secrets(subscription, now)
    delivery = _claim(nudge)
    if delivery is None:
        return _end_exhausted(nudge)
    if not Audience([subscription]).may_have(subscription, delivery.event_type):
        return _settle(delivery, None, [Delivery.status.set("paused"), *removing_due()], Outcome.PAUSED)
    return _conclude(subscription, delivery, _send(subscription, delivery, secrets))


def _set_aside(nudge: Nudge) -> Outcome:
    """Keeps a delivery for a replay: its subscription is not active, or gone."""
    delivery = Delivery(*Delivery.key(nudge.subscription, nudge.delivery))
    try:
        retrying(lambda: update_item(delivery, [Delivery.status.set("paused"), *removing_due()], _as_seen(nudge)))
    except ConditionFailedError:
        return Outcome.STALE
    return Outcome.PAUSED


def _as_seen(nudge: Nudge) -> Condition:
    condition: Condition = (Delivery.status == "pending") & (Delivery.due_at == nudge.due_at)
    return condition


def _is_for_all(subscription: Subscription, now: datetime) -> bool:
    """Whether it is sent by the senders that all share: it is known to be quick, or this is the attempt to find out.

    There is one such attempt at a time, so that of a subscription that nobody knows, one sender at most is kept busy.
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


def _secrets(subscription: Subscription, now: datetime) -> list[str]:
    """The secrets that sign, the newest first."""
    sealed = [subscription.secret]
    if subscription.previous_secret and (subscription.previous_until or 0) > now.timestamp():
        sealed.append(subscription.previous_secret)
    return [vault.unseal(it, subscription_id=subscription.id) for it in sealed]


def _claim(nudge: Nudge) -> Delivery | None:
    """The delivery, claimed; None if it was not as the nudge says, or all of its attempts were made."""
    now, claim = clock.now(), clock.random_id()
    begun = Attempt(at=clock.timestamp(now), error="interrupted")
    actions = [
        Delivery.made.add(1),
        Delivery.claim.set(claim),
        Delivery.attempts.set(Delivery.attempts.append([begun])),
        *setting_due(nudge.subscription, nudge.delivery, now + CLAIM),
    ]
    condition = _as_seen(nudge) & (Delivery.made < MOST_ATTEMPTS)

    def write() -> Delivery | None:
        try:
            return update_item(Delivery(*Delivery.key(nudge.subscription, nudge.delivery)), actions, condition)
        except ConditionFailedError as error:
            stored = Delivery.from_raw_data(error.item) if error.item else None
            # Ours, when the answer to an earlier attempt was lost.
            return stored if stored and stored.claim == claim else None

    return retrying(write)


def _end_exhausted(nudge: Nudge) -> Outcome:
    """Ends a delivery whose last attempt was cut off; any other nudge that claimed nothing was stale."""
    condition = _as_seen(nudge) & (Delivery.made >= MOST_ATTEMPTS)
    delivery = Delivery(*Delivery.key(nudge.subscription, nudge.delivery))
    try:
        retrying(lambda: update_item(delivery, [Delivery.status.set("failed"), *removing_due()], condition))
    except ConditionFailedError:
        return Outcome.STALE
    return Outcome.FAILED


def _send(subscription: Subscription, delivery: Delivery, secrets: list[str]) -> Answered:
    body = delivery.body.encode()
    now, begun = clock.now(), time.monotonic()
    attempt = Attempt(at=delivery.attempts[-1].at)
    private = settings().webhook_private_targets
    headers = {"Content-Type": "application/json", "User-Agent": f"oms/{settings().version}"}
    retry_after = None
    try:
        target = parse(subscription.url, private=private)
        signed = signed_headers(delivery.event_id, int(now.timestamp()), body, secrets)
        with _noticed_when_slow(subscription):
            answer = post(target, body, headers | signed, private=private)
        attempt.status_code, retry_after = answer.status, answer.retry_after
        attempt.answer = answer.body.decode(errors="replace")[:_SHOWN_ANSWER]
    except (ForbiddenTargetError, NoAnswerError) as error:
        attempt.error = str(error)[:_SHOWN_ERROR]
    seconds = time.monotonic() - begun
    attempt.duration_ms = round(seconds * 1000)
    return Answered(attempt, retry_after, clock.now(), seconds <= QUICK)


@contextmanager
def _noticed_when_slow(subscription: Subscription) -> Iterator[None]:
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


def _conclude(subscription: Subscription, delivery: Delivery, answered: Answered) -> Outcome:
    """Writes down what the attempt says of the subscription, then of the delivery.

    In this order, since a sender cut off between the two makes the attempt again: what was concluded is concluded then.
    """
    is_gone = answered.attempt.status_code == _GONE
    was_disabled = _note(subscription, answered, is_gone=is_gone)
    end: list[Action] = removing_due()
    if answered.succeeded:
        return _settle(delivery, answered.attempt, [Delivery.status.set("delivered"), *end], Outcome.DELIVERED)
    if is_gone and was_disabled:
        return _settle(delivery, answered.attempt, [Delivery.status.set("failed"), *end], Outcome.FAILED)
    again = next_attempt(
        delivery.made,
        answered.ended,
        retry_after=answered.retry_after,
        chance=random.random(),  # noqa: S311 - jitter, not a secret
    )
    if again is None:
        return _settle(delivery, answered.attempt, [Delivery.status.set("failed"), *end], Outcome.FAILED)
    if was_disabled:
        return _settle(delivery, answered.attempt, [Delivery.status.set("paused"), *end], Outcome.PAUSED)
    due = setting_due(delivery.subscription_id, delivery.id, again)
    return _settle(delivery, answered.attempt, due, Outcome.RETRIED, nudged_for=subscription)


def _note(subscription: Subscription, answered: Answered, *, is_gone: bool) -> bool:
    """Writes what an attempt says of its subscription, where that is new; whether it disabled it."""
    if not answered.succeeded and _disable(subscription, answered, is_gone=is_gone):
        return True
    actions: list[Action] = []
    pace = "quick" if answered.is_quick else "slow"
    if subscription.pace != pace:
        actions.append(Subscription.pace.set(pace))
    if answered.succeeded and subscription.failing_since is not None:
        actions.append(Subscription.failing_since.remove())
    if not answered.succeeded and subscription.failing_since is None:
        first = clock.timestamp(answered.ended)
        actions.append(Subscription.failing_since.set(Subscription.failing_since | first))
    if actions:
        with suppress(ConditionFailedError):  # deleted meanwhile
            retrying(lambda: update_item(subscription, actions, Subscription.pk.exists()))
    subscription.pace = pace
    return False


def _disable(subscription: Subscription, answered: Answered, *, is_gone: bool) -> bool:
    """Ends a subscription that said that it is gone, or has failed for days. Not one that was edited meanwhile."""
    since = subscription.failing_since
    has_failed_long = since is not None and clock.instant(since) + DISABLED_AFTER <= answered.ended
    if not is_gone and not has_failed_long:
        return False
    system = System()
    actions: list[Action] = [
        Subscription.status.set("disabled"),
        Subscription.disabled_reason.set("gone" if is_gone else "failing"),
        Subscription.version.set(subscription.version + 1),
        Subscription.updated_at.set(clock.timestamp(answered.ended)),
        Subscription.updated_by.set(system.id),
        Subscription.updated_by_role.set(system.role),
    ]
    condition = (Subscription.status == "active") & (Subscription.version == subscription.version)
    if not is_gone:
        condition &= Subscription.failing_since == since
    try:
        retrying(lambda: update_item(subscription, actions, condition))
    except ConditionFailedError as error:
        stored = Subscription.from_raw_data(error.item) if error.item else None
        # Also by an earlier attempt of ours, whose answer was lost.
        return stored is not None and stored.status == "disabled"
    return True


def _settle(
    delivery: Delivery,
    attempt: Attempt | None,
    actions: list[Action],
    outcome: Outcome,
    *,
    nudged_for: Subscription | None = None,
) -> Outcome:
    """Puts the attempt in the place that the claim kept for it (None: it was not made), and says what comes next."""
    made = [*delivery.attempts[:-1], *([attempt] if attempt else [])][-_SHOWN_ATTEMPTS:]
    ours = (Delivery.claim == delivery.claim) & (Delivery.due_at == delivery.due_at)
    try:
        settled = retrying(lambda: update_item(delivery, [Delivery.attempts.set(made), *actions], ours))
    except ConditionFailedError as error:
        stored = Delivery.from_raw_data(error.item) if error.item else None
        if stored is None or stored.claim != delivery.claim:
            return Outcome.STALE  # the claim was over, and somebody else has it
        settled = stored  # by an earlier attempt whose answer was lost
    if nudged_for is not None:
        deliveries.nudge([(nudged_for, settled)])
    return outcome
