"""Events of accounts: ids, roles and locks, never an address or a name."""

from pydantic import BaseModel, Field

from oms.core import clock
from oms.core.actors import System
from oms.core.schemas import Response, Timestamp, at_second
from oms.events.envelope import Event, EventActor, Internal, event_id
from oms.events.streams import Change
from oms.identity.models import AccountChange, AccountCounter, MailRequest, User


class UserEventData(Response):
    """A user, without personal data."""

    id: str = Field(description="The id of the user.", examples=["YVT65M7QNAW9TXAQ7PHA"])
    role: str = Field(description="The user's role.", examples=["customer"])
    status: str = Field(description="`active` or `disabled`.", examples=["active"])


class UserLockedData(Response):
    """A user whose account is locked."""

    id: str = Field(description="The id of the user.", examples=["YVT65M7QNAW9TXAQ7PHA"])
    locked_until: Timestamp = Field(description="When the account can log in again.")


REGISTERED, ROLE_CHANGED, STATUS_CHANGED = "user.registered", "user.role_changed", "user.status_changed"
LOCKED = "user.locked"
PAYLOADS: dict[str, type[BaseModel]] = {
    REGISTERED: UserEventData,
    ROLE_CHANGED: UserEventData,
    STATUS_CHANGED: UserEventData,
    LOCKED: UserLockedData,
}

MAIL_REQUESTED = "mail.requested"
PASSWORD_MAIL = "password.mail"  # noqa: S105 - the type of a message


def events_from_change(change: Change) -> list[Event[UserEventData] | Event[UserLockedData] | Internal]:
    """The events of a change of the identity table, and the internal messages."""
    if change.new is None:
        return []
    match change.new["kind"]["S"]:
        case "user":
            user = User.from_raw_data(change.new)
            return [*_user_events(change, user), *_password_mails(change, user)]
        case "counter":
            return [*_lock_events(change, AccountCounter.from_raw_data(change.new))]
        case "mail-request":
            request = MailRequest.from_raw_data(change.new)
            is_asked = change.old is None and request.email_folded is not None
            return [Internal(MAIL_REQUESTED, {"request": request.id})] if is_asked else []
        case _:
            return []


def _user_events(change: Change, user: User) -> list[Event[UserEventData]]:
    """Events of a new user, a new role or a new status. Other changes publish none."""
    old = User.from_raw_data(change.old) if change.old else None
    if old is None:
        types = [REGISTERED]
    else:
        types = [ROLE_CHANGED] if old.role != user.role else []
        types += [STATUS_CHANGED] if old.status != user.status else []
    if not types:
        return []
    by = _changed_by(change, user)
    return [
        Event(
            id=event_id(it, by.at, user.pk, user.version),
            type=it,
            occurred_at=by.at,
            sequence=user.version,
            actor=EventActor(id=by.actor_id, role=by.actor_role),
            data=UserEventData(id=user.id, role=user.role, status=user.status),
        )
        for it in types
    ]


def _password_mails(change: Change, user: User) -> list[Internal]:
    """That the password is another one. No two hashes are the same, so a change to the same password counts as well."""
    old = User.from_raw_data(change.old) if change.old else None
    if old is None or user.password_hash is None or old.password_hash == user.password_hash:
        return []
    at = clock.timestamp(clock.from_seconds(change.at))
    return [Internal(PASSWORD_MAIL, {"password_of": user.id, "version": str(user.version), "at": at})]


def _changed_by(change: Change, user: User) -> AccountChange:
    """The actor of this change. Older users store none, or the actor of an earlier change; then it is the system."""
    if user.changed and user.changed.version == user.version:
        return user.changed
    at = clock.timestamp(clock.from_seconds(change.at))
    return AccountChange(actor_id=System().id, actor_role=System().role, at=at, version=user.version)


def _lock_events(change: Change, counter: AccountCounter) -> list[Event[UserLockedData]]:
    """The fifth attempt takes the lock before its password is compared; `locked_at` says that it was wrong."""
    old = AccountCounter.from_raw_data(change.old) if change.old else None
    if counter.locked_at is None or counter.user_id is None or (old and old.locked_at == counter.locked_at):
        return []
    return [
        Event(
            id=event_id(LOCKED, counter.locked_at, counter.pk, counter.locked_until),
            type=LOCKED,
            occurred_at=counter.locked_at,
            sequence=counter.locked_until,
            actor=EventActor(id=System().id, role=System().role),
            data=UserLockedData(id=counter.user_id, locked_until=at_second(counter.locked_until)),
        )
    ]
