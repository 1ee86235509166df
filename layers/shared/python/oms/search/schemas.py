"""Requests of the routes that find orders."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, ValidationError

from oms.core.schemas import EmailAddress, ValueList
from oms.orders.buyer_schemas import ExternalRefRequest
from oms.orders.content_schemas import Tag
from oms.orders.schemas import ListOrdersQuery

_Term = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


def split_ref(text: str) -> ExternalRefRequest | None:
    """Returns the external reference in `channel:id`, or None for another text."""
    channel, _, identifier = text.partition(":")
    try:
        return ExternalRefRequest.model_validate({"channel": channel.strip(), "id": identifier})
    except ValidationError:
        return None


def _external_ref(text: str) -> str:
    if split_ref(text) is None:
        raise ValueError("must have the form channel:id")
    return text


class FindOrdersQuery(ListOrdersQuery):
    """The filters of a list of orders, and at most one search."""

    number: _Term | None = Field(None, description="The order with this number.", examples=["20260131-0C8Z4V6T2R"])
    email: EmailAddress | None = Field(
        None, description="Orders of the customer who has this e-mail address now, and of contacts with it."
    )
    external_ref: Annotated[str, StringConstraints(max_length=200), AfterValidator(_external_ref)] | None = Field(
        None,
        description="The order with this id in another system, as `channel:id`.",
        examples=["amazon-de:302-1234567-1234567"],
    )
    sku: _Term | None = Field(None, description="Orders with a line of this SKU.", examples=["COF-ESP-1000"])
    tracking: _Term | None = Field(
        None,
        description="Orders with this tracking number. Blanks and hyphens in it do not matter.",
        examples=["00340434161094042557"],
    )
    tag: Annotated[tuple[Tag, ...], ValueList(most=10)] | None = Field(
        None, description="Orders with one of these tags.", examples=[["gift"]]
    )
    q: _Term | None = Field(
        None,
        description="One search for all: the form of the text decides what it can be. A text with an @ is an e-mail "
        "address, one with a colon can be an external reference, other texts are a number, an id, a SKU, a tracking "
        "number or a tag.",
        examples=["20260131-0C8Z4V6T2R"],
    )


SEARCHES = tuple(name for name in FindOrdersQuery.model_fields if name not in ListOrdersQuery.model_fields)
"""The parameters that search orders by a term."""
