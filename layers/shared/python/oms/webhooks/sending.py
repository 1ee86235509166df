"""One attempt at a delivery: claimed, sent, settled, each by one conditional write, so that who comes late finds out.

The claim counts the attempt before anything is sent and holds for a minute, longer than its sender lives. What a sender
that was cut off has claimed stays an attempt, and is due again when the claim ends.
"""

import random
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.core import clock, queues
from oms.core.dynamodb import ConditionFailedError, deadline, get_item, retrying, update_item
from oms.core.settings import settings
from oms.webhooks import deliveries, health, secret_encryption
from oms.webhooks.deliveries import CLAIM, Trigger, milliseconds, removing_due, setting_due
from oms.webhooks.health import Answered
from oms.webhooks.matcher import SubscriptionMatcher
from oms.webhooks.models import INTERRUPTED, Attempt, Delivery, Subscription
from oms.webhooks.post import NoAnswerError, post
from oms.webhooks.schedule import DELAYS, next_attempt
from oms.webhooks.secret_encryption import DecryptionError
from oms.webhooks.signature import signed_headers
from oms.webhooks.targets import ForbiddenTargetError, parse

logger = Logger(child=True)
metrics = Metrics()

MOST_ATTEMPTS = len(DELAYS) + 1
# No call to DynamoDB is begun later than so many seconds after the nudge came, and after its POST has ended. One takes
# 6 s at most: so the POST has its time, and the outcome is written, before the claim and the sender's life end.
START_DEADLINE_SECONDS = 8.0
SETTLED_WITHIN = 15.0
_SHOWN_ATTEMPTS = 20
_SHOWN_ANSWER = 1000
_SHOWN_ERROR = 200
_EARLY_MS = 1000


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
class Begun:
    """A delivery that is claimed, with what it takes to send it. No secrets: the one that signs cannot be opened."""

    subscription: Subscription
    delivery: Delivery
    secrets: list[str]


def attempt(nudge: Trigger, *, slow: bool) -> Outcome:
    """Looks at a delivery, and sends it if it is due as the nudge says. `slow`: the nudge is of the queue for those.

    Raises UnavailableError, NotSentError and botocore's errors; until it is claimed, the nudge is to come again.
    """
    with deadline(START_DEADLINE_SECONDS):
        begun = _begin(nudge, slow=slow)
    if isinstance(begun, Outcome):
        return begun
    answered = _send(begun) if begun.secrets else None
    with deadline(SETTLED_WITHIN):
        return _conclude(begun.subscription, begun.delivery, answered) if answered else _conclude_unsent(begun)


def _begin(nudge: Trigger, *, slow: bool) -> Begun | Outcome:
    """What is to be sent now, claimed; or what became of the nudge."""
    now = clock.now()
    queue = settings().slow_delivery_queue_url if slow else settings().delivery_queue_url
    if nudge.due_at > milliseconds(now) + _EARLY_MS:
        queues.send_all(queue, [nudge.message(now)])
        return Outcome.EARLY
    subscription = get_item(Subscription, Subscription.key(nudge.subscription))
    if subscription is None or subscription.status != "active":
        return _set_aside(nudge)
    if not slow and not health.is_for_all(subscription, now):
        queues.send_all(settings().slow_delivery_queue_url, [nudge.message(now)])
        return Outcome.MOVED
    secrets = _secrets(subscription, now)
    delivery = _claim(nudge)
    if isinstance(delivery, Outcome):
        return delivery
    try:
        may_have = SubscriptionMatcher([subscription]).may_have(subscription, delivery.event_type)
    except Exception:
        _give_back(delivery)
        raise
    if not may_have:
        return _settle(delivery, None, [Delivery.status.set("paused"), *removing_due()], Outcome.PAUSED)
    return Begun(subscription, delivery, secrets)


