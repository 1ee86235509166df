"""One attempt at a delivery: claim it, send it, store the result.

Claim and result are conditional writes, so a late sender has no effect. The claim counts the attempt before the request
is sent. It lasts for a minute, longer than the sender's timeout. If the sender is interrupted, the attempt stays
counted, and the delivery is due again when the claim ends.
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
from oms.core.dynamodb import ConditionFailedError, get_item, update_item
from oms.core.retries import deadline, retrying
from oms.core.settings import settings
from oms.webhooks import deliveries, health, secret_encryption
from oms.webhooks.deliveries import CLAIM_LEASE, LEASE, Trigger, due, milliseconds, removing_due, setting_due
from oms.webhooks.health import AttemptResult
from oms.webhooks.matcher import SubscriptionMatcher
from oms.webhooks.models import INTERRUPTED, Attempt, Delivery, Subscription
from oms.webhooks.post import NoResponseError, post
from oms.webhooks.schedule import DELAYS, next_attempt
from oms.webhooks.secret_encryption import DecryptionError
from oms.webhooks.signature import signed_headers
from oms.webhooks.targets import ForbiddenTargetError, parse

logger = Logger(child=True)
metrics = Metrics()

MAX_ATTEMPTS = len(DELAYS) + 1
# No DynamoDB call starts later than this after the trigger arrived, and after the POST ended. A call takes at most 6 s.
# So the POST has its full time, and the result is stored, before the claim and the sender's timeout end.
START_DEADLINE_SECONDS = 8.0
RESULT_DEADLINE_SECONDS = 15.0
_MAX_STORED_ATTEMPTS = 20
_MAX_ANSWER_CHARACTERS = 1000
_MAX_ERROR_CHARACTERS = 200
_EARLY_TOLERANCE_MS = 1000


class AttemptOutcome(StrEnum):
    """The outcome of processing a trigger, which names a metric."""

    DELIVERED = "Delivered"
    RETRIED = "Retried"
    FAILED = "Failed"
    PAUSED = "Paused"
    # Nothing was sent: the trigger was late or repeated, early, or in the wrong queue.
    STALE = "Stale"
    EARLY = "Early"
    MOVED = "Moved"


@dataclass(frozen=True)
class ClaimedDelivery:
    """A claimed delivery, with its subscription and the secrets that sign it; none if they cannot be decrypted."""

    subscription: Subscription
    delivery: Delivery
    secrets: list[str]


def attempt(trigger: Trigger, *, slow: bool) -> AttemptOutcome:
    """Sends a delivery if it is still due at the trigger's time.

    `slow`: the trigger is from the queue of slow subscriptions. Raises UnavailableError, NotSentError and botocore's
    errors; then the caller must retry the trigger.
    """
    with deadline(START_DEADLINE_SECONDS):
        claimed = _prepare(trigger, slow=slow)
    if isinstance(claimed, AttemptOutcome):
        return claimed
    result = _send(claimed) if claimed.secrets else None
    with deadline(RESULT_DEADLINE_SECONDS):
        return _conclude(claimed.subscription, claimed.delivery, result) if result else _conclude_unsent(claimed)


def _prepare(trigger: Trigger, *, slow: bool) -> ClaimedDelivery | AttemptOutcome:
    """Returns the delivery to send now, claimed; or the outcome, if no attempt is made."""
    now = clock.now()
    queue = settings().slow_delivery_queue_url if slow else settings().delivery_queue_url
    if trigger.due_at > milliseconds(now) + _EARLY_TOLERANCE_MS:
        queues.send_all(queue, [trigger.message(now)])
        return AttemptOutcome.EARLY
    subscription = _active_subscription(trigger.subscription)
    if subscription is None:
        return _pause(trigger)
    if not slow and not health.uses_shared_senders(subscription, now):
        queues.send_all(settings().slow_delivery_queue_url, [trigger.message(now)])
        return AttemptOutcome.MOVED
    secrets = _secrets(subscription, now)
    delivery = _claim(trigger)
    if isinstance(delivery, AttemptOutcome):
        return delivery
    try:
        may_have = SubscriptionMatcher([subscription]).may_have(subscription, delivery.event_type)
    except Exception:
        _release(delivery)
        raise
    if not may_have:
        return _finish(delivery, None, [Delivery.status.set("paused"), *removing_due()], AttemptOutcome.PAUSED)
    return ClaimedDelivery(subscription, delivery, secrets)


def _active_subscription(subscription_id: str) -> Subscription | None:
    """Returns the subscription, or None if it is not active or was deleted.

    All attempts read one partition, which serves twice as many reads that are not consistent. Such a read may miss the
    changes of about the last second: the attempt counts as started before them. It never decides that nothing is sent.
    """
    key = Subscription.key(subscription_id)
    seen = get_item(Subscription, key, consistent=False)
    if seen is None or seen.status != "active" or seen.pace is None:
        seen = get_item(Subscription, key)
    return seen if seen is not None and seen.status == "active" else None


def _pause(trigger: Trigger) -> AttemptOutcome:
    """Pauses a delivery until a replay, because its subscription is not active, or was deleted."""
    delivery = Delivery(*trigger.key)
    try:
        retrying(lambda: update_item(delivery, [Delivery.status.set("paused"), *removing_due()], _still_due(trigger)))
    except ConditionFailedError:
        return AttemptOutcome.STALE
    return AttemptOutcome.PAUSED


def _still_due(trigger: Trigger) -> Condition:
    condition: Condition = (Delivery.status == "pending") & (Delivery.due_at == trigger.due_at)
    return condition


def _secrets(subscription: Subscription, now: datetime) -> list[str]:
    """Returns the signing secrets in plain text, newest first; none if the newest cannot be decrypted."""
    try:
        secrets = [secret_encryption.decrypt(subscription.secret, subscription_id=subscription.id)]
    except DecryptionError:
        logger.exception("the secret of a webhook cannot be decrypted", subscription_id=subscription.id)
        return []
    if subscription.previous_secret and (subscription.previous_until or 0) > now.timestamp():
        with suppress(DecryptionError):
            secrets.append(secret_encryption.decrypt(subscription.previous_secret, subscription_id=subscription.id))
    return secrets


def _claim(trigger: Trigger) -> Delivery | AttemptOutcome:
    """Returns the claimed delivery; or the outcome, if it is not due at the trigger's time, or has no attempt left."""
    now, claim = clock.now(), clock.random_id()
    started = Attempt(at=clock.timestamp(now), error=INTERRUPTED)
    due_at, due_shard, due_key = due(
        Delivery.shard_name(trigger.subscription, trigger.shard), trigger.delivery, now + CLAIM_LEASE
    )
    actions = [
        *LEASE.take(claim, due_at),
        Delivery.due_shard.set(due_shard),
        Delivery.due_key.set(due_key),
        Delivery.attempt_count.add(1),
        Delivery.attempts.set(Delivery.attempts.append([started])),
    ]
    condition = _still_due(trigger) & (Delivery.attempt_count < MAX_ATTEMPTS)

    def write() -> Delivery | AttemptOutcome:
        try:
            return update_item(Delivery(*trigger.key), actions, condition)
        except ConditionFailedError as error:
            stored = Delivery.from_raw_data(error.item) if error.item else None
            if stored is not None and stored.claim == claim:
                return stored  # an earlier attempt wrote it, and its response was lost
            if stored is not None and (stored.status, stored.due_at) == ("pending", trigger.due_at):
                return _end_exhausted(trigger)
            return AttemptOutcome.STALE

    return retrying(write)


