"""Access tokens: JWTs signed with ES256 (RFC 9068), valid for an hour and only during their session.

The checks are stricter than PyJWT's, which accepts repeated claims, times as strings, padded signatures and any header.
So only the signature would be left to it, and it imports all that cryptography has: a tenth of a function's start.
"""

import base64
import json
import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from oms.core import clock
from oms.core.errors import UnauthenticatedError
from oms.core.settings import settings
from oms.identity import keyring

ACCESS_TOKEN_SECONDS = 3600
_TYPE = "at+jwt"
_AUDIENCE = "oms-api"
# Three base64url parts; the last is the 64 bytes of an ES256 signature. The system's tokens have about 600 characters.
# The bounds make hostile tokens cheap to refuse.
_FORM = re.compile(r"[A-Za-z0-9_-]{1,400}\.[A-Za-z0-9_-]{1,1200}\.[A-Za-z0-9_-]{86}")
# RFC 7518, section 3.4: ECDSA with P-256 and SHA-256. A signature is two numbers of 32 bytes.
_ES256 = ECDSA(SHA256())
_NUMBER_BYTES = 32
_MAX_SKEW_SECONDS = 5
_ROLES = ("customer", "manager", "admin")


@dataclass(frozen=True)
class Claims:
    """The claims that the system uses. It reads the role from the user, never from the token."""

    user_id: str
    session_id: str


def issue(*, user_id: str, session_id: str, role: str, now: datetime) -> str:
    """Returns a signed token. Raises UnavailableError if there is no signing key."""
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
    header = {"alg": "ES256", "typ": _TYPE, "kid": key.kid}
    signed = ".".join(_base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    numbers = decode_dss_signature(key.private.sign(signed.encode(), _ES256))
    return f"{signed}.{_base64url(b''.join(number.to_bytes(_NUMBER_BYTES) for number in numbers))}"


def verify(token: str, *, now: datetime) -> Claims:
    """Returns the claims of a valid token; raises UnauthenticatedError for any other. The token causes no call."""
    try:
        kid, claims = _verified(token)
    except (InvalidSignature, ValueError, RecursionError) as error:
        raise UnauthenticatedError.by_token() from error
    if keyring.verification_key(kid) is None or not _is_current(claims, now.timestamp()):
        raise UnauthenticatedError.by_token()
    return Claims(user_id=claims["sub"], session_id=claims["sid"])


@lru_cache(maxsize=1000)
def _verified(token: str) -> tuple[str, dict[str, Any]]:
    """Returns the id of a token's key, and its claims. Raises InvalidSignature, ValueError and RecursionError.

    A key's id is its hash, so the result stays true, and later requests with the token need no verification. Whether
    the key and the times are still valid is checked for each request. Only valid tokens are kept.
    """
    if not _FORM.fullmatch(token):
        raise ValueError("not a token")
    signed, _, signature = token.rpartition(".")
    header_part, _, claims_part = signed.partition(".")
    header = _json_object(header_part)
    key = keyring.verification_key(header["kid"]) if _is_ours(header) else None
    if key is None:
        raise ValueError("not a key of the system")
    key.verify(_der(_bytes(signature)), signed.encode(), _ES256)
    claims = _json_object(claims_part)
    if not _names_us(claims):
        raise ValueError("claims of another system")
    return header["kid"], claims


def _issuer() -> str:
    return f"oms-{settings().stage}"


def _is_ours(header: dict[str, Any]) -> bool:
    # Exactly these members: a header with keys, with URLs of keys or with critical extensions is refused.
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
    """Returns the JSON object in a part of a token. Raises ValueError for any other value and for repeated names.

    RFC 7519, section 4, allows to refuse repeated names.
    """
    value = json.loads(_bytes(part), object_pairs_hook=_without_repeats, parse_constant=_refused)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - a malformed token is a bad value
    return value


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(part: str) -> bytes:
    """Returns the bytes of a part of a token. Raises ValueError."""
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _der(signature: bytes) -> bytes:
    """Returns a signature of 64 bytes in the form that cryptography verifies."""
    r, s = signature[:_NUMBER_BYTES], signature[_NUMBER_BYTES:]
    return encode_dss_signature(int.from_bytes(r), int.from_bytes(s))


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is repeated")
    return members


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
