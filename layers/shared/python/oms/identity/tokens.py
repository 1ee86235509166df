"""Access tokens: JWTs signed with ES256 (RFC 9068), valid for an hour and only while their session lives.

The checks go beyond PyJWT's own, which accepts repeated claims, string times, padded signatures and any header.
"""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jwt

from oms.core import clock
from oms.core.errors import UnauthenticatedError
from oms.core.settings import settings
from oms.identity import keyring

ACCESS_TOKEN_SECONDS = 3600
_TYPE = "at+jwt"
_AUDIENCE = "oms-api"
# Three base64url parts, the last of them the 64 bytes of an ES256 signature. Ours have about 600 characters; the
# bounds keep hostile ones cheap.
_FORM = re.compile(r"[A-Za-z0-9_-]{1,400}\.[A-Za-z0-9_-]{1,1200}\.[A-Za-z0-9_-]{86}")
_MAX_SKEW_SECONDS = 5
_ROLES = ("customer", "manager", "admin")


@dataclass(frozen=True)
class Claims:
    """The claims that the system uses. It reads the role from the user, never from the token."""

    user_id: str
    session_id: str


def issue(*, user_id: str, session_id: str, role: str, now: datetime) -> str:
    key = keyring.signing_key()
    issued_at = int(now.timestamp())
    claims = {
        "iss": _issuer(),
        "aud": _AUDIENCE,
        "sub": user_id,
        "sid": session_id,
        "jti": clock.random_id(),
        "role": role,
        "iat": issued_at,
        "exp": issued_at + ACCESS_TOKEN_SECONDS,
    }
    return jwt.encode(claims, key.private, algorithm="ES256", headers={"typ": _TYPE, "kid": key.kid})


def verify(token: str, *, now: datetime) -> Claims:
    """The claims of a good token; UnauthenticatedError for everything else. Makes no call because of the token."""
    if not _FORM.fullmatch(token):
        raise UnauthenticatedError.by_token()
    try:
        header = _json_object(token.partition(".")[0])
        key = keyring.verification_key(header["kid"]) if _is_ours(header) else None
        if key is None:
            raise UnauthenticatedError.by_token()
        jwt.PyJWS().decode(token, key, algorithms=["ES256"])
        claims = _json_object(token.split(".")[1])
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise UnauthenticatedError.by_token() from error
    if not (_names_us(claims) and _is_current(claims, now.timestamp())):
        raise UnauthenticatedError.by_token()
    return Claims(user_id=claims["sub"], session_id=claims["sid"])


def _issuer() -> str:
    return f"oms-{settings().stage}"


def _is_ours(header: dict[str, Any]) -> bool:
    # No member but these: keys or their addresses in the header, and critical extensions, are refused with the rest.
    return (
        header.keys() == {"alg", "typ", "kid"}
        and header["alg"] == "ES256"
        and header["typ"] == _TYPE
        and isinstance(header["kid"], str)
    )


def _names_us(claims: dict[str, Any]) -> bool:
    texts = [claims.get(name) for name in ("sub", "sid", "jti")]
    return (
        claims.get("iss") == _issuer()
        and claims.get("aud") == _AUDIENCE
        and claims.get("role") in _ROLES
        and all(isinstance(text, str) and 0 < len(text) <= 128 for text in texts)
    )


def _is_current(claims: dict[str, Any], now: float) -> bool:
    issued_at, expires_at, not_before = claims.get("iat"), claims.get("exp"), claims.get("nbf", 0)
    if not (type(issued_at) is int and type(expires_at) is int and type(not_before) is int):
        return False
    return (
        0 < expires_at - issued_at <= ACCESS_TOKEN_SECONDS
        and issued_at <= now + _MAX_SKEW_SECONDS
        and not_before <= now + _MAX_SKEW_SECONDS
        and now < expires_at
    )


def _json_object(part: str) -> dict[str, Any]:
    """The JSON object in a part of a token. ValueError for anything else, repeated names among it (RFC 7519, 4)."""
    try:
        raw = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    value = json.loads(raw, object_pairs_hook=_without_repeats, parse_constant=_refused)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - a malformed token is a bad value
    return value


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is repeated")
    return members


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
