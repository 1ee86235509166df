"""Money: a whole number of minor units inside, decimal text outside, never a float and never rounded on the way in."""

import re
from decimal import ROUND_DOWN, Context, Decimal, InvalidOperation
from functools import partial
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from oms.core.settings import settings

MAX_MINOR_UNITS = 10**12
"""The largest price or other single amount of a request."""
MAX_TOTAL_MINOR_UNITS = 10**15
"""The most that an order may cost. It is below 2**53, so a client that reads amounts as doubles has them exactly, and
far above what is sold in the currencies of the smallest unit: 10**13 rials, rupiahs or Lebanese pounds.
"""
_OWN = re.compile(r"-?\d+(?:\.(\d+))?", re.ASCII)
_PLAIN = re.compile(r"-?\d{1,40}(\.\d{1,40})?", re.ASCII)
_WIDE = Context(prec=60, traps=[InvalidOperation])


def to_minor_units(amount: Any, *, most: int = MAX_MINOR_UNITS) -> int:
    """Minor units of an amount in a request: a JSON number (int or Decimal) or a plain decimal string, up to `most`.

    Raises ValueError otherwise. `from_text` reads text that the system wrote, without this limit.
    """
    if isinstance(amount, str) and _PLAIN.fullmatch(amount):
        amount = Decimal(amount)
    if isinstance(amount, bool) or not isinstance(amount, int | Decimal):
        raise ValueError("must be a decimal number, as a number or as a plain string")  # noqa: TRY004 - as pydantic wants it
    value = Decimal(amount)
    if not value.is_finite():
        raise ValueError("must be a finite number")
    digits = settings().currency_digits
    # The exponent is checked before any arithmetic, so that 1e999999 costs nothing.
    if value < 0 or value.adjusted() > 20:
        raise ValueError(_range_message(most))
    minor = value.scaleb(digits, _WIDE)
    whole = minor.quantize(Decimal(1), ROUND_DOWN, _WIDE)
    if whole > most:
        raise ValueError(_range_message(most))
    if value != whole.scaleb(-digits, _WIDE):
        raise ValueError(f"has more than {digits} decimals")
    return int(whole)


def _range_message(most: int) -> str:
    return f"must be between 0 and {to_text(most)}"


def to_text(minor_units: int) -> str:
    """The amount as a string with exactly the currency's decimals (`1050` → `10.50`)."""
    digits = settings().currency_digits
    if not digits:
        return str(minor_units)
    # Of whole numbers alone: an export writes three for each of its lines.
    whole, rest = divmod(abs(minor_units), 10**digits)
    return f"{'-' if minor_units < 0 else ''}{whole}.{rest:0{digits}}"


def from_text(text: str) -> int:
    """The minor units of text that `to_text` wrote, of any amount. Raises ValueError for any other text."""
    digits = settings().currency_digits
    written = _OWN.fullmatch(text)
    if written is None or len(written[1] or "") != digits:
        raise ValueError(f"{text[:60]!r} is not an amount with {digits} decimals")
    return int(text.replace(".", ""))


_SCHEMA = WithJsonSchema(
    {
        # A client that is generated takes the first: a string keeps every digit. The example fits every currency.
        "anyOf": [
            {"type": "string", "pattern": r"^(\d{1,40}(\.\d{1,40})?|-0{1,40}(\.0{1,40})?)$"},
            {"type": "number", "minimum": 0},
        ],
        "description": "An amount in the shop's currency, as a decimal string or number, with no more decimals than "
        "the currency has.",
        "examples": ["25"],
    }
)
Money = Annotated[int, BeforeValidator(to_minor_units), _SCHEMA]
"""A request's amount of money: accepted as a number or a plain string, kept as minor units."""
TotalMoney = Annotated[int, BeforeValidator(partial(to_minor_units, most=MAX_TOTAL_MINOR_UNITS)), _SCHEMA]
"""As `Money`, up to the largest total of an order."""

MoneyText = Annotated[str, WithJsonSchema({"type": "string", "pattern": r"^-?\d+(\.\d+)?$", "examples": ["24.90"]})]
"""An answer's amount of money: decimal text with exactly the currency's decimals, as `to_text` writes it."""

CurrencyCode = Annotated[
    str,
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["EUR"]}),
    Field(description="The currency of all amounts of this deployment (ISO 4217)."),
]
