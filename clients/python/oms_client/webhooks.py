"""Signatures of webhooks, by Standard Webhooks 1.0 (https://www.standardwebhooks.com)."""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence

from oms_client.codec import DecodeError, decode, parse
from oms_client.errors import OmsClientError
from oms_client.models import EventResponse

PREFIX = "whsec_"
TOLERANCE_SECONDS = 5 * 60
# The bytes that the standard allows for a secret.
SECRET_BYTES = range(24, 65)


class WebhookVerificationError(OmsClientError):
    """The request is not from the holder of a secret, is too old, or has another body than the one that was signed."""


def verify(
    body: bytes | str,
    headers: Mapping[str, str],
    secrets: str | Sequence[str],
    *,
    tolerance_seconds: float = TOLERANCE_SECONDS,
    now: float | None = None,
) -> EventResponse:
    """Returns the event of a webhook's request. Raises WebhookVerificationError.

    `body` has the bytes as received. `secrets` are valid secrets, several while one is rotated. `now` is in seconds
    since 1970, and is the current time by default. A request may be repeated: remember the event's id.
    """
    content = body.encode() if isinstance(body, str) else body
    lower = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, timestamp = lower["webhook-id"], lower["webhook-timestamp"]
        given = [it.removeprefix("v1,") for it in lower["webhook-signature"].split() if it.startswith("v1,")]
        sent_at = int(timestamp)
    except (KeyError, ValueError) as error:
        raise WebhookVerificationError("a header of the signature is missing or malformed") from error
    if abs((time.time() if now is None else now) - sent_at) > tolerance_seconds:
        raise WebhookVerificationError("the request is too old, or from the future")
    keys = [secrets] if isinstance(secrets, str) else secrets
    expected = [signature(it, message_id, timestamp, content) for it in keys]
    # All are compared, so that the time does not depend on which one matches.
    matches = [hmac.compare_digest(it.encode(), mine.encode()) for it in given for mine in expected]
    if not any(matches):
        raise WebhookVerificationError("no signature matches")
    try:
        event: EventResponse = decode(EventResponse, parse(content))
    except DecodeError as error:
        raise WebhookVerificationError(f"the body is not an event: {error}") from error
    return event


def signed_headers(secret: str, message_id: str, body: bytes, *, now: float | None = None) -> dict[str, str]:
    """Returns the headers that sign a body, as the system does."""
    timestamp = str(int(time.time() if now is None else now))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature(secret, message_id, timestamp, body)}",
    }


def signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """Returns the HMAC-SHA-256 of id, time and body in base64. Raises ValueError for a malformed secret."""
    content = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.digest(_key(secret), content, hashlib.sha256)).decode()


def _key(secret: str) -> bytes:
    encoded = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        key = b""
    if len(key) not in SECRET_BYTES:
        raise ValueError(f"a secret is {PREFIX} and the base64 of 24 to 64 bytes")
    return key
