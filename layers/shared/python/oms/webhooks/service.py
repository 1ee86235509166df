"""Webhook subscriptions: who is told of what, and with which secret. In the hands of admins."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock
from oms.core.actors import Actor
from oms.core.dynamodb import ConcurrentUpdateError, get_item, retrying
from oms.core.errors import NotFoundError, TooManyWebhooksError, WebhookUrlForbiddenError
from oms.core.pages import KeyRange, Page, table_page
from oms.core.settings import settings
from oms.core.transactions import Transaction, TransactionError, transaction
from oms.core.versions import ExpectedVersion
from oms.events.types import check_patterns
from oms.webhooks import secret_encryption, signature, targets
from oms.webhooks.deadline import Deadline
from oms.webhooks.models import Subscription, SubscriptionCount
from oms.webhooks.schemas import CreateWebhookRequest, UpdateWebhookRequest
from oms.webhooks.targets import ForbiddenTargetError, Target

MAX_WEBHOOKS = 50
# How long the secret before the last rotation signs too.
OVERLAP = timedelta(hours=24)
# Of the name's look-up at registration. That of a delivery is within the delivery's own time.
RESOLVING_SECONDS = 3.0


@dataclass(frozen=True)
class By:
    """Who asks, and from which address."""

    actor: Actor
    address: str

    def entry(self, action: str, subscription_id: str, details: Mapping[str, str | int] | None = None) -> Any:
        return audit_log.entry(
            action,
            actor_id=self.actor.id,
            actor_role=self.actor.role,
            address=self.address,
            target=f"webhook#{subscription_id}",
            details=details,
        )


def list_subscriptions(*, limit: int, after: str | None) -> Page[Subscription]:
    """The newest first; one consistent Query."""
    partition, _ = Subscription.key("")
    return table_page(Subscription, partition, KeyRange(limit, descending=True, after=after))


def get(subscription_id: str) -> Subscription:
    """Raises NotFoundError."""
    subscription = get_item(Subscription, Subscription.key(subscription_id))
    if subscription is None:
        raise _not_there()
    return subscription


def create(request: CreateWebhookRequest, *, by: By) -> tuple[Subscription, str]:
    """A new subscription, and its secret in the clear, which nothing gives again.

    Raises InvalidRequestError, WebhookUrlForbiddenError, TooManyWebhooksError, UnavailableError.
    """
    wanted = _checked_events(request.events)
    target = _checked_target(request.url)
    now, secret = clock.now(), signature.new_secret()
    subscription_id, at = clock.timed_id(now), clock.timestamp(now)
    subscription = Subscription(
        *Subscription.key(subscription_id),
        id=subscription_id,
        url=request.url,
        events=wanted,
        description=request.description,
        status="active",
        secret=secret_encryption.seal(secret, subscription_id=subscription_id),
        version=1,
        created_at=at,
        updated_at=at,
        created_by=by.actor.id,
        updated_by=by.actor.id,
        updated_by_role=by.actor.role,
    )
    # Of the URL the host alone: what follows it may be a secret of the receiver's.
    entry = by.entry("webhook.created", subscription_id, {"host": target.host, "events": ",".join(wanted)})
    retrying(lambda: _put(subscription, entry))
    return subscription, secret


def _put(subscription: Subscription, entry: AuditEntry) -> None:
    try:
        with transaction() as writes:
            writes.save(entry)
            writes.save(subscription, condition=Subscription.pk.does_not_exist())
            room = SubscriptionCount.n.does_not_exist() | (SubscriptionCount.n < MAX_WEBHOOKS)
            _count(writes, 1, room)
    except TransactionError as error:
        if error.failed(subscription):
            return  # an earlier attempt stored it, and its response was lost
        if error.failed(_counter()):
            raise TooManyWebhooksError(f"The limit of {MAX_WEBHOOKS} webhooks is reached.") from error
        raise


def update(
    subscription_id: str, request: UpdateWebhookRequest, *, by: By, expected_version: ExpectedVersion
) -> Subscription:
    """The subscription as changed, or as it is where there is nothing to change.

    Raises InvalidRequestError, WebhookUrlForbiddenError, NotFoundError, StaleVersionError, UnavailableError.
    """
    wanted = request.model_dump(exclude_unset=True)
    details: dict[str, str | int] = {"fields": ",".join(sorted(wanted))}
    if "events" in wanted:
        wanted["events"] = _checked_events(request.events)
        details["events"] = ",".join(wanted["events"])
    if "url" in wanted:
        details["host"] = _checked_target(request.url).host
    if "status" in wanted:
        details["status"] = request.status

    def changes(seen: Subscription) -> dict[str, Any]:
        changed = {name: value for name, value in wanted.items() if getattr(seen, name) != value}
        if "url" in changed or "status" in changed:
            # What failed was another receiver, or is begun anew: its five days do not go on.
            changed["failing_since"] = None
        if "url" in changed:
            changed["pace"] = None
        if "status" in changed:
            changed["disabled_reason"] = None
        return changed

    return _edit(
        subscription_id,
        changes,
        by.entry("webhook.changed", subscription_id, details),
        by=by,
        expected_version=expected_version,
    )


def rotate_secret(subscription_id: str, *, by: By, expected_version: ExpectedVersion) -> tuple[Subscription, str, int]:
    """The subscription, its new secret in the clear, and until when (in epoch seconds) the one that it had signs too.

    Raises NotFoundError, StaleVersionError, UnavailableError.
    """
    secret = signature.new_secret()
    sealed = secret_encryption.seal(secret, subscription_id=subscription_id)
    until = int((clock.now() + OVERLAP).timestamp())

    def changes(seen: Subscription) -> dict[str, Any]:
        if sealed in (seen.secret, seen.previous_secret):
            return {}  # made by an earlier attempt whose answer was lost, and edited since
        return {"secret": sealed, "previous_secret": seen.secret, "previous_until": until}

    entry = by.entry("webhook.secret_rotated", subscription_id)
    return _edit(subscription_id, changes, entry, by=by, expected_version=expected_version), secret, until


def delete(subscription_id: str, *, by: By, expected_version: ExpectedVersion) -> None:
    """Its deliveries are attempted no more, and end by their time to live.

    Raises NotFoundError, StaleVersionError, UnavailableError.
    """
    seen: Subscription | None = get(subscription_id)
    entry = by.entry("webhook.deleted", subscription_id)

    def write() -> None:
        nonlocal seen
        if seen is None:
            return  # deleted by an earlier attempt whose answer was lost, or by another request
        expected_version.check(seen.version)
        try:
            with transaction() as writes:
                writes.delete(seen, condition=Subscription.version == seen.version)
                writes.save(entry)
                _count(writes, -1)
        except TransactionError as error:
            if not error.failed(seen):
                raise
            seen = get_item(Subscription, Subscription.key(subscription_id))
            raise ConcurrentUpdateError from error

    retrying(write)


# ---- checks of what a request names ---------------------------------------------------------------------------------


def _checked_events(patterns: Sequence[str]) -> list[str]:
    """Each once, at its first place. Raises InvalidRequestError for what means no type of event."""
    for place, pattern in enumerate(patterns):
        check_patterns([pattern], pointer=f"#/events/{place}")
    return list(dict.fromkeys(patterns))


def _checked_target(url: str) -> Target:
    """Where a URL leads, if webhooks may go there now; what it leads to later is checked at each delivery.

    Raises WebhookUrlForbiddenError.
    """
    private = settings().webhook_private_targets
    try:
        target = targets.parse(url, private=private)
        addresses = Deadline.within(RESOLVING_SECONDS).bound(lambda: targets.addresses_of(target, private=private))
    except ForbiddenTargetError as error:
        raise _forbidden(str(error)) from error
    except TimeoutError as error:
        raise _forbidden("has a host name whose address was not found in time") from error
    except (OSError, UnicodeError) as error:
        raise _forbidden("has a host name that has no address") from error
    if not addresses:
        raise _forbidden("has a host name that has no address")
    return target


def _forbidden(detail: str) -> WebhookUrlForbiddenError:
    return WebhookUrlForbiddenError([{"pointer": "#/url", "detail": detail}], f"The URL {detail}.")


def _not_there() -> NotFoundError:
    return NotFoundError("There is no such webhook.")


# ---- writes ---------------------------------------------------------------------------------------------------------


def _edit(
    subscription_id: str,
    changes: Callable[[Subscription], dict[str, Any]],
    entry: AuditEntry,
    *,
    by: By,
    expected_version: ExpectedVersion,
) -> Subscription:
    """The subscription with what `changes` makes of it as it is stored. Raises NotFoundError, UnavailableError."""
    seen = get(subscription_id)
    expected_version.check(seen.version)
    mark = {"updated_at": clock.timestamp(clock.now()), "updated_by": by.actor.id, "updated_by_role": by.actor.role}

    def write() -> Subscription:
        nonlocal seen
        expected_version.check(seen.version)
        changed = changes(seen)
        if not changed:
            return seen
        changed |= {"version": seen.version + 1, **mark}
        stored = _store(seen, changed, entry)
        if all(getattr(stored, name) == value for name, value in changed.items()):
            return stored  # if not by this attempt, by an earlier one whose answer was lost
        seen = stored
        raise ConcurrentUpdateError

    return retrying(write)


def _store(seen: Subscription, changed: Mapping[str, Any], entry: AuditEntry) -> Subscription:
    """The subscription as stored: changed, unless its version was not as seen. Touches nothing else of it, since the
    sender writes `failing_since` beside. Raises NotFoundError.
    """
    actions: list[Action] = []
    for name, value in changed.items():
        attribute = getattr(Subscription, name)
        actions.append(attribute.remove() if value is None else attribute.set(value))
    try:
        with transaction() as writes:
            writes.save(entry)
            writes.update(
                Subscription(*Subscription.key(seen.id)),
                actions,
                Subscription.version == seen.version,
                return_values="ALL_OLD",
            )
    except TransactionError as error:
        if not error.failed(seen):
            raise
        if not (stored := error.stored(seen)):
            raise _not_there() from error
        return Subscription.from_raw_data(stored)
    now = Subscription.from_raw_data(seen.serialize())
    for name, value in changed.items():
        setattr(now, name, value)
    return now


def _counter() -> SubscriptionCount:
    return SubscriptionCount(*SubscriptionCount.key())


def _count(writes: Transaction, by: int, condition: Condition | None = None) -> None:
    writes.update(_counter(), [SubscriptionCount.kind.set(SubscriptionCount), SubscriptionCount.n.add(by)], condition)
