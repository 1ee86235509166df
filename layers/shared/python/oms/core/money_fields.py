"""The types of schemas' fields for money."""

from functools import partial
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from oms.core.money import MAX_TOTAL_MINOR_UNITS, to_minor_units

# The examples are valid in every currency.
_TEXT = {"type": "string", "pattern": r"^(\d{1,40}(\.\d{1,40})?|-0{1,40}(\.0{1,40})?)$"}
_SCHEMA = WithJsonSchema(
    {
        # Generated clients use the first type: a string keeps every digit.
        "anyOf": [_TEXT, {"type": "number", "minimum": 0}],
        "description": "An amount in the shop's currency, as a decimal string or number, with no more decimals than "
        "the currency has.",
        "examples": ["25"],
    }
)
Money = Annotated[int, BeforeValidator(to_minor_units), _SCHEMA]
"""An amount in a request's body: a number or a plain string, converted to minor units."""
TotalMoney = Annotated[int, BeforeValidator(partial(to_minor_units, most=MAX_TOTAL_MINOR_UNITS)), _SCHEMA]
"""As `Money`, up to the largest total of an order."""
QueryMoney = Annotated[int, BeforeValidator(to_minor_units), WithJsonSchema({**_TEXT, "examples": ["25"]})]
"""As `Money`, in a query, where every value is text. So an exponent is refused, which a JSON number may have."""

MoneyText = Annotated[str, WithJsonSchema({"type": "string", "pattern": r"^-?\d+(\.\d+)?$", "examples": ["24.90"]})]
"""An amount in a response: decimal text with exactly the currency's decimals, as `to_text` writes it."""

CurrencyCode = Annotated[
    str,
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["EUR"]}),
    Field(description="The currency of all amounts of this deployment (ISO 4217)."),
]
