"""The one table of order states and moves. Pure: no I/O, no clock."""

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
    """A way from one state to another. `releases` gives the reserved units back to what is available."""

    name: str
    sources: frozenset[Status]
    target: Status
    releases: bool = False


CONFIRM = Move("confirm", frozenset({Status.PENDING}), Status.CONFIRMED)
CANCEL = Move("cancel", frozenset({Status.PENDING, Status.CONFIRMED}), Status.CANCELLED, releases=True)
EXPIRE = Move("expire", frozenset({Status.PENDING}), Status.EXPIRED, releases=True)