def _release(delivery: Delivery) -> None:
    """Subtracts a claimed attempt that was not made. The delivery is due again when the claim ends."""
    with deadline(RESULT_DEADLINE_SECONDS):
        _store_result(
            delivery,
            None,
            [Delivery.attempt_count.set(delivery.attempt_count - 1)],
            Delivery.attempt_count == delivery.attempt_count,
        )


def _end_exhausted(trigger: Trigger) -> AttemptOutcome:
    """Marks a delivery as failed whose last attempt was interrupted."""
    condition = _still_due(trigger) & (Delivery.attempt_count >= MAX_ATTEMPTS)
    delivery = Delivery(*trigger.key)
    try:
        retrying(lambda: update_item(delivery, [Delivery.status.set("failed"), *removing_due()], condition))
    except ConditionFailedError:
        return AttemptOutcome.STALE
    return AttemptOutcome.FAILED


def _send(claimed: ClaimedDelivery) -> AttemptResult:
    subscription, delivery = claimed.subscription, claimed.delivery
    body = delivery.body.encode()
    started_at = clock.now()
    attempt = Attempt(at=delivery.attempts[-1].at)
    private = settings().webhook_private_targets
    seconds, retry_after = 0.0, None
    try:
        target = parse(subscription.url, private=private)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"oms/{settings().version}",
            **signed_headers(delivery.event_id, int(started_at.timestamp()), body, claimed.secrets),
        }
        with health.mark_slow_after(subscription):
            ticks = clock.monotonic()
            try:
                response = post(target, body, headers, private=private)
            finally:
                seconds = clock.monotonic() - ticks
        attempt.status_code, retry_after = response.status, response.retry_after
        attempt.answer = _readable(response.body)
    # A forbidden target is a failure of the receiver, since the receiver's host name resolves to it.
    except (ForbiddenTargetError, NoResponseError) as error:
        attempt.error = str(error)[:_MAX_ERROR_CHARACTERS]
    attempt.duration_ms = round(seconds * 1000)
    return AttemptResult(attempt, retry_after, started_at, clock.now())


