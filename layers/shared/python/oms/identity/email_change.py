"""Change of a user's e-mail address: requested with the password, confirmed by the new address, undone by the old one.

The user item has the whole state, so each step is one conditional write of it, in one transaction with the claims of
both addresses. `email_epoch` counts the changes: a token names the epoch in which it was requested.

An old address is reserved for seven days: it does not sign in, and no other user can register it. An address that was
never verified may belong to a stranger, so it gets no mail and is free at once.
"""

from typing import cast

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock, email_addresses
from oms.core.dynamodb import batch_get
from oms.core.errors import EmailTakenError, InvalidRequestError, TooManyRequestsError, UnauthenticatedError
from oms.core.rate_limits import RateWindow, ReportAllowance
from oms.core.retries import ConcurrentUpdateError, retrying
from oms.core.settings import settings
from oms.core.transactions import Transaction, TransactionError, transaction
from oms.core.versions import ExpectedVersion
from oms.identity import mailed_tokens, passwords
from oms.identity.access import CurrentUser
from oms.identity.address_limits import count_call
from oms.identity.email_state import EmailState, pending_change, takeable
from oms.identity.mailed_tokens import LIFETIME_SECONDS
from oms.identity.models import (
    Claim,
    IdentityItem,
    MailedToken,
    Session,
    User,
    claim_key,
    email_key,
    session_key,
    user_key,
)
from oms.identity.password_change import require_password
from oms.identity.schemas import ChangeEmailRequest

TAKE_BACK_SECONDS = 7 * 24 * 3600
MAX_FORMER_EMAILS = 5


def request_change(
    caller: CurrentUser,
    request: ChangeEmailRequest,
    *,
    address: str,
    report: ReportAllowance,
    expected_version: ExpectedVersion,
) -> None:
    """Stores the request. Its mails are sent later, so the response does not reveal whether the address is taken.

    A further request replaces it. Raises StaleVersionError; InvalidRequestError for the user's own address;
    InvalidCredentialsError; TooManyRequestsError (by client address, or after five changes in seven days);
    UnauthenticatedError if the session ended meanwhile; UnavailableError.
    """
    user, now = caller.user, clock.now().timestamp()
    expected_version.check(user.version)
    count_call(RateWindow("login", settings().login_limit, int(now)), address, report)
    folded = email_addresses.fold(request.new_email)
    if folded == user.email_folded:
        raise InvalidRequestError.at("is the address of the account already", pointer="#/new_email")
    session = require_password(caller, request.current_password, address=address, action="email.change_requested")
    if len(former := takeable(user, now)) >= MAX_FORMER_EMAILS:
        raise TooManyRequestsError(
            f"The address was changed {MAX_FORMER_EMAILS} times within 7 days. Try again later.",
            headers={"Retry-After": str(max(1, int(former[0]["until"] - now)))},
        )
    change = {
        "id": clock.random_id(),
        "email": request.new_email,
        "email_folded": folded,
        "until": int(now) + LIFETIME_SECONDS["change"],
        "session": session.id,
        "auth_epoch": user.auth_epoch,
    }
    entry = _entry("email.change_requested", user, address)

    def write() -> None:
        try:
            with transaction() as writes:
                writes.save(entry)
                writes.update(
                    Session(session.pk, session.sk),
                    [Session.failures.set(0)],
                    Session.pk.exists() & Session.revoked_at.does_not_exist(),
                )
                unchanged = (User.auth_epoch == user.auth_epoch) & (User.status == "active")
                writes.update(User(*user_key(user.id)), [User.email_change.set(change)], unchanged)
        except TransactionError as error:
            if error.any_failed:
                raise UnauthenticatedError from error
            raise

    retrying(write)


