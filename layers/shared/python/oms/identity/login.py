"""Sign-in with a password."""

from dataclasses import dataclass
from typing import cast

from oms.audit import audit_log
from oms.core import email_addresses
from oms.core.dynamodb import get_item
from oms.core.errors import InvalidCredentialsError
from oms.core.rate_limits import ReportAllowance
from oms.core.retries import retrying
from oms.core.transactions import transaction
from oms.identity import attempts, devices, keyring, passwords
from oms.identity.attempts import CountedAttempt, LoginAttempt
from oms.identity.models import AccountCounter, Device, IdentityItem, User, user_key
from oms.identity.opaque_tokens import DeviceToken, hashed
from oms.identity.schemas import LoginRequest
from oms.identity.sessions import Tokens, start_session


@dataclass(frozen=True)
class Login:
    """The result of a sign-in: the tokens of the new session, and the token of the device."""

    tokens: Tokens
    device_token: str


def log_in(
    request: LoginRequest, *, device_token: str | None, address: str, user_agent: str, report: ReportAllowance
) -> Login:
    """Starts a session. `device_token` is that of the body or the cookie.

    Raises InvalidCredentialsError, TooManyRequestsError (by address), UnavailableError.
    """
    keyring.signing_key()  # raises if there is no key, before the attempt is counted
    email_folded = email_addresses.fold(request.email)
    attempt = LoginAttempt(
        email_folded=email_folded,
        email_digest=passwords.email_digest(email_folded),
        device_token=DeviceToken.parse(device_token or ""),
        address=address,
    )
    counted = attempts.count(attempt, report)
    user = cast(User | None, get_item(IdentityItem, user_key(counted.user_id or "unknown")))
    is_right = attempts.is_right(request.password, user, counted)
    if user is None or not is_right:
        attempts.record_failure(attempt, counted, user)
        raise InvalidCredentialsError
    return _sign_in(user, attempt, counted, user_agent)


def _sign_in(user: User, attempt: LoginAttempt, counted: CountedAttempt, user_agent: str) -> Login:
    token = attempt.device_token if isinstance(counted.on, Device) else None
    device_token = token or devices.new_token(user)
    device = devices.device_of(user, hashed(device_token.secret), epoch=user.devices_epoch)
    session, tokens = start_session(user, device, address=attempt.address, user_agent=user_agent)
    entry = audit_log.entry(
        "login",
        actor_id=user.id,
        actor_role=user.role,
        address=attempt.address,
        target=f"session#{session.id}",
        details={"device": "new" if token is None else "known"},
    )

    def write() -> None:
        with transaction() as writes:
            writes.save(session)
            writes.save(device)  # replaces the item, which resets its failures
            writes.save(entry)
            if isinstance(counted.on, AccountCounter):
                writes.delete(counted.on)

    retrying(write)
    return Login(tokens, str(device_token))
