"""Money: whole minor units inside the system, decimal text outside. It is never a float, and input is never rounded.

`oms.core.money_fields` has the types of schemas' fields. Functions without schemas import no pydantic for money.
"""

import re
from decimal import ROUND_DOWN, Context, Decimal, InvalidOperation
from typing import Any

from oms.core.settings import settings

MAX_MINOR_UNITS = 10**12
"""The largest price or other single amount of a request."""
MAX_TOTAL_MINOR_UNITS = 10**15
"""The largest total of an order. It is below 2**53, so clients that read amounts as doubles read them exactly. It is
large enough for currencies with small units: 10**13 rials, rupiahs or Lebanese pounds.
"""
_OWN = re.compile(r"-?\d+(?:\.(\d+))?", re.ASCII)
_PLAIN = re.compile(r"-?\d{1,40}(\.\d{1,40})?", re.ASCII)
_WIDE = Context(prec=60, traps=[InvalidOperation])


def to_minor_units(amount: Any, *, most: int = MAX_MINOR_UNITS) -> int:
    """Returns the minor units of an amount in a request, up to `most`. It is a JSON number (int or Decimal) or a
    decimal string.

    Raises ValueError otherwise. `from_text` reads text that the system wrote, without this limit.
    """
    if isinstance(amount, str) and _PLAIN.fullmatch(amount):
        amount = Decimal(amount)
    if isinstance(amount, bool) or not isinstance(amount, int | Decimal):
        raise ValueError('must be an amount such as 5 or "5"')  # noqa: TRY004 - as pydantic wants it
    value = Decimal(amount)
    if not value.is_finite():
        raise ValueError("must be a finite number")
    digits = settings().currency_digits
    # Check the exponent before any arithmetic: 1e999999 would take long.
    if value < 0 or value.adjusted() > 20:
        raise ValueError(_range_message(most))
    minor = value.scaleb(digits, _WIDE)
    whole = minor.quantize(Decimal(1), ROUND_DOWN, _WIDE)
    if whole > most:
        raise ValueError(_range_message(most))
    if value != whole.scaleb(-digits, _WIDE):
        raise ValueError(f"must have at most {digits} decimals")
    return int(whole)


def _range_message(most: int) -> str:
    return f"must be between 0 and {to_text(most)}"


def to_text(minor_units: int) -> str:
    """Returns the amount as a string with exactly the currency's decimals (`1050` → `10.50`)."""
    digits = settings().currency_digits
    if not digits:
        return str(minor_units)
    # Cutting the number's text is faster than arithmetic, and an export writes three amounts for each line.
    text = str(minor_units)
    if minor_units < 10**digits:
        text = f"{minor_units:0{digits + 1 + (minor_units < 0)}}"
    return f"{text[:-digits]}.{text[-digits:]}"


def from_text(text: str) -> int:
    """Returns the minor units of text that `to_text` wrote. Raises ValueError for any other text."""
    digits = settings().currency_digits
    written = _OWN.fullmatch(text)
    if written is None or len(written[1] or "") != digits:
        raise ValueError(f"{text[:60]!r} is not an amount with {digits} decimals")
    return int(text.replace(".", ""))