def _readable(body: bytes) -> str:
    """Returns the beginning of a response body as text.

    Control characters are replaced, since JSON needs six characters for each of them.
    """
    text = body.decode(errors="replace")[:_MAX_ANSWER_CHARACTERS]
    return "".join("\ufffd" if unicodedata.category(it) == "Cc" and it not in "\t\n\r" else it for it in text)


def _conclude(subscription: Subscription, delivery: Delivery, result: AttemptResult) -> AttemptOutcome:
    """Stores the result of an attempt in the subscription, then in the delivery.

    If the sender is interrupted between the two, the attempt is made again, and its result updates both.
    """
    is_disabled = health.update(subscription, result)
    subscription.pace = result.pace
    end: list[Action] = removing_due()
    if result.succeeded:
        return _finish(delivery, result.attempt, [Delivery.status.set("delivered"), *end], AttemptOutcome.DELIVERED)
    if is_disabled:
        status, outcome = ("failed", AttemptOutcome.FAILED) if result.says_gone else ("paused", AttemptOutcome.PAUSED)
        return _finish(delivery, result.attempt, [Delivery.status.set(status), *end], outcome)
    return _retry_later(subscription, delivery, result)


def _conclude_unsent(claimed: ClaimedDelivery) -> AttemptOutcome:
    """Stores the attempt and raises an alarm. The receiver did not fail, so the subscription's health stays."""
    metrics.add_metric(name="WebhookSecretUnopened", unit=MetricUnit.Count, value=1)
    attempt = Attempt(at=claimed.delivery.attempts[-1].at, error="the secret of the webhook cannot be decrypted")
    now = clock.now()
    return _retry_later(claimed.subscription, claimed.delivery, AttemptResult(attempt, None, now, now))


def _retry_later(subscription: Subscription, delivery: Delivery, result: AttemptResult) -> AttemptOutcome:
    """Schedules the next attempt, or marks the delivery as failed if this was the last one.

    If a replay was requested meanwhile, `attempt_count` is 0: then this attempt counts as the first.
    """
    attempt_count = max(1, delivery.attempt_count)
    next_at = next_attempt(
        attempt_count,
        result.ended_at,
        retry_after=result.retry_after,
        chance=random.random(),  # noqa: S311 - jitter, not a secret
    )
    actions: list[Action] = [Delivery.status.set("failed"), *removing_due()]
    if next_at is not None:
        actions = [
            Delivery.attempt_count.set(attempt_count),
            *setting_due(delivery.due_partition, delivery.id, next_at),
        ]
    stored = _store_result(delivery, result.attempt, actions, Delivery.attempt_count == delivery.attempt_count)
    if stored is None:
        return AttemptOutcome.STALE
    if stored.attempt_count == 0 and stored.due_at == delivery.due_at:
        delivery.attempt_count = 0
        return _retry_later(subscription, delivery, result)
    deliveries.send_trigger([(subscription, stored)])
    return AttemptOutcome.FAILED if next_at is None else AttemptOutcome.RETRIED


def _finish(
    delivery: Delivery, attempt: Attempt | None, actions: list[Action], outcome: AttemptOutcome
) -> AttemptOutcome:
    return AttemptOutcome.STALE if _store_result(delivery, attempt, actions) is None else outcome


def _store_result(
    delivery: Delivery, attempt: Attempt | None, actions: list[Action], condition: Condition | None = None
) -> Delivery | None:
    """Replaces the attempt that the claim stored (`attempt` None: removes it), and returns the stored delivery.

    Returns None if the claim has expired and another sender claimed it. If `condition` does not hold, nothing is
    written, and the delivery is returned as it is stored.
    """
    attempts = [*delivery.attempts[:-1], *([attempt] if attempt else [])][-_MAX_STORED_ATTEMPTS:]
    owned = LEASE.is_held(delivery)
    if condition is not None:
        owned &= condition
    try:
        return retrying(lambda: update_item(delivery, [Delivery.attempts.set(attempts), *actions], owned))
    except ConditionFailedError as error:
        stored = Delivery.from_raw_data(error.item) if error.item else None
        # With the same claim, an earlier attempt wrote it and its response was lost, or `condition` does not hold.
        return stored if stored is not None and stored.claim == delivery.claim else None
