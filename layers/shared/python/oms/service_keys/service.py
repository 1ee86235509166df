"""Service keys: admins create, change and delete them, and rotate their secrets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock
from oms.core.actors import Actor
from oms.core.dynamodb import batch_get, get_item
from oms.core.errors import InvalidRequestError, NotFoundError, TooManyServiceKeysError
from oms.core.pages import KeyRange, Page, table_page
from oms.core.retries import ConcurrentUpdateError, retrying
from oms.core.schemas import at_second
from oms.core.transactions import Transaction, TransactionError, transaction
from oms.core.versions import ANY_VERSION, ExpectedVersion
from oms.service_keys.models import KEYS, KeyUse, ServiceKey, ServiceKeyCount
from oms.service_keys.schemas import CreateServiceKeyRequest, UpdateServiceKeyRequest
from oms.service_keys.scopes import scopes_of
from oms.service_keys.tokens import KeyToken, hash_of

MAX_KEYS = 100
# For this time after a rotation, the previous secret is valid too.
SECRET_OVERLAP = timedelta(hours=24)


@dataclass(frozen=True)
class By:
    """The actor of a change of keys, and how the audit log names it.

    `id` and `role` are those of an admin. An operator, who has no account, may grant what an admin may.
    """

    id: str
    role: str
    audit_id: str
    audit_role: str
    address: str | None

    @classmethod
    def user(cls, actor: Actor, address: str) -> Self:
        return cls(actor.id, actor.role, actor.id, actor.role, address)

    def entry(self, action: str, key_id: str, details: Mapping[str, str | int] | None = None) -> AuditEntry:
        """Returns an audit entry of this actor's change."""
        return audit_log.entry(
            action,
            actor_id=self.audit_id,
            actor_role=self.audit_role,
            address=self.address,
            target=f"service-key#{key_id}",
            details=details,
        )


# ---- reading --------------------------------------------------------------------------------------------------------


def list_keys(*, limit: int, after: str | None) -> Page[ServiceKey]:
    """Returns a page of keys, newest first, by one consistent Query."""
    return table_page(ServiceKey, KEYS, KeyRange(limit, descending=True, after=after))


def get(key_id: str) -> ServiceKey:
    """Returns a key. Raises NotFoundError."""
    key = get_item(ServiceKey, ServiceKey.key(key_id))
    if key is None:
        raise _not_found()
    return key


def last_uses(keys: Sequence[ServiceKey]) -> dict[str, int]:
    """Returns the time of each key's latest noted use by id, in epoch seconds, by one read."""
    places = {key.id: KeyUse.key(key.id) for key in keys}
    found = batch_get(KeyUse, places.values(), consistent=False) if keys else {}
    return {key_id: found[place].at for key_id, place in places.items() if place in found}


# ---- changes --------------------------------------------------------------------------------------------------------


def create(request: CreateServiceKeyRequest, *, stage: str, by: By) -> tuple[ServiceKey, KeyToken]:
    """Creates a key; returns it with its text, which no later call returns.

    Raises InvalidRequestError, TooManyServiceKeysError, UnavailableError.
    """
    token = KeyToken.new(stage, clock.timed_id(clock.now()))
    return put_new_key(token, request, by=by), token


def put_new_key(token: KeyToken, request: CreateServiceKeyRequest, *, by: By) -> ServiceKey:
    """Stores a key of this text, which must be new. The demo shop has a text that is always the same.

    Raises InvalidRequestError, TooManyServiceKeysError, UnavailableError.
    """
    _check_scopes(request.scopes, by)
    at = clock.timestamp(clock.now())
    key = ServiceKey(
        *ServiceKey.key(token.id),
        id=token.id,
        name=request.name,
        status="active",
        secret_hash=hash_of(token.secret),
        scopes=list(request.scopes),
        valid_until=_seconds(request.expires_at),
        rate_limit=request.rate_limit,
        allowed_addresses=list(request.allowed_addresses),
        version=1,
        created_at=at,
        created_by=by.id,
        updated_at=at,
    )
    entry = by.entry("service-key.created", key.id, {"name": key.name} | _rights(request))
    retrying(lambda: _put(key, entry))
    return key


def _put(key: ServiceKey, entry: AuditEntry) -> None:
    counter = ServiceKeyCount(*ServiceKeyCount.key())
    try:
        with transaction() as writes:
            writes.save(key, condition=ServiceKey.pk.does_not_exist())
            _save_copies(writes, key)
            writes.save(entry)
            writes.update(counter, *counter.increment(MAX_KEYS))
    except TransactionError as error:
        if error.failed(key):
            return  # an earlier attempt stored it, and its response was lost
        if error.failed(counter):
            raise TooManyServiceKeysError(
                f"The limit of {MAX_KEYS} service keys is reached. Delete one that is not needed."
            ) from error
        raise


def update(key_id: str, request: UpdateServiceKeyRequest, *, by: By, expected_version: ExpectedVersion) -> ServiceKey:
    """Changes a key; returns it as stored, unchanged if the request changes no field.

    Raises InvalidRequestError, NotFoundError, StaleVersionError, UnavailableError.
    """
    requested = request.model_dump(exclude_unset=True)
    if "scopes" in requested:
        _check_scopes(request.scopes, by)
    if "expires_at" in requested:
        requested["valid_until"] = _seconds(requested.pop("expires_at"))
    fields = request.model_fields_set
    values = {"status": request.status} | _rights(request)
    details = {"fields": ",".join(sorted(fields))} | {name: it for name, it in values.items() if name in fields}

    def changes(seen: ServiceKey) -> dict[str, Any]:
        return {name: value for name, value in requested.items() if getattr(seen, name) != value}

    entry = by.entry("service-key.changed", key_id, details)
    return _edit(key_id, changes, entry, expected_version=expected_version)


