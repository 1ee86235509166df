"""The filters of orders, for lists and exports."""

from typing import Annotated

from pydantic import Field

from oms.core.schemas import BEFORE, SINCE, From, OneOf, TimeRange, To, ValueList
from oms.orders.states import OrderStatus

_STATUSES = tuple(OrderStatus)
_Status = Annotated[str, OneOf(_STATUSES)]
OrderStatuses = Annotated[tuple[_Status, ...], ValueList()]
OrderStatusesOrText = Annotated[tuple[_Status, ...], ValueList(_STATUSES)]
"""Statuses in a body: an array, or one text with commas."""


class OrderFilters(TimeRange):
    """Filters of orders by their current status and by the time of their creation."""

    status: OrderStatuses | None = Field(None, description="Orders that have one of these statuses now.")
    from_: From | None = Field(None, alias="from", description=f"Orders created {SINCE}")
    to: To | None = Field(None, description=f"Orders created {BEFORE}")