def _set_aside(nudge: Trigger) -> Outcome:
    """Keeps a delivery for a replay: its subscription is not active, or gone."""
    delivery = Delivery(*Delivery.key(nudge.subscription, nudge.delivery))
    try:
        retrying(lambda: update_item(delivery, [Delivery.status.set("paused"), *removing_due()], _as_seen(nudge)))
    except ConditionFailedError:
        return Outcome.STALE
    return Outcome.PAUSED


def _as_seen(nudge: Trigger) -> Condition:
    condition: Condition = (Delivery.status == "pending") & (Delivery.due_at == nudge.due_at)
    return condition


def _secrets(subscription: Subscription, now: datetime) -> list[str]:
    """The secrets that sign, the newest first; none when that one cannot be opened."""
    try:
        secrets = [secret_encryption.unseal(subscription.secret, subscription_id=subscription.id)]
    except DecryptionError:
        logger.exception("the secret of a webhook cannot be opened", subscription_id=subscription.id)
        return []
    if subscription.previous_secret and (subscription.previous_until or 0) > now.timestamp():
        with suppress(DecryptionError):
            secrets.append(secret_encryption.unseal(subscription.previous_secret, subscription_id=subscription.id))
    return secrets


def _claim(nudge: Trigger) -> Delivery | Outcome:
    """The delivery, claimed; or what became of one that is not as the nudge says, or has had all of its attempts."""
    now, claim = clock.now(), clock.random_id()
    begun = Attempt(at=clock.timestamp(now), error=INTERRUPTED)
    actions = [
        Delivery.made.add(1),
        Delivery.claim.set(claim),
        Delivery.attempts.set(Delivery.attempts.append([begun])),
        *setting_due(nudge.subscription, nudge.delivery, now + CLAIM),
    ]
    condition = _as_seen(nudge) & (Delivery.made < MOST_ATTEMPTS)

    def write() -> Delivery | Outcome:
        try:
            return update_item(Delivery(*Delivery.key(nudge.subscription, nudge.delivery)), actions, condition)
        except ConditionFailedError as error:
            stored = Delivery.from_raw_data(error.item) if error.item else None
            if stored is not None and stored.claim == claim:
                return stored  # ours, when the answer to an earlier attempt was lost
            if stored is not None and (stored.status, stored.due_at) == ("pending", nudge.due_at):
                return _end_exhausted(nudge)
            return Outcome.STALE

    return retrying(write)


def _give_back(delivery: Delivery) -> None:
    """Takes back the attempt that a claim counted: nothing was tried. The delivery is due when the claim ends."""
    with deadline(SETTLED_WITHIN):
        _written(delivery, None, [Delivery.made.set(delivery.made - 1)], Delivery.made == delivery.made)


def _end_exhausted(nudge: Trigger) -> Outcome:
    """Ends a delivery whose last attempt was cut off."""
    condition = _as_seen(nudge) & (Delivery.made >= MOST_ATTEMPTS)
    delivery = Delivery(*Delivery.key(nudge.subscription, nudge.delivery))
    try:
        retrying(lambda: update_item(delivery, [Delivery.status.set("failed"), *removing_due()], condition))
    except ConditionFailedError:
        return Outcome.STALE
    return Outcome.FAILED


def _send(begun: Begun) -> Answered:
    subscription, delivery = begun.subscription, begun.delivery
    body = delivery.body.encode()
    began = clock.now()
    attempt = Attempt(at=delivery.attempts[-1].at)
    private = settings().webhook_private_targets
    seconds, retry_after = 0.0, None
    try:
        target = parse(subscription.url, private=private)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"oms/{settings().version}",
            **signed_headers(delivery.event_id, int(began.timestamp()), body, begun.secrets),
        }
        with health.mark_slow_after(subscription):
            ticks = clock.monotonic()
            try:
                answer = post(target, body, headers, private=private)
            finally:
                seconds = clock.monotonic() - ticks
        attempt.status_code, retry_after = answer.status, answer.retry_after
        attempt.answer = _shown(answer.body)
    # A forbidden target is the receiver's failure, though nothing is sent: it is their name that leads there.
    except (ForbiddenTargetError, NoAnswerError) as error:
        attempt.error = str(error)[:_SHOWN_ERROR]
    attempt.duration_ms = round(seconds * 1000)
    return Answered(attempt, retry_after, began, clock.now())


