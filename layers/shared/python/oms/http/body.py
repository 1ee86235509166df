"""The parser of request bodies: their size and media type, and their JSON by `oms.core.strict_json`."""

import base64
from collections.abc import Mapping
from email.message import Message
from typing import Any

from oms.core.errors import BodyTooLargeError, InvalidRequestError, MalformedJsonError, UnsupportedMediaTypeError
from oms.core.strict_json import decode

MAX_BYTES = 256 * 1024


def parse(event: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    """Returns the JSON object in an HTTP API event's body, or {} if the body is empty. Header names are lower-case.

    Numbers with decimals become Decimal. Raises the API's errors 413, 415, 400, and 422 for JSON that is not an object.
    """
    raw = _bytes(event)
    if len(raw) > MAX_BYTES:
        raise BodyTooLargeError(f"The body is larger than {MAX_BYTES // 1024} KB. Send a smaller body.")
    if not raw:
        return {}
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedMediaTypeError("Content-Encoding is not supported. Send the body without compression.")
    check_media_type(headers.get("content-type", "application/json"))
    value = decode(raw)
    if not isinstance(value, dict):
        raise InvalidRequestError.at("must be a JSON object", pointer="#")
    return value


def check_media_type(content_type: str) -> None:
    """Raises UnsupportedMediaTypeError unless a Content-Type is JSON in UTF-8."""
    header = Message()
    header["Content-Type"] = content_type
    if content_type.split(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaTypeError("The body must be JSON. Send it with the Content-Type application/json.")
    # Check every charset parameter, since parsers differ in which one they use. RFC 2231's forms are tuples here and
    # are refused.
    charsets = {str(value).strip().lower() for name, value in header.get_params([]) if name.lower() == "charset"}
    if not charsets <= {"utf-8", "utf8", "us-ascii"}:
        raise UnsupportedMediaTypeError("The body must be in UTF-8 (RFC 8259). Omit charset, or set it to utf-8.")


def _bytes(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    try:
        return base64.b64decode(body, validate=True)
    except ValueError as error:
        raise MalformedJsonError("The body is not valid base64.") from error
