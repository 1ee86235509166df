"""Tokens in the links of mails. Only the mail contains the token; the identity table stores its hash."""

from typing import Literal, cast

from oms.core import clock
from oms.core.dynamodb import batch_get
from oms.core.errors import InvalidTokenError
from oms.identity.models import IdentityItem, MailedToken, User, mailed_token_key, user_key
from oms.identity.opaque_tokens import MailToken, hashed, new_secret

type Purpose = Literal["reset", "verify", "change", "take-back"]
LIFETIME_SECONDS: dict[Purpose, int] = {
    "reset": 30 * 60,
    "verify": 7 * 24 * 3600,
    "change": 24 * 3600,
    # Longer than the reservation of the old address, which ends its use.
    "take-back": 9 * 24 * 3600,
}
PATHS: dict[Purpose, str] = {
    "reset": "reset-password",
    "verify": "verify-email",
    "change": "verify-email",
    "take-back": "take-back-email",
}


def mint(
    user: User, purpose: Purpose, *, epoch: int | None = None, change_id: str | None = None
) -> tuple[MailedToken, MailToken]:
    """Creates a token. Returns the item to store, and the token. `epoch` is the user's `auth_epoch` by default."""
    token = MailToken(user.id, new_secret())
    pk, sk = mailed_token_key(user.id, hashed(token.secret))
    expires_at = int(clock.now().timestamp()) + LIFETIME_SECONDS[purpose]
    stored = MailedToken(
        pk=pk,
        sk=sk,
        user_id=user.id,
        purpose=purpose,
        epoch=user.auth_epoch if epoch is None else epoch,
        change_id=change_id,
        expires_at=expires_at,
    )
    return stored, token


def link(public_url: str, purpose: Purpose, token: MailToken) -> str:
    """Returns a link with the token in its fragment, which browsers do not send to servers."""
    return f"{public_url.rstrip('/')}/{PATHS[purpose]}#token={token}"


def read(text: str, *purposes: Purpose) -> tuple[User, MailedToken]:
    """Returns the user and the stored token of one of these purposes.

    Raises InvalidTokenError if it is unknown or expired.
    """
    token = MailToken.parse(text)
    if token is None:
        raise invalid_token()
    user_at, token_at = user_key(token.user_id), mailed_token_key(token.user_id, hashed(token.secret))
    found = batch_get(IdentityItem, [user_at, token_at])
    user, stored = cast(User | None, found.get(user_at)), cast(MailedToken | None, found.get(token_at))
    now = clock.now().timestamp()
    if user is None or stored is None or stored.purpose not in purposes or now >= stored.expires_at:
        raise invalid_token()
    return user, stored


def invalid_token() -> InvalidTokenError:
    """Returns the error for a token that is unknown, used, expired or revoked."""
    return InvalidTokenError.at("is invalid or expired; request a mail to reset the password", pointer="#/token")
