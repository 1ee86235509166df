"""The parameters that choose orders, for lists and exports of them."""

from typing import Annotated

from pydantic import Field

from oms.core.schemas import BEFORE, SINCE, From, OneOf, Several, Span, To
from oms.orders.states import OrderStatus

_STATUSES = tuple(OrderStatus)
_Status = Annotated[str, OneOf(_STATUSES)]
OrderStatuses = Annotated[tuple[_Status, ...], Several()]
OrderStatusesOrText = Annotated[tuple[_Status, ...], Several(_STATUSES)]
"""As a body has them."""


class OrderFilters(Span):
    """Of orders: the statuses that they have now, and when they were created."""

    status: OrderStatuses | None = Field(None, description="Orders that have one of these statuses now.")
    from_: From | None = Field(None, alias="from", description=f"Orders created {SINCE}")
    to: To | None = Field(None, description=f"Orders created {BEFORE}")
