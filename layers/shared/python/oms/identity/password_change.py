"""A new password for the user of a live session who shows the present one.

The attempts are counted on the session and not on the account: a stranger's failed logins cannot refuse the owner's
change, and a stolen session tries five passwords and ends.
"""

from collections.abc import Callable
from typing import Any

from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.update import Action

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock
from oms.core.dynamodb import ConditionFailedError, TryAgainError, failed, retrying, transaction, update_item
from oms.core.errors import InvalidCredentialsError, UnauthenticatedError
from oms.core.rate_limits import Report, Window
from oms.core.settings import settings
from oms.identity import devices, password_rules, passwords
from oms.identity.access import CurrentUser
from oms.identity.limits import take_slot
from oms.identity.models import Counter, Session, User, counter_key, session_key, user_key
from oms.identity.password_rules import Owner
from oms.identity.passwords import PasswordHash
from oms.identity.schemas import ChangePasswordRequest

ATTEMPTS_PER_SESSION = 5
_WRONG = "The current password is not right."
_ENDED = f"{_WRONG} After {ATTEMPTS_PER_SESSION} wrong ones this session has ended: sign in, or reset it by mail."
_NONE_LEFT = "This session cannot change the password any more: sign in again, or reset the password by mail."


def change_password(
    who: CurrentUser, request: ChangePasswordRequest, *, address: str, report: Report, check: Callable[[User], None]
) -> int:
    """The user's new version. All other sessions end, this one too if the request says so, and all other devices are
    forgotten. `check` refuses a version that is not the one meant, before anything is counted.

    Raises InvalidRequestError for a password that is not good enough, InvalidCredentialsError, TooManyRequestsError (by
    address); UnauthenticatedError when the session ended meanwhile; UnavailableError.
    """
    check(who.user)
    password_rules.require(Owner.of(who.user), request.new_password, pointer="#/new_password")
    session = _count(who, address, report)
    stored_hash = who.user.password_hash
    present = PasswordHash(stored_hash, who.user.pepper_version or "") if stored_hash else None
    if not passwords.matches(request.current_password, present):
        raise _failure(who, session, address)
    new = passwords.make_hash(request.new_password)
    entry = audit_log.entry(
        "password.changed",
        actor_id=who.id,
        actor_role=who.role,
        address=address,
        target=f"user#{who.id}",
        details={"this_session": "ended"} if request.end_this_session else None,
    )
    seen = who.user

    def write() -> int:
        nonlocal seen
        check(seen)
        stored = _store(seen, session, new, entry, ends=request.end_this_session)
        if stored is None:
            return seen.version + 1
        if stored.password_hash == new.text:
            return stored.version  # made by an earlier attempt whose answer was lost: no two hashes are the same
        if (stored.auth_epoch, stored.password_hash) != (seen.auth_epoch, seen.password_hash):
            raise UnauthenticatedError  # it is no longer what the attempt was made on
        seen = stored
        raise TryAgainError

    return retrying(write)


def _count(who: CurrentUser, address: str, report: Report) -> Session:
    """The session, with this attempt counted as a failure until it has succeeded: however many run at once, no more
    than the limit are compared. Raises InvalidCredentialsError if it has none left.
    """
    take_slot(Window("login", settings().login_limit, int(clock.now().timestamp())), address, report)
    attempt = clock.random_id()
    has_one_left = (
        Session.pk.exists()
        & Session.revoked_at.does_not_exist()
        & (Session.failures.does_not_exist() | (Session.failures < ATTEMPTS_PER_SESSION))
        & (Session.attempt != attempt)
    )
    actions: list[Action] = [Session.failures.add(1), Session.attempt.set(attempt)]
    try:
        return retrying(lambda: update_item(Session(*session_key(who.id, who.session_id)), actions, has_one_left))
    except ConditionFailedError as error:
        session = Session.from_raw_data(error.item) if error.item else None
        if session is None or session.revoked_at is not None:
            raise UnauthenticatedError from error
        if session.attempt == attempt:
            return session  # counted by an earlier attempt whose answer was lost
        raise InvalidCredentialsError(_NONE_LEFT) from error


def _failure(who: CurrentUser, session: Session, address: str) -> InvalidCredentialsError:
    """Notes that the password was wrong, and ends a session that has no attempt left."""
    about: dict[str, Any] = {"actor_id": who.id, "actor_role": who.role, "address": address, "outcome": "failure"}
    details = {"counted_on": "session", "reason": "wrong-password"}
    failure = audit_log.entry("password.changed", target=f"user#{who.id}", details=details, **about)
    if session.failures < ATTEMPTS_PER_SESSION:
        audit_log.record(failure)
        return InvalidCredentialsError(_WRONG)
    ended = audit_log.entry(
        "session.ended", target=f"session#{session.id}", details={"reason": "wrong-passwords"}, **about
    )

    def write() -> None:
        with transaction() as writes:
            writes.save(failure)
            writes.save(ended)
            revoke: list[Action] = [Session.revoked_at.set(Session.revoked_at | ended.at)]
            writes.update(Session(session.pk, session.sk), revoke, Session.pk.exists())

    retrying(write)
    return InvalidCredentialsError(_ENDED)


def _store(user: User, session: Session, new: PasswordHash, entry: AuditEntry, *, ends: bool) -> User | None:
    """All of it, if the user is as seen. If not, the user as stored. Raises UnauthenticatedError without a session."""
    epoch, devices_epoch = user.auth_epoch + 1, user.devices_epoch + 1
    going_on: list[Action] = [Session.epoch.set(epoch), Session.failures.set(0)]
    try:
        with transaction() as writes:
            # The failures were about the old password.
            writes.delete(Counter(*counter_key(passwords.email_digest(user.email_folded))))
            writes.save(entry)
            writes.update(
                User(*user_key(user.id)),
                [
                    *passwords.setting(new),
                    User.auth_epoch.set(epoch),
                    User.devices_epoch.set(devices_epoch),
                    User.version.set(user.version + 1),
                ],
                User.version == user.version,
                return_values="ALL_OLD",
            )
            writes.update(
                Session(session.pk, session.sk),
                [Session.revoked_at.set(entry.at)] if ends else going_on,
                Session.pk.exists() & Session.revoked_at.does_not_exist(),
            )
            if session.device:
                writes.save(devices.device_of(user, session.device, epoch=devices_epoch))
    except TransactWriteError as error:
        # PynamoDB puts the updates last.
        *_, of_user, of_session = error.cancellation_reasons or [None] * 2
        if failed(of_user) and of_user.raw_item:
            return User.from_raw_data(of_user.raw_item)
        if failed(of_user) or failed(of_session):
            raise UnauthenticatedError from error
        raise
    return None
