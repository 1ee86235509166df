"""Money: a whole number of minor units inside, decimal text outside, never a float and never rounded on the way in."""

import re
from decimal import ROUND_DOWN, Context, Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from oms.settings import settings

MAX_MINOR_UNITS = 10**12
_PLAIN = re.compile(r"-?\d{1,40}(\.\d{1,40})?", re.ASCII)
_WIDE = Context(prec=60, traps=[InvalidOperation])


def to_minor_units(amount: Any) -> int:
    """Minor units of a JSON number (int or Decimal) or a plain decimal string. Raises ValueError otherwise."""
    if isinstance(amount, str) and _PLAIN.fullmatch(amount):
        amount = Decimal(amount)
    if isinstance(amount, bool) or not isinstance(amount, int | Decimal):
        raise ValueError("must be a decimal number, as a number or as a plain string")  # noqa: TRY004 - as pydantic wants it
    value = Decimal(amount)
    if not value.is_finite():
        raise ValueError("must be a finite number")
    digits = settings().currency_digits
    # The exponent is looked at before any arithmetic, so that 1e999999 costs nothing.
    if value < 0 or value.adjusted() > 20:
        raise ValueError(_range_message(digits))
    minor = value.scaleb(digits, _WIDE)
    whole = minor.quantize(Decimal(1), ROUND_DOWN, _WIDE)
    if whole > MAX_MINOR_UNITS:
        raise ValueError(_range_message(digits))
    if value != whole.scaleb(-digits, _WIDE):
        raise ValueError(f"has more than {digits} decimals")
    return int(whole)


def _range_message(digits: int) -> str:
    return f"must be between 0 and {Decimal(MAX_MINOR_UNITS).scaleb(-digits):f}"


def to_text(minor_units: int) -> str:
    """The amount as a string with exactly the currency's decimals (`1050` → `10.50`)."""
    digits = settings().currency_digits
    if not digits:
        return str(minor_units)
    # Of whole numbers alone: an export writes three for each of its lines.
    whole, rest = divmod(abs(minor_units), 10**digits)
    return f"{'-' if minor_units < 0 else ''}{whole}.{rest:0{digits}}"


Money = Annotated[
    int,
    BeforeValidator(to_minor_units),
    WithJsonSchema(
        {
            "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^\d+(\.\d+)?$"}],
            "description": "A decimal amount in the deployment's currency, as a number or a plain string",
            "examples": ["10.00"],
        }
    ),
]
"""A request's amount of money: accepted as a number or a plain string, kept as minor units."""