def complete(user: User, token: MailedToken, *, address: str) -> None:
    """Makes the new address the user's, as verified. All sessions end but the one that requested the change.

    The same token again changes nothing. Raises InvalidTokenError, EmailTakenError if another user has the address by
    now, UnavailableError.
    """
    seen, continues = user, True
    entry = _entry("email.changed", user, address)

    def write() -> None:
        nonlocal seen, continues
        if any(it["change"] == token.change_id for it in seen.former_emails or []):
            return  # by an earlier request, or by an attempt whose response was lost
        change = pending_change(seen, token.change_id)
        if change is None or token.epoch != seen.email_epoch or seen.status != "active":
            raise mailed_tokens.invalid_token()
        session = Session(*session_key(seen.id, change["session"]))
        now = int(clock.now().timestamp())
        until = now + TAKE_BACK_SECONDS if seen.email_verified else now
        former = {"epoch": seen.email_epoch, "email": seen.email, "email_folded": seen.email_folded}
        former |= {"until": until, "change": change["id"]}
        new_claim = Claim(*claim_key(change["email_folded"]))
        try:
            with transaction() as writes:
                writes.save(entry)
                _claim(writes, new_claim, seen, Claim.is_free(now) | (Claim.user_id == seen.id))
                _reserve(writes, seen, until)
                if continues:
                    is_live = Session.revoked_at.does_not_exist() & (Session.epoch == seen.auth_epoch)
                    writes.update(session, [Session.epoch.set(seen.auth_epoch + 1)], is_live)
                kept = [it for it in takeable(seen, now) if it["email_folded"] != change["email_folded"]]
                _set_address(writes, seen, change, former=[*kept, former])
        except TransactionError as error:
            if error.failed(new_claim):
                raise EmailTakenError(
                    "Another account has this e-mail address by now. Choose a different address."
                ) from error
            # The session has ended by now, or the user has changed.
            continues = continues and not error.failed(session)
            if not error.any_failed:
                raise
            seen = _read(seen.id)
            raise ConcurrentUpdateError from error

    retrying(write)


def take_back(text: str, *, address: str) -> str:
    """Restores the address to which the token was mailed, and returns the user's id.

    Cancels the requested change, ends all sessions, forgets known devices and removes the password, which another
    person knows. The same token again changes nothing. Raises InvalidTokenError, UnavailableError.
    """

    def write() -> str:
        user, token = mailed_tokens.read(text, "take-back")
        if token.used_at is not None:
            return user.id
        now = clock.now().timestamp()
        former = next((it for it in takeable(user, now) if it["epoch"] == token.epoch), None)
        is_current = user.email_epoch == token.epoch
        if user.status != "active" or not (is_current or former):
            raise mailed_tokens.invalid_token()
        entry = _entry("email.taken_back", user, address)
        try:
            with transaction() as writes:
                writes.save(entry)
                writes.update(token, [MailedToken.used_at.set(entry.at)], MailedToken.used_at.does_not_exist())
                if former:
                    _claim(writes, Claim(*claim_key(former["email_folded"])), user, Claim.user_id == user.id)
                    _reserve(writes, user, int(now))
                _set_address(writes, user, former, former=_before(user, token.epoch, now), ends_all=True)
        except TransactionError as error:
            if error.any_failed:
                raise ConcurrentUpdateError from error
            raise
        return user.id

    return retrying(write)


def _before(user: User, epoch: int, now: float) -> list[EmailState]:
    """Returns the addresses of earlier epochs. Those since then may be of the person who changed the address."""
    return [it for it in takeable(user, now) if it["epoch"] < epoch]


def _claim(writes: Transaction, claim: Claim, user: User, condition: Condition) -> None:
    actions: list[Action] = [Claim.kind.set(Claim), Claim.user_id.set(user.id), Claim.reserved_until.remove()]
    writes.update(claim, actions, condition)


def _reserve(writes: Transaction, user: User, until: int) -> None:
    """Adds the end of the claim of the user's present address, at this time in epoch seconds."""
    claim = Claim(*claim_key(user.email_folded))
    writes.update(claim, [Claim.reserved_until.set(until)], Claim.user_id == user.id)


def _set_address(
    writes: Transaction, seen: User, new: EmailState | None, *, former: list[EmailState], ends_all: bool = False
) -> None:
    """Adds the change of the user, on condition that it is unchanged since it was read. None keeps the address.

    The sessions and the mailed reset tokens end by the higher `auth_epoch`.
    """
    actions: list[Action] = [
        User.email_change.remove(),
        User.former_emails.set(former),
        User.email_epoch.set(seen.email_epoch + 1),
        User.auth_epoch.set(seen.auth_epoch + 1),
        User.version.set(seen.version + 1),
    ]
    if new:
        actions += [
            User.email.set(new["email"]),
            User.email_folded.set(new["email_folded"]),
            User.email_key.set(email_key(new["email_folded"], seen.id)),
            User.email_verified.set(True),
        ]
    if ends_all:
        actions += [User.devices_epoch.set(seen.devices_epoch + 1), *passwords.remove_actions()]
    change = User.email_change
    unchanged = change == seen.email_change if seen.email_change else change.does_not_exist()
    writes.update(User(*user_key(seen.id)), actions, (User.version == seen.version) & unchanged)


def _read(user_id: str) -> User:
    key = user_key(user_id)
    return cast(User, batch_get(IdentityItem, [key])[key])


def _entry(action: str, user: User, address: str) -> AuditEntry:
    return audit_log.entry(action, actor_id=user.id, actor_role=user.role, address=address, target=f"user#{user.id}")
