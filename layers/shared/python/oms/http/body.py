"""The parser of request bodies: strict JSON, exact decimal numbers, and limits on size, nesting and values."""

import base64
import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from email.message import Message
from typing import Any, NoReturn

from oms.core.errors import BodyTooLargeError, InvalidRequestError, MalformedJsonError, UnsupportedMediaTypeError

MAX_BYTES = 256 * 1024
# Python's own limit for conversions between text and integers.
_MAX_INTEGER_DIGITS = 4_300
_OUT_OF_EVERY_RANGE: int = 10 ** (_MAX_INTEGER_DIGITS - 1)
_MAX_DEPTH = 32
# Names and values in objects and arrays, at all levels: several times the number in the largest valid body. Each can
# become a validation error.
MAX_PARTS = 2000


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
    value = _decode(raw)
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


def _decode(raw: bytes) -> Any:
    try:
        value = json.loads(
            raw.decode("utf-8"),
            parse_float=Decimal,
            parse_int=_integer,
            parse_constant=_not_json,
            object_pairs_hook=_object,
        )
        _check(value)
    except (ValueError, InvalidOperation, RecursionError) as error:
        raise MalformedJsonError("The body is not valid JSON.") from error
    return value


def _integer(digits: str) -> int:
    if len(digits) <= _MAX_INTEGER_DIGITS + (digits[0] == "-"):
        return int(digits)
    # No field allows so large a number, so another number out of range gets the same error.
    return -_OUT_OF_EVERY_RANGE if digits.startswith("-") else _OUT_OF_EVERY_RANGE


def _not_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON (RFC 8259, section 6)")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # RFC 8259 does not define the meaning of a repeated name, so two parsers could read two different orders.
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("an object repeats a name")
    return fields


def _check(value: Any) -> None:
    """Refuses deep nesting, too many parts, and strings with half of a surrogate pair, which an escape can produce."""
    level, depth, parts = [value], 0, 0
    while level:
        parts += len(level)
        if parts > MAX_PARTS:
            raise InvalidRequestError.at(f"must have at most {MAX_PARTS} names and values", pointer="#")
        below: list[Any] = []
        for part in level:
            if isinstance(part, str):
                part.encode()
            elif isinstance(part, dict | list):
                below += (*part, *part.values()) if isinstance(part, dict) else part
                if depth == _MAX_DEPTH:
                    raise MalformedJsonError(f"The body must have at most {_MAX_DEPTH} levels.")
        level, depth = below, depth + 1
