"""What an order contributes to the sums: to those of its day, its products and its categories, to the totals, and to
the count of its customer's open orders.

An order counts on the day it was created, in all that it has and for as long as it is neither cancelled, expired nor
returned; how many there are of each status is counted of all.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from oms.core import clock
from oms.core.money import from_text
from oms.identity.models import User, user_key
from oms.orders.models import Order
from oms.orders.states import OPEN, OrderStatus
from oms.reports.sums import Chunk, SumKey, chunks

# Into so many items what is added to by every order is spread. It must not change while sums are there.
SHARDS = 4
# One of 90 products in as many categories has 183 sums.
MAX_CHUNKS = 2
_DAYS, _PRODUCTS, _CATEGORIES = "sales#", "products#", "categories#"
DAY_PREFIXES = (_DAYS, _PRODUCTS, _CATEGORIES)
"""With what the partitions of the sums of days begin."""
UNCOUNTED = frozenset({OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.RETURNED})
"""The states in which an order counts for nothing any more."""


class OrderedLine(NamedTuple):
    """`amount` is what the units cost together, in minor units."""

    product_id: str
    category: str
    units: int
    amount: int


@dataclass(frozen=True)
class CountedOrder:
    """What of an order is summed up, as of a version. Amounts in minor units, `total` with the shipping."""

    id: str
    customer_id: str
    version: int
    status: OrderStatus
    day: str
    total: int
    shipping: int
    lines: Sequence[OrderedLine]

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Raises LookupError, ValueError and TypeError for what is no event of an order."""
        order = event["data"]
        return cls(
            id=str(order["id"]),
            customer_id=str(order["customer_id"]),
            version=int(event["sequence"]),
            status=OrderStatus(order["status"]),
            day=_day(order["created_at"]),
            total=from_text(order["total"]),
            shipping=from_text(order["shipping_cost"]),
            lines=[
                # An event from before the category was told has none.
                OrderedLine(it["product_id"], it.get("category", ""), int(it["quantity"]), from_text(it["line_total"]))
                for it in order["items"]
            ],
        )

    @classmethod
    def of(cls, order: Order) -> Self:
        return cls(
            id=order.id,
            customer_id=order.customer_id,
            version=order.version,
            status=OrderStatus(order.status),
            day=_day(order.created_at),
            total=order.total,
            shipping=order.shipping_cost,
            lines=[
                OrderedLine(it.product_id, it.category, it.quantity, it.quantity * it.unit_price) for it in order.lines
            ],
        )


def _day(created_at: str) -> str:
    """In the shop's time zone."""
    return clock.day_of(clock.instant(created_at)).isoformat()


# ---- where the sums are ---------------------------------------------------------------------------------------------


def contributor(order_id: str) -> str:
    return f"order#{order_id}"


def shard_of(order_id: str) -> int:
    return hashlib.sha256(order_id.encode()).digest()[0] % SHARDS


def days_of(shard: int) -> str:
    """The partition of a shard's days, by day."""
    return f"{_DAYS}{shard}"


def products_of(day: str) -> str:
    """The partition of the products that were ordered on a day."""
    return f"{_PRODUCTS}{day}"


def categories_of(month: str) -> str:
    """The partition of a month's categories; their sort keys begin with the day: see `category_of_day`."""
    return f"{_CATEGORIES}{month}"


def category_of_day(day: str, category: str) -> str:
    return f"{day[-2:]}#{category}"


def day_of(key: SumKey) -> str:
    """The day of a sum of a day. Of what is not at a place for one it is text that is no day."""
    if key.pk.startswith(_CATEGORIES):
        day, mark = key.sk[:2], key.sk[2:3]
        return f"{key.pk.removeprefix(_CATEGORIES)}-{day}" if mark == "#" else ""
    return key.pk.removeprefix(_PRODUCTS) if key.pk.startswith(_PRODUCTS) else key.sk


def totals_of(shard: int) -> SumKey:
    return SumKey(f"totals#{shard}", "orders")


# ---- what is added to them ------------------------------------------------------------------------------------------


def contribution(order: CountedOrder) -> list[Chunk]:
    """The same sums at each version, as `chunks` asks: what is not counted any more is zero."""
    counts = order.status not in UNCOUNTED
    shard = shard_of(order.id)
    of_status = {order.status.value: 1}
    amounts: dict[SumKey, dict[str, int]] = {
        SumKey(days_of(shard), order.day): {
            "orders": counts,
            "units": counts * sum(line.units for line in order.lines),
            "revenue": counts * order.total,
            "shipping": counts * order.shipping,
            **of_status,
        },
        totals_of(shard): of_status,
        SumKey(*user_key(order.customer_id)): {User.open_orders.attr_name: int(order.status in OPEN)},
    }
    for category, lines in _by_category(order.lines).items():
        amounts[SumKey(categories_of(order.day[:7]), category_of_day(order.day, category))] = _sold(counts, lines)
    for line in order.lines:
        amounts[SumKey(products_of(order.day), line.product_id)] = _sold(counts, [line])
    return chunks(contributor(order.id), order.version, amounts)


def _by_category(lines: Sequence[OrderedLine]) -> dict[str, list[OrderedLine]]:
    found: dict[str, list[OrderedLine]] = {}
    for line in lines:
        found.setdefault(line.category, []).append(line)
    return found


def _sold(counts: bool, lines: Sequence[OrderedLine]) -> dict[str, int]:
    return {
        "orders": int(counts),
        "units": counts * sum(line.units for line in lines),
        "revenue": counts * sum(line.amount for line in lines),
    }
