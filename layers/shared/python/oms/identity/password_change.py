"""Change of the password, given the current one, in a live session.

The attempts are counted on the session and not on the account: a stranger's failed logins cannot refuse the owner's
change, and a stolen session tries five passwords and ends.
"""

from typing import Any

from pynamodb.expressions.update import Action

from oms.audit import audit_log
from oms.core import clock
from oms.core.dynamodb import ConditionFailedError, retrying, update_item
from oms.core.errors import InvalidCredentialsError, UnauthenticatedError
from oms.core.rate_limits import RateWindow, ReportAllowance
from oms.core.settings import settings
from oms.core.transactions import Transaction, transaction
from oms.core.versions import ExpectedVersion
from oms.identity import devices, password_rules, passwords
from oms.identity.access import CurrentUser
from oms.identity.address_limits import count_call
from oms.identity.models import Session, User, session_key
from oms.identity.password_rules import Owner
from oms.identity.password_storage import store_password
from oms.identity.passwords import PasswordHash
from oms.identity.schemas import ChangePasswordRequest

ATTEMPTS_PER_SESSION = 5
_WRONG = "The current password is wrong."
_ENDED = f"{_WRONG} After {ATTEMPTS_PER_SESSION} wrong ones this session has ended: sign in, or reset it by mail."
_NONE_LEFT = "This session has no attempts left. Sign in again, or reset the password by mail."


def change_password(
    who: CurrentUser,
    request: ChangePasswordRequest,
    *,
    address: str,
    report: ReportAllowance,
    expected_version: ExpectedVersion,
) -> int:
    """The user's new version. All other sessions end, this one too if the request says so, and all other devices are
    forgotten. The version is checked before the attempt is counted.

    Raises StaleVersionError; InvalidRequestError for a password that is not good enough; InvalidCredentialsError;
    TooManyRequestsError (by address); UnauthenticatedError when the session ended meanwhile; UnavailableError.
    """
    expected_version.check(who.user.version)
    count_call(RateWindow("login", settings().login_limit, int(clock.now().timestamp())), address, report)
    password_rules.require(Owner.of(who.user), request.new_password, pointer="#/new_password")
    session = _count(who)
    stored_hash = who.user.password_hash
    present = PasswordHash(stored_hash, who.user.pepper_version or "") if stored_hash else None
    if not passwords.matches(request.current_password, present):
        raise _failure(who, session, address)

    def add_writes(writes: Transaction, seen: User) -> None:
        entry = audit_log.entry(
            "password.changed",
            actor_id=seen.id,
            actor_role=seen.role,
            address=address,
            target=f"user#{seen.id}",
            details={"this_session": "ended"} if request.end_this_session else None,
        )
        writes.save(entry)
        _continue_session(writes, seen, session, ended_at=entry.at if request.end_this_session else None)

    return store_password(
        who.user,
        request.new_password,
        pointer="#/new_password",
        add_writes=add_writes,
        refusal=UnauthenticatedError,
        expected_version=expected_version,
    )


def _continue_session(writes: Transaction, user: User, session: Session, *, ended_at: str | None) -> None:
    """Moves session and device to the user's next epochs, or ends the session. Fails if it has ended meanwhile."""
    continuing: list[Action] = [Session.epoch.set(user.auth_epoch + 1), Session.failures.set(0)]
    writes.update(
        Session(session.pk, session.sk),
        [Session.revoked_at.set(ended_at)] if ended_at else continuing,
        Session.pk.exists() & Session.revoked_at.does_not_exist(),
    )
    if session.device:
        writes.save(devices.device_of(user, session.device, epoch=user.devices_epoch + 1))


def _count(who: CurrentUser) -> Session:
    """The session, with this attempt counted as a failure until it has succeeded: however many run at once, no more
    than the limit are compared. Raises InvalidCredentialsError if it has none left.
    """
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
