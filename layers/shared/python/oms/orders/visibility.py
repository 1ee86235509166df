"""Visibility: the orders that a caller may read."""

from dataclasses import dataclass
from typing import Self

from oms.core.actors import Actor
from oms.orders.models import Order


@dataclass(frozen=True)
class Visibility:
    """The orders that a caller may read: those of one customer, or all."""

    customer_id: str | None

    @classmethod
    def of(cls, caller: Actor) -> Self:
        """Returns the caller's visibility: customers see their own orders; all others see all."""
        return cls(caller.id if caller.role == "customer" else None)

    def includes(self, order: Order) -> bool:
        return self.customer_id in (None, order.customer_id)


ALL_ORDERS = Visibility(None)
