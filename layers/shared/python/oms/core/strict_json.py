"""The parser of JSON that clients send: strict, exact decimal numbers, and limits on nesting and values."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from oms.core.errors import InvalidRequestError, MalformedJsonError

# Python's own limit for conversions between text and integers.
_MAX_INTEGER_DIGITS = 4_300
_OUT_OF_EVERY_RANGE: int = 10 ** (_MAX_INTEGER_DIGITS - 1)
_MAX_DEPTH = 32
# Names and values in objects and arrays, at all levels: several times the number in the largest valid body. Each can
# become a validation error.
MAX_PARTS = 2000


def decode(raw: bytes) -> Any:
    """Returns the value of a JSON text in UTF-8. Numbers with decimals become Decimal.

    Raises MalformedJsonError, and InvalidRequestError for too many values.
    """
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