def _shown(answer: bytes) -> str:
    """The beginning of an answer, as text without control characters: JSON would make six of each."""
    text = answer.decode(errors="replace")[:_SHOWN_ANSWER]
    return "".join("\ufffd" if unicodedata.category(it) == "Cc" and it not in "\t\n\r" else it for it in text)


def _conclude(subscription: Subscription, delivery: Delivery, answered: Answered) -> Outcome:
    """Writes down what the attempt says of the subscription, then of the delivery.

    In this order, since a sender cut off between the two makes the attempt again: what was concluded is concluded then.
    """
    is_disabled = health.note(subscription, answered)
    subscription.pace = answered.pace
    end: list[Action] = removing_due()
    if answered.succeeded:
        return _settle(delivery, answered.attempt, [Delivery.status.set("delivered"), *end], Outcome.DELIVERED)
    if is_disabled:
        status, outcome = ("failed", Outcome.FAILED) if answered.says_gone else ("paused", Outcome.PAUSED)
        return _settle(delivery, answered.attempt, [Delivery.status.set(status), *end], outcome)
    return _try_again(subscription, delivery, answered)


def _conclude_unsent(begun: Begun) -> Outcome:
    """Keeps the attempt, and rings. It says nothing of the subscription: that nothing was sent is a fault of ours."""
    metrics.add_metric(name="WebhookSecretUnopened", unit=MetricUnit.Count, value=1)
    attempt = Attempt(at=begun.delivery.attempts[-1].at, error="the secret of the webhook cannot be opened")
    now = clock.now()
    return _try_again(begun.subscription, begun.delivery, Answered(attempt, None, now, now))


def _try_again(subscription: Subscription, delivery: Delivery, answered: Answered) -> Outcome:
    """Puts the next attempt on the schedule, or fails the delivery when this was the last.

    A replay that was asked for meanwhile has set `made` to 0: then this was the first.
    """
    made = max(1, delivery.made)
    again = next_attempt(
        made,
        answered.ended,
        retry_after=answered.retry_after,
        chance=random.random(),  # noqa: S311 - jitter, not a secret
    )
    actions: list[Action] = [Delivery.status.set("failed"), *removing_due()]
    if again is not None:
        actions = [Delivery.made.set(made), *setting_due(delivery.subscription_id, delivery.id, again)]
    settled = _written(delivery, answered.attempt, actions, Delivery.made == delivery.made)
    if settled is None:
        return Outcome.STALE
    if settled.made == 0 and settled.due_at == delivery.due_at:
        delivery.made = 0
        return _try_again(subscription, delivery, answered)
    deliveries.send_trigger([(subscription, settled)])
    return Outcome.FAILED if again is None else Outcome.RETRIED


def _settle(delivery: Delivery, attempt: Attempt | None, actions: list[Action], outcome: Outcome) -> Outcome:
    return Outcome.STALE if _written(delivery, attempt, actions) is None else outcome


def _written(
    delivery: Delivery, attempt: Attempt | None, actions: list[Action], condition: Condition | None = None
) -> Delivery | None:
    """The delivery, with the attempt in the place that the claim kept for it (None: it was not made).

    None when the claim was over and somebody else has it. As it was claimed when `condition` does not hold.
    """
    made = [*delivery.attempts[:-1], *([attempt] if attempt else [])][-_SHOWN_ATTEMPTS:]
    ours: Condition = (Delivery.claim == delivery.claim) & (Delivery.due_at == delivery.due_at)
    if condition is not None:
        ours &= condition
    try:
        return retrying(lambda: update_item(delivery, [Delivery.attempts.set(made), *actions], ours))
    except ConditionFailedError as error:
        stored = Delivery.from_raw_data(error.item) if error.item else None
        # Ours still: by an earlier attempt to write it whose answer was lost, or for `condition`.
        return stored if stored is not None and stored.claim == delivery.claim else None
