"""Visibility: the orders that a caller may read."""

from dataclasses import dataclass
from typing import Self

from oms.core.actors import Actor
from oms.core.errors import UnauthenticatedError
from oms.core.guests import Guest, OrderToken, revoked_token
from oms.orders.models import Order


@dataclass(frozen=True)
class Visibility:
    """The orders that a caller may read: those of one customer, the one of an order token, or all."""

    customer_id: str | None
    token: OrderToken | None = None

    @classmethod
    def of(cls, caller: Actor) -> Self:
        """Returns the caller's visibility: customers see their own orders; all others see all."""
        return cls(caller.id if caller.role == "customer" else None)

    @classmethod
    def of_guest(cls, guest: Guest) -> Self:
        if guest.token is None:
            raise UnauthenticatedError
        return cls(None, guest.token)

    def includes(self, order: Order) -> bool:
        """Returns whether the caller may read the order. Raises UnauthenticatedError if its token was revoked."""
        if self.token is not None:
            if order.id != self.token.order_id:
                return False
            if order.token_counter != self.token.counter:
                raise revoked_token()
        return self.customer_id in (None, order.customer_id)


ALL_ORDERS = Visibility(None)
