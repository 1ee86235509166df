"""Events of accounts. They contain ids, roles and locks, never an address or a name."""

from pydantic import BaseModel, Field

from oms.core import clock
from oms.core.actors import System
from oms.core.schemas import Response, Timestamp, at_second
from oms.events.envelope import Event, EventActor, InternalMessage, event_id
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
    locked_until: Timestamp = Field(description="When the user can sign in again.")


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
EMAIL_CHANGE_MAIL = "email-change.mail"


def events_from_change(change: Change) -> list[Event[UserEventData] | Event[UserLockedData] | InternalMessage]:
    """Returns the events and the internal messages of one change of the identity table."""
    if change.new is None:
        return []
    match change.new["kind"]["S"]:
        case "user":
            user = User.from_raw_data(change.new)
            return [*_user_events(change, user), *_password_mails(change, user), *_email_change_mails(change, user)]
        case "counter":
            return [*_lock_events(change, AccountCounter.from_raw_data(change.new))]
        case "mail-request":
            request = MailRequest.from_raw_data(change.new)
            needs_mail = change.old is None and request.email_folded is not None
            return [InternalMessage(MAIL_REQUESTED, {"request": request.id})] if needs_mail else []
        case _:
            return []


def _user_events(change: Change, user: User) -> list[Event[UserEventData]]:
    """Returns the events of a new user, a new role or a new status. Other changes have none."""
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
            id=event_id(event_type, by.at, user.pk, user.version),
            type=event_type,
            occurred_at=by.at,
            sequence=user.version,
            actor=EventActor(id=by.actor_id, role=by.actor_role),
            data=UserEventData(id=user.id, role=user.role, status=user.status),
        )
        for event_type in types
    ]


def _password_mails(change: Change, user: User) -> list[InternalMessage]:
    """Returns the message of a changed password. Hashes are salted, so setting the same password again counts too."""
    old = User.from_raw_data(change.old) if change.old else None
    if old is None or user.password_hash is None or old.password_hash == user.password_hash:
        return []
    at = clock.timestamp(clock.from_seconds(change.at))
    return [InternalMessage(PASSWORD_MAIL, {"password_of": user.id, "version": str(user.version), "at": at})]


def _email_change_mails(change: Change, user: User) -> list[InternalMessage]:
    """Returns the messages of a requested change of the address: to the new one, and to the old one if it is verified.

    They have no address: the notifier reads it.
    """
    old = User.from_raw_data(change.old) if change.old else None
    requested = user.email_change
    if not requested or (old and old.email_change and old.email_change["id"] == requested["id"]):
        return []
    about = {"email_of": user.id, "change": str(requested["id"]), "epoch": str(user.email_epoch)}
    places = ["new", "old"] if user.email_verified else ["new"]
    return [InternalMessage(EMAIL_CHANGE_MAIL, about | {"to": place}) for place in places]


def _changed_by(change: Change, user: User) -> AccountChange:
    """Returns the stored actor of this change. If the user has none, or only that of an earlier change, returns the
    system.
    """
    if user.changed and user.changed.version == user.version:
        return user.changed
    at = clock.timestamp(clock.from_seconds(change.at))
    return AccountChange(actor_id=System().id, actor_role=System().role, at=at, version=user.version)


def _lock_events(change: Change, counter: AccountCounter) -> list[Event[UserLockedData]]:
    """Returns the event of a lock.

    The fifth attempt locks the account before its password is compared. `locked_at` is set only if the password was
    wrong.
    """
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
