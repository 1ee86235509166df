"""A new password for who knows the old one: counted like a login, and the end of all other sessions."""

from collections.abc import Callable

from pynamodb.exceptions import TransactWriteError

from oms import audit
from oms.dynamodb import TryAgainError, failed, retrying, transaction
from oms.errors import InvalidCredentialsError, UnauthenticatedError
from oms.identity import attempts, passwords
from oms.identity.access import CurrentUser
from oms.identity.attempts import Attempt, Count
from oms.identity.models import Session, User, session_key, user_key
from oms.identity.passwords import PasswordHash
from oms.identity.schemas import ChangePasswordRequest
from oms.rate_limits import Report


def change_password(
    who: CurrentUser, request: ChangePasswordRequest, *, address: str, report: Report, check: Callable[[User], None]
) -> int:
    """The user's new version. The session that asks lives on; all others end. `check` refuses a version that is not
    the one meant, before anything is counted. Raises InvalidCredentialsError, for a locked account too;
    TooManyRequestsError (by address); UnauthenticatedError when the session ended meanwhile; UnavailableError.
    """
    check(who.user)
    attempt = Attempt(
        action="password.changed",
        email_folded=who.user.email_folded,
        email_digest=passwords.email_digest(who.user.email_folded),
        address=address,
        actor_id=who.id,
    )
    counted = attempts.count(attempt, report)
    if not attempts.is_right(request.current_password, who.user, counted):
        attempts.record_failure(attempt, counted, who.user)
        raise InvalidCredentialsError("The current password is not right.")
    new = passwords.make_hash(request.new_password)
    entry = audit.entry(attempt.action, actor_id=who.id, actor_role=who.role, address=address, target=f"user#{who.id}")
    seen = who.user

    def write() -> int:
        nonlocal seen
        check(seen)
        stored = _store(who, seen, new, counted, entry)
        if stored is None:
            return seen.version + 1
        if stored.password_hash == new.text:
            return stored.version  # made by an earlier attempt whose answer was lost: no two hashes are the same
        if (stored.auth_epoch, stored.password_hash) != (seen.auth_epoch, seen.password_hash):
            raise UnauthenticatedError  # it is no longer what the attempt was made on
        seen = stored
        raise TryAgainError

    return retrying(write)


def _store(who: CurrentUser, user: User, new: PasswordHash, counted: Count, entry: audit.AuditEntry) -> User | None:
    """All of it, if the user is as seen. If not, the user as stored. Raises UnauthenticatedError without a session."""
    epoch = user.auth_epoch + 1
    try:
        with transaction() as writes:
            writes.delete(counted.on)
            writes.save(entry)
            writes.update(
                User(*user_key(user.id)),
                [
                    User.password_hash.set(new.text),
                    User.pepper_version.set(new.pepper_version),
                    User.auth_epoch.set(epoch),
                    User.version.set(user.version + 1),
                ],
                User.version == user.version,
                return_values="ALL_OLD",
            )
            writes.update(
                Session(*session_key(user.id, who.session_id)),
                [Session.epoch.set(epoch)],
                Session.pk.exists() & Session.revoked_at.does_not_exist(),
            )
    except TransactWriteError as error:
        reasons = error.cancellation_reasons or [None] * 4
        if failed(reasons[2]) and reasons[2].raw_item:
            return User.from_raw_data(reasons[2].raw_item)
        if failed(reasons[2]) or failed(reasons[3]):
            raise UnauthenticatedError from error
        raise
    return None
