"""Webhook subscriptions: admins create, change and delete them, and rotate their secrets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pynamodb.expressions.update import Action

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock
from oms.core.actors import Actor
from oms.core.dynamodb import get_item
from oms.core.errors import ForbiddenError, NotFoundError, TooManyWebhooksError, WebhookUrlForbiddenError
from oms.core.pages import KeyRange, Page, table_page
from oms.core.retries import ConcurrentUpdateError, retrying
from oms.core.settings import settings
from oms.core.transactions import TransactionError, transaction
from oms.core.versions import ExpectedVersion
from oms.events.patterns import matches
from oms.events.types import EVENT_TYPES, check_patterns
from oms.webhooks import secret_encryption, signature, targets
from oms.webhooks.deadline import Deadline
from oms.webhooks.models import Subscription, SubscriptionCount
from oms.webhooks.schemas import CreateWebhookRequest, UpdateWebhookRequest
from oms.webhooks.targets import ForbiddenTargetError, Target

MAX_WEBHOOKS = 50
# For this time after a rotation, the previous secret signs too.
SECRET_OVERLAP = timedelta(hours=24)
# Limits the lookup of a host name when a webhook is created or changed. A delivery's lookup is part of its attempt.
RESOLVE_TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True)
class By:
    """The caller and their IP address, for the audit log."""

    actor: Actor
    address: str

    def entry(self, action: str, subscription_id: str, details: Mapping[str, str | int] | None = None) -> Any:
        """Returns an audit entry of this caller's action."""
        return audit_log.entry(
            action,
            actor_id=self.actor.id,
            actor_role=self.actor.role,
            address=self.address,
            target=f"webhook#{subscription_id}",
            details=details,
        )


def list_subscriptions(*, limit: int, after: str | None) -> Page[Subscription]:
    """Returns a page of subscriptions, newest first, by one consistent Query."""
    partition, _ = Subscription.key("")
    return table_page(Subscription, partition, KeyRange(limit, descending=True, after=after))


def get(subscription_id: str) -> Subscription:
    """Returns a subscription. Raises NotFoundError."""
    subscription = get_item(Subscription, Subscription.key(subscription_id))
    if subscription is None:
        raise _not_found()
    return subscription


def create(request: CreateWebhookRequest, *, by: By) -> tuple[Subscription, str]:
    """Creates a subscription; returns it with its secret in plain text, which no later call returns.

    Raises InvalidRequestError, WebhookUrlForbiddenError, TooManyWebhooksError, UnavailableError.
    """
    patterns = _checked_events(request.events)
    target = _checked_target(request.url)
    now, secret = clock.now(), signature.new_secret()
    subscription_id, at = clock.timed_id(now), clock.timestamp(now)
    subscription = Subscription(
        *Subscription.key(subscription_id),
        id=subscription_id,
        url=request.url,
        events=patterns,
        description=request.description,
        status="active",
        secret=secret_encryption.encrypt(secret, subscription_id=subscription_id),
        version=1,
        created_at=at,
        updated_at=at,
        created_by=by.actor.id,
        updated_by=by.actor.id,
        updated_by_role=by.actor.role,
    )
    # Only the host of the URL: path and query may be a secret of the receiver.
    entry = by.entry("webhook.created", subscription_id, {"host": target.host, "events": ",".join(patterns)})
    retrying(lambda: _put(subscription, entry))
    return subscription, secret


def _put(subscription: Subscription, entry: AuditEntry) -> None:
    counter = SubscriptionCount(*SubscriptionCount.key())
    try:
        with transaction() as writes:
            writes.save(entry)
            writes.save(subscription, condition=Subscription.pk.does_not_exist())
            writes.update(counter, *counter.increment(MAX_WEBHOOKS))
    except TransactionError as error:
        if error.failed(subscription):
            return  # an earlier attempt stored it, and its response was lost
        if error.failed(counter):
            raise TooManyWebhooksError(
                f"The limit of {MAX_WEBHOOKS} webhooks is reached. Delete one that is not needed."
            ) from error
        raise


def update(
    subscription_id: str, request: UpdateWebhookRequest, *, by: By, expected_version: ExpectedVersion
) -> Subscription:
    """Changes a subscription; returns it as stored, unchanged if the request changes no field.

    Raises InvalidRequestError, WebhookUrlForbiddenError, NotFoundError, StaleVersionError, UnavailableError.
    """
    requested = request.model_dump(exclude_unset=True)
    details: dict[str, str | int] = {"fields": ",".join(sorted(requested))}
    if "events" in requested:
        requested["events"] = _checked_events(request.events)
        details["events"] = ",".join(requested["events"])
    if "url" in requested:
        details["host"] = _checked_target(request.url).host
    if "status" in requested:
        details["status"] = request.status

    def changes(seen: Subscription) -> dict[str, Any]:
        changed = {name: value for name, value in requested.items() if getattr(seen, name) != value}
        if "url" in changed or "status" in changed:
            # Earlier failures do not count towards the five days: the receiver is another one, or starts again.
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
    """Replaces a subscription's secret.

    Returns the subscription, the new secret in plain text, and the time until which the previous secret signs too, in
    Unix seconds.

    Raises NotFoundError, StaleVersionError, UnavailableError.
    """
    secret = signature.new_secret()
    sealed = secret_encryption.encrypt(secret, subscription_id=subscription_id)
    until = int((clock.now() + SECRET_OVERLAP).timestamp())

    def changes(seen: Subscription) -> dict[str, Any]:
        if sealed in (seen.secret, seen.previous_secret):
            return {}  # an earlier attempt stored it and its response was lost, and the subscription was edited since
        return {"secret": sealed, "previous_secret": seen.secret, "previous_until": until}

    entry = by.entry("webhook.secret_rotated", subscription_id)
    return _edit(subscription_id, changes, entry, by=by, expected_version=expected_version), secret, until


