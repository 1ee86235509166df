"""The table of order states and moves, and the stock effect of each. Pure: no I/O, no clock."""

from dataclasses import dataclass
from enum import StrEnum


class OrderStatus(StrEnum):
    """The status of an order: `pending` until it is confirmed, cancelled or expired."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    RETURNED = "returned"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


OPEN = frozenset({OrderStatus.PENDING, OrderStatus.CONFIRMED})
"""The states in which an order has a reservation of stock."""


@dataclass(frozen=True)
class Move:
    """An allowed change of state."""

    name: str
    sources: frozenset[OrderStatus]
    target: OrderStatus


CONFIRM = Move("confirm", frozenset({OrderStatus.PENDING}), OrderStatus.CONFIRMED)
CANCEL = Move("cancel", OPEN, OrderStatus.CANCELLED)
EXPIRE = Move("expire", frozenset({OrderStatus.PENDING}), OrderStatus.EXPIRED)
SHIP = Move("ship", frozenset({OrderStatus.CONFIRMED}), OrderStatus.SHIPPED)
DELIVER = Move("deliver", frozenset({OrderStatus.SHIPPED}), OrderStatus.DELIVERED)
RETURN = Move("return", frozenset({OrderStatus.SHIPPED, OrderStatus.DELIVERED}), OrderStatus.RETURNED)
MOVES = (CONFIRM, CANCEL, EXPIRE, SHIP, DELIVER, RETURN)


@dataclass(frozen=True)
class StockEffect:
    """The change of a product's stock that a transition causes, for each ordered unit."""

    available: int = 0
    reserved: int = 0

    def __bool__(self) -> bool:
        return (self.available, self.reserved) != (0, 0)


def stock_effect(target: OrderStatus, *, restocked: bool = False) -> StockEffect:
    """Returns the effect of a transition to `target`. `restocked`: whether returned units can be sold again."""
    if target is OrderStatus.PENDING:
        return StockEffect(available=-1, reserved=1)
    if target in (OrderStatus.CANCELLED, OrderStatus.EXPIRED):
        return StockEffect(available=1, reserved=-1)
    if target is OrderStatus.SHIPPED:
        return StockEffect(reserved=-1)
    if target is OrderStatus.RETURNED and restocked:
        return StockEffect(available=1)
    return StockEffect()
