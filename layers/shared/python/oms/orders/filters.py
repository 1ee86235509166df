"""The parameters that choose orders, for lists and exports of them."""

from typing import Annotated

from pydantic import Field

from oms.core.schemas import BEFORE, SINCE, From, OneOf, Several, Span, To
from oms.orders.states import OrderStatus

_STATUSES = tuple(OrderStatus)
_Status = Annotated[str, OneOf(_STATUSES)]
OrderStatuses = Annotated[tuple[_Status, ...], Several()]
OrderStatusesOrText = Annotated[tuple[_Status, ...], Several(_STATUSES)]
"""For a body: a list, or the words in one text."""


class OrderFilters(Span):
    """Filters of orders by their current status and by the time of their creation."""

    status: OrderStatuses | None = Field(None, description="Orders that have one of these statuses now.")
    from_: From | None = Field(None, alias="from", description=f"Orders created {SINCE}")
    to: To | None = Field(None, description=f"Orders created {BEFORE}")
