"""Change of the password, given the current one, in a live session.

The attempts are counted on the session, not on the account. So failed logins of a stranger cannot prevent the owner's
change, and a stolen session ends after five wrong passwords.
"""

from typing import Any

from pynamodb.expressions.update import Action

from oms.audit import audit_log
from oms.core import clock
from oms.core.dynamodb import ConditionFailedError, update_item
from oms.core.errors import InvalidCredentialsError, UnauthenticatedError
from oms.core.rate_limits import RateWindow, ReportAllowance
from oms.core.retries import retrying
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
_ENDED = (
    f"{_WRONG} This session has ended after {ATTEMPTS_PER_SESSION} wrong passwords. "
    "Sign in again, or reset the password by mail."
)
_NONE_LEFT = "This session has no attempts left. Sign in again, or reset the password by mail."


def change_password(
    caller: CurrentUser,
    request: ChangePasswordRequest,
    *,
    address: str,
    report: ReportAllowance,
    expected_version: ExpectedVersion,
) -> int:
    """Changes the password. Returns the user's new version.

    All other sessions end, and this one too if the request has `end_this_session`. All other devices become unknown.
    The version is checked before the attempt is counted.

    Raises StaleVersionError; InvalidRequestError if a rule forbids the new password; InvalidCredentialsError;
    TooManyRequestsError (by address); UnauthenticatedError if the session ended meanwhile; UnavailableError.
    """
    expected_version.check(caller.user.version)
    count_call(RateWindow("login", settings().login_limit, int(clock.now().timestamp())), address, report)
    password_rules.check_password(Owner.of(caller.user), request.new_password, pointer="#/new_password")
    session = require_password(caller, request.current_password, address=address, action="password.changed")

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
        caller.user,
        request.new_password,
        pointer="#/new_password",
        add_writes=add_writes,
        refusal=UnauthenticatedError,
        expected_version=expected_version,
    )


def require_password(caller: CurrentUser, password: str, *, address: str, action: str) -> Session:
    """Returns the caller's session if this is the current password. Counts an attempt on the session.

    A wrong password is audited as a failure of the action. Raises InvalidCredentialsError, UnauthenticatedError.
    """
    session = _count(caller)
    stored_hash = caller.user.password_hash
    present = PasswordHash(stored_hash, caller.user.pepper_version or "") if stored_hash else None
    if not passwords.matches(password, present):
        raise _failure(caller, session, address, action)
    return session


def _continue_session(writes: Transaction, user: User, session: Session, *, ended_at: str | None) -> None:
    """Moves session and device to the user's next epochs, or ends the session.

    The transaction fails if the session has ended meanwhile.
    """
    continuing: list[Action] = [Session.epoch.set(user.auth_epoch + 1), Session.failures.set(0)]
    writes.update(
        Session(session.pk, session.sk),
        [Session.revoked_at.set(ended_at)] if ended_at else continuing,
        Session.pk.exists() & Session.revoked_at.does_not_exist(),
    )
    if session.device:
        writes.save(devices.device_of(user, session.device, epoch=user.devices_epoch + 1))


def _count(caller: CurrentUser) -> Session:
    """Counts an attempt on the session, and returns the session.

    The attempt counts as a failure until it has succeeded, so that parallel attempts cannot exceed the limit. Raises
    InvalidCredentialsError if the session has no attempts left.
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
        return retrying(lambda: update_item(Session(*session_key(caller.id, caller.session_id)), actions, has_one_left))
    except ConditionFailedError as error:
        session = Session.from_raw_data(error.item) if error.item else None
        if session is None or session.revoked_at is not None:
            raise UnauthenticatedError from error
        if session.attempt == attempt:
            return session  # counted by an earlier attempt whose response was lost
        raise InvalidCredentialsError(_NONE_LEFT) from error


def _failure(caller: CurrentUser, session: Session, address: str, action: str) -> InvalidCredentialsError:
    """Audits the wrong password, ends the session if it has no attempts left, and returns the error."""
    about: dict[str, Any] = {"actor_id": caller.id, "actor_role": caller.role, "address": address, "outcome": "failure"}
    details = {"counted_on": "session", "reason": "wrong-password"}
    failure = audit_log.entry(action, target=f"user#{caller.id}", details=details, **about)
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
