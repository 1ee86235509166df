"""Account recovery by mail, without signing in: reset of the password, and verification of the address."""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock, email_addresses
from oms.core.dynamodb import put_item
from oms.core.errors import TooManyRequestsError
from oms.core.rate_limits import RateWindow, ReportAllowance
from oms.core.retries import retrying
from oms.core.transactions import Transaction, TransactionError, transaction
from oms.identity import devices, email_change, mailed_tokens
from oms.identity.address_limits import count_call
from oms.identity.models import MailedToken, MailRequest, User, mail_request_key, user_key
from oms.identity.opaque_tokens import hashed
from oms.identity.password_storage import store_password
from oms.identity.schemas import ResetPasswordRequest

REQUEST_SECONDS = 24 * 3600
REQUESTS_PER_MINUTE = 20
RESETS_PER_MINUTE = 20


def request_reset(email: str, *, address: str) -> None:
    """Requests a mail with a reset link. Reads no account, so that the response does not reveal whether one exists.

    If the client address has exceeded its limit, no mail is requested; the response is the same.
    """
    email_folded, now = email_addresses.fold(email), clock.now()
    window = RateWindow("forgot", REQUESTS_PER_MINUTE, int(now.timestamp()))
    with suppress(TooManyRequestsError):
        count_call(window, address, lambda _: None)
        _put_request(email_folded, now, address)


def _put_request(email_folded: str, now: datetime, address: str) -> None:
    request_id = clock.timed_id(now)
    pk, sk = mail_request_key(request_id)
    request = MailRequest(
        pk=pk,
        sk=sk,
        id=request_id,
        purpose="reset",
        email_folded=email_folded if email_addresses.is_plausible(email_folded) else None,
        address=address,
        at=clock.timestamp(now),
        expires_at=int(now.timestamp()) + REQUEST_SECONDS,
    )
    retrying(lambda: put_item(request))


@dataclass(frozen=True)
class PasswordReset:
    """The result of a reset. `device_token` is None if the request does not have `remember_device`."""

    user_id: str
    device_token: str | None = field(repr=False)


def reset_password(request: ResetPasswordRequest, *, address: str, report: ReportAllowance) -> PasswordReset:
    """Sets a new password by a mailed token. Ends all sessions, forgets known devices, and lifts the lock.

    With `remember_device`, the client is a known device from then on: it has read the mail, which proves more than a
    password does.

    Raises TooManyRequestsError (by client address, which is counted first); InvalidTokenError; InvalidRequestError if
    a rule forbids the password, and then the token stays valid. A disabled account stays disabled: its tokens became
    invalid with its epoch.
    """
    count_call(RateWindow("reset", RESETS_PER_MINUTE, int(clock.now().timestamp())), address, report)
    user, token = mailed_tokens.read(request.token, "reset")
    if token.epoch != user.auth_epoch or user.status != "active":
        raise mailed_tokens.invalid_token()
    device_token = devices.new_token(user) if request.remember_device else None

    def add_writes(writes: Transaction, seen: User) -> None:
        writes.delete(token, MailedToken.pk.exists())
        writes.save(
            audit_log.entry(
                "password.reset", actor_id=seen.id, actor_role=seen.role, address=address, target=f"user#{seen.id}"
            )
        )
        if device_token:
            writes.save(devices.device_of(seen, hashed(device_token.secret), epoch=seen.devices_epoch + 1))

    store_password(
        user,
        request.new_password,
        pointer="#/new_password",
        add_writes=add_writes,
        refusal=mailed_tokens.invalid_token,
        sets=(User.email_verified.set(True),),
    )
    return PasswordReset(user.id, str(device_token) if device_token else None)


def verify_email(text: str, *, address: str) -> str:
    """Marks the user's address as verified, and returns the user's id. The same token again changes nothing.

    The token of a change of the address makes the new address the user's. Raises InvalidTokenError, EmailTakenError.
    """
    user, token = mailed_tokens.read(text, "verify", "change")
    if token.purpose == "change":
        email_change.complete(user, token, address=address)
    elif not user.email_verified:
        entry = audit_log.entry(
            "email.verified", actor_id=user.id, actor_role=user.role, address=address, target=f"user#{user.id}"
        )
        retrying(lambda: _store_verified(user, entry))
    return user.id


def _store_verified(user: User, entry: AuditEntry) -> None:
    try:
        with transaction() as writes:
            writes.save(entry)
            writes.update(
                User(*user_key(user.id)),
                [User.email_verified.set(True), User.version.set(User.version + 1)],
                User.email_verified == False,  # noqa: E712 - an expression of DynamoDB
            )
    except TransactionError as error:
        if not error.any_failed:
            raise
        # Another request, a reset or an earlier attempt has verified the address.