def delete(subscription_id: str, *, by: By, expected_version: ExpectedVersion) -> None:
    """Deletes a subscription. Its deliveries are not attempted again, and expire.

    Raises NotFoundError, StaleVersionError, UnavailableError.
    """
    seen: Subscription | None = get(subscription_id)
    entry = by.entry("webhook.deleted", subscription_id)
    counter = SubscriptionCount(*SubscriptionCount.key())

    def write() -> None:
        nonlocal seen
        if seen is None:
            return  # an earlier attempt deleted it and its response was lost, or another request deleted it
        expected_version.check(seen.version)
        try:
            with transaction() as writes:
                writes.delete(seen, condition=Subscription.version == seen.version)
                writes.save(entry)
                writes.update(counter, counter.decrement())
        except TransactionError as error:
            if not error.failed(seen):
                raise
            seen = get_item(Subscription, Subscription.key(subscription_id))
            raise ConcurrentUpdateError from error

    retrying(write)


# ---- checks of a request's values -----------------------------------------------------------------------------------


def _checked_events(patterns: Sequence[str]) -> list[str]:
    """Returns the patterns without repetitions. Raises InvalidRequestError if one does not match any event type."""
    for index, pattern in enumerate(patterns):
        check_patterns([pattern], pointer=f"#/events/{index}")
    return list(dict.fromkeys(patterns))


def _check_key(subscription: Subscription, patterns: Sequence[object], actor: Actor) -> None:
    """Raises ForbiddenError if a service key would decide where events of users are sent.

    A webhook that the key itself created never gets them.
    """
    if actor.role != "service" or subscription.created_by == actor.id:
        return
    if any(it.for_admins and matches(map(str, patterns), it.name) for it in EVENT_TYPES.values()):
        raise ForbiddenError("A service key may not change a webhook for events of users. Sign in as an admin.")


def _checked_target(url: str) -> Target:
    """Returns the target of a URL. Raises WebhookUrlForbiddenError if webhooks must not use it now.

    Each attempt checks it again, since its addresses may change.
    """
    private = settings().webhook_private_targets
    try:
        target = targets.parse(url, private=private)
        addresses = Deadline.within(RESOLVE_TIMEOUT_SECONDS).bound(
            lambda: targets.addresses_of(target, private=private)
        )
    except ForbiddenTargetError as error:
        raise _forbidden(str(error)) from error
    except TimeoutError as error:
        raise _forbidden("has a host name that was not resolved in time") from error
    except (OSError, UnicodeError) as error:
        raise _forbidden("has a host name that has no address") from error
    if not addresses:
        raise _forbidden("has a host name that has no address")
    return target


def _forbidden(detail: str) -> WebhookUrlForbiddenError:
    return WebhookUrlForbiddenError([{"pointer": "#/url", "detail": detail}], f"The URL {detail}.")


def _not_found() -> NotFoundError:
    return NotFoundError("Webhook not found.")


# ---- writes ---------------------------------------------------------------------------------------------------------


def _edit(
    subscription_id: str,
    changes: Callable[[Subscription], dict[str, Any]],
    entry: AuditEntry,
    *,
    by: By,
    expected_version: ExpectedVersion,
) -> Subscription:
    """Applies `changes` to the stored subscription; returns it as stored.

    `changes` returns the new values by attribute name; without any, the subscription stays as it is. Raises
    NotFoundError, StaleVersionError, UnavailableError.
    """
    seen = get(subscription_id)
    _check_key(seen, seen.events, by.actor)
    expected_version.check(seen.version)
    stamp = {"updated_at": clock.timestamp(clock.now()), "updated_by": by.actor.id, "updated_by_role": by.actor.role}

    def write() -> Subscription:
        nonlocal seen
        changed = changes(seen)
        _check_key(seen, changed.get("events", seen.events), by.actor)
        expected_version.check(seen.version)
        if not changed:
            return seen
        changed |= {"version": seen.version + 1, **stamp}
        stored = _store(seen, changed, entry)
        if all(getattr(stored, name) == value for name, value in changed.items()):
            return stored  # by this attempt, or by an earlier one whose response was lost
        seen = stored
        raise ConcurrentUpdateError

    return retrying(write)


def _store(seen: Subscription, changed: Mapping[str, Any], entry: AuditEntry) -> Subscription:
    """Writes the changes if the version is unchanged, and returns the stored subscription. Raises NotFoundError.

    Writes no other attribute: the sender may write `failing_since` at the same time.
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
            raise _not_found() from error
        return Subscription.from_raw_data(stored)
    now = Subscription.from_raw_data(seen.serialize())
    for name, value in changed.items():
        setattr(now, name, value)
    return now
