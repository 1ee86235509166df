"""Signing in with a password."""

from dataclasses import dataclass
from typing import cast

from oms import audit, clock
from oms.dynamodb import get_item, retrying, transaction
from oms.errors import InvalidCredentialsError
from oms.identity import attempts, emails, keyring, passwords
from oms.identity.attempts import Attempt, Count
from oms.identity.models import Counter, Device, IdentityItem, User, device_key, user_key
from oms.identity.opaque_tokens import DeviceToken, hashed, new_secret
from oms.identity.schemas import LoginRequest
from oms.identity.sessions import Tokens, start_session
from oms.rate_limits import Report

DEVICE_SECONDS = 180 * 24 * 3600


@dataclass(frozen=True)
class Login:
    tokens: Tokens
    device_token: str


def log_in(request: LoginRequest, *, address: str, user_agent: str, report: Report) -> Login:
    """Raises InvalidCredentialsError, TooManyRequestsError (by address), UnavailableError."""
    keyring.signing_key()  # without one nobody can sign in, and nothing shall be counted
    email_folded = emails.fold(request.email)
    attempt = Attempt(
        action="login",
        email_folded=email_folded,
        email_digest=passwords.email_digest(email_folded),
        device_token=DeviceToken.parse(request.device_token or ""),
        address=address,
    )
    counted = attempts.count(attempt, report)
    user = cast(User | None, get_item(IdentityItem, user_key(counted.user_id or "unknown")))
    is_right = attempts.is_right(request.password, user, counted)
    if user is None or not is_right:
        attempts.record_failure(attempt, counted, user)
        raise InvalidCredentialsError
    return _sign_in(user, attempt, counted, user_agent)


def _sign_in(user: User, attempt: Attempt, counted: Count, user_agent: str) -> Login:
    session, tokens = start_session(user, address=attempt.address, user_agent=user_agent)
    token = attempt.device_token if isinstance(counted.on, Device) else None
    device_token = token or DeviceToken(user.id, new_secret())
    pk, sk = device_key(user.id, hashed(device_token.secret))
    expires_at = int(clock.now().timestamp()) + DEVICE_SECONDS
    device = Device(
        pk=pk,
        sk=sk,
        user_id=user.id,
        epoch=user.devices_epoch,
        locks_epoch=user.locks_epoch,
        expires_at=expires_at,
    )
    entry = audit.entry(
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
            writes.save(device)  # anew: its count of failures starts again
            writes.save(entry)
            if isinstance(counted.on, Counter):
                writes.delete(counted.on)

    retrying(write)
    return Login(tokens, str(device_token))
