"""The one table of order states and moves, and what each does to the stock. Pure: no I/O, no clock."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    RETURNED = "returned"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


OPEN = frozenset({Status.PENDING, Status.CONFIRMED})
"""The states in which an order holds stock, and stands in the index of open orders."""


@dataclass(frozen=True)
class Move:
    """A way from one state to another."""

    name: str
    sources: frozenset[Status]
    target: Status


CONFIRM = Move("confirm", frozenset({Status.PENDING}), Status.CONFIRMED)
CANCEL = Move("cancel", OPEN, Status.CANCELLED)
EXPIRE = Move("expire", frozenset({Status.PENDING}), Status.EXPIRED)
SHIP = Move("ship", frozenset({Status.CONFIRMED}), Status.SHIPPED)
DELIVER = Move("deliver", frozenset({Status.SHIPPED}), Status.DELIVERED)
RETURN = Move("return", frozenset({Status.SHIPPED, Status.DELIVERED}), Status.RETURNED)
MOVES = (CONFIRM, CANCEL, EXPIRE, SHIP, DELIVER, RETURN)


@dataclass(frozen=True)
class StockEffect:
    """By how much a transition changes a product's stock, for each unit ordered."""

    available: int = 0
    reserved: int = 0

    def __bool__(self) -> bool:
        return (self.available, self.reserved) != (0, 0)


def stock_effect(target: Status, *, restocked: bool = False) -> StockEffect:
    """What entering `target` does to the stock; `restocked` tells whether returned units can be sold again."""
    if target is Status.PENDING:
        return StockEffect(available=-1, reserved=1)
    if target in (Status.CANCELLED, Status.EXPIRED):
        return StockEffect(available=1, reserved=-1)
    if target is Status.SHIPPED:
        return StockEffect(reserved=-1)
    if target is Status.RETURNED and restocked:
        return StockEffect(available=1)
    return StockEffect()
