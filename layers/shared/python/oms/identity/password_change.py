"""A new password for who knows the old one: counted like a login, and the end of all other sessions."""

from pynamodb.exceptions import TransactWriteError

from oms import audit
from oms.dynamodb import failed, retrying, transaction
from oms.errors import InvalidCredentialsError, UnauthenticatedError
from oms.identity import attempts, passwords
from oms.identity.access import CurrentUser
from oms.identity.attempts import Attempt, Count
from oms.identity.limits import Report
from oms.identity.models import Session, User, session_key, user_key
from oms.identity.passwords import PasswordHash
from oms.identity.schemas import ChangePasswordRequest


def change_password(who: CurrentUser, request: ChangePasswordRequest, *, address: str, report: Report) -> None:
    """The session that asks lives on; all others end. Raises InvalidCredentialsError, for a locked account too;
    TooManyRequestsError (by address); UnauthenticatedError when the session ended meanwhile; UnavailableError.
    """
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
    retrying(lambda: _store(who, new, counted, entry))


def _store(who: CurrentUser, new: PasswordHash, counted: Count, entry: audit.AuditEntry) -> None:
    """All of it, if the user's password and epoch are still those that the attempt was made on."""
    user, epoch = who.user, who.user.auth_epoch + 1
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
                    User.version.set(User.version + 1),
                ],
                (User.auth_epoch == user.auth_epoch) & (User.password_hash == user.password_hash),
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
            stored = User.from_raw_data(reasons[2].raw_item)
            if stored.password_hash == new.text:
                return  # made by an earlier attempt whose answer was lost: no two hashes are the same
        if failed(reasons[2]) or failed(reasons[3]):
            raise UnauthenticatedError from error
        raise