def rotate(
    key_id: str, *, stage: str, by: By, expected_version: ExpectedVersion = ANY_VERSION
) -> tuple[ServiceKey, KeyToken]:
    """Replaces a key's secret; returns the key with its new text. The previous secret is valid until `previous_until`.

    Raises NotFoundError, StaleVersionError, UnavailableError.
    """
    token = KeyToken.new(stage, key_id)
    new_hash = hash_of(token.secret)
    until = int((clock.now() + SECRET_OVERLAP).timestamp())

    def changes(seen: ServiceKey) -> dict[str, Any]:
        if new_hash in (seen.secret_hash, seen.previous_hash):
            return {}  # an earlier attempt stored it and its response was lost, and the key was changed since
        return {"secret_hash": new_hash, "previous_hash": seen.secret_hash, "previous_until": until}

    entry = by.entry("service-key.rotated", key_id)
    return _edit(key_id, changes, entry, expected_version=expected_version), token


def delete(key_id: str, *, by: By, expected_version: ExpectedVersion) -> None:
    """Deletes a key with its copies. Raises NotFoundError, StaleVersionError, UnavailableError."""
    seen: ServiceKey | None = get(key_id)
    entry = by.entry("service-key.deleted", key_id)
    counter = ServiceKeyCount(*ServiceKeyCount.key())

    def write() -> None:
        nonlocal seen
        if seen is None:
            return  # an earlier attempt deleted it and its response was lost, or another request deleted it
        expected_version.check(seen.version)
        try:
            with transaction() as writes:
                writes.delete(seen, condition=ServiceKey.version == seen.version)
                for copy in seen.copies():
                    writes.delete(copy)
                writes.delete(KeyUse(*KeyUse.key(key_id)))
                writes.save(entry)
                writes.update(counter, counter.decrement())
        except TransactionError as error:
            if not error.failed(seen):
                raise
            seen = get_item(ServiceKey, ServiceKey.key(key_id))
            raise ConcurrentUpdateError from error

    retrying(write)


def _edit(
    key_id: str,
    changes: Callable[[ServiceKey], dict[str, Any]],
    entry: AuditEntry,
    *,
    expected_version: ExpectedVersion,
) -> ServiceKey:
    """Applies `changes` to the stored key; returns it as stored.

    `changes` returns the new values by attribute name; without any, the key stays as it is. Raises NotFoundError,
    StaleVersionError, UnavailableError.
    """
    seen = get(key_id)
    at = clock.timestamp(clock.now())
    latest: ServiceKey | None = None

    def write() -> ServiceKey:
        nonlocal seen, latest
        if latest is not None and _is_same(latest, seen):
            return seen  # an earlier attempt stored it, and its response was lost
        expected_version.check(seen.version)
        changed = changes(seen)
        if not changed:
            return seen
        latest = _changed(seen, changed | {"version": seen.version + 1, "updated_at": at})
        try:
            with transaction() as writes:
                writes.save(latest, condition=ServiceKey.version == seen.version, return_values="ALL_OLD")
                _save_copies(writes, latest)
                writes.save(entry)
        except TransactionError as error:
            if not error.failed(latest):
                raise
            if not (stored := error.stored(latest)):
                raise _not_found() from error
            seen = ServiceKey.from_raw_data(stored)
            raise ConcurrentUpdateError from error
        return latest

    return retrying(write)


def _changed(key: ServiceKey, values: Mapping[str, Any]) -> ServiceKey:
    changed = ServiceKey.from_raw_data(key.serialize())
    for name, value in values.items():
        setattr(changed, name, value)
    return changed


def _is_same(one: ServiceKey, other: ServiceKey) -> bool:
    return bool(one.serialize() == other.serialize())


def _save_copies(writes: Transaction, key: ServiceKey) -> None:
    for copy in key.copies():
        writes.save(copy)


def _rights(request: CreateServiceKeyRequest | UpdateServiceKeyRequest) -> dict[str, str | int]:
    """Returns the rights of a key for its audit entry; of its addresses only the number, where 0 means any address."""
    expires_at = _seconds(request.expires_at)
    return {
        "scopes": ",".join(request.scopes),
        "expires_at": "never" if expires_at is None else at_second(expires_at),
        "rate_limit": request.rate_limit,
        "allowed_addresses": len(request.allowed_addresses),
    }


def _seconds(expires_at: str | None) -> int | None:
    return None if expires_at is None else int(clock.instant(expires_at).timestamp())


def _check_scopes(scopes: Sequence[str], by: By) -> None:
    """Raises InvalidRequestError for a scope that the actor's own role lacks."""
    lacking = [
        {"pointer": f"#/scopes/{place}", "detail": "is a scope that your role does not have"}
        for place, scope in enumerate(scopes)
        if scope not in scopes_of(by.role)
    ]
    if lacking:
        raise InvalidRequestError(lacking)


def _not_found() -> NotFoundError:
    return NotFoundError("Service key not found.")
