"""Request and response of the search for orders, users and products."""

from typing import Annotated

from pydantic import Field

from oms.core.schemas import Input, Response, VisibleText
from oms.identity.schemas import UserResponse
from oms.inventory.schemas import ManagedProductResponse
from oms.orders.schemas import ManagedOrderResponse


class SearchQuery(Input):
    """The text of a search for everything."""

    q: Annotated[str, VisibleText(200)] = Field(
        description="The text to search for: of an order as `q` of `GET /orders`, the beginning of a user's e-mail "
        "address, or the beginning of a product's name or SKU.",
        examples=["COF-"],
    )


class SearchResponse(Response):
    """The first orders, users and products that match a text, at most five of each."""

    orders: list[ManagedOrderResponse] = Field(description="Orders, newest first.")
    users: list[UserResponse] = Field(description="Users, sorted by e-mail address.")
    products: list[ManagedProductResponse] = Field(
        description="Products, archived ones included: by SKU those that begin with the text, then by name."
    )
