"""The contribution of an order to the sums of its day, products and categories, the totals, and its customer's count
of open orders.

An order counts on the day it was created, unless it is cancelled, expired or returned. Orders by status count all.
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

# The number of items over which a sum of all orders is spread. It must not change while sums are stored.
SHARDS = 4
# One of 90 products in as many categories has 183 sums.
MAX_CHUNKS = 2
_DAYS, _PRODUCTS, _CATEGORIES = "sales#", "products#", "categories#"
DAY_PREFIXES = (_DAYS, _PRODUCTS, _CATEGORIES)
"""The prefixes of the partitions with sums of days."""
UNCOUNTED = frozenset({OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.RETURNED})
"""The statuses in which an order no longer counts."""


class OrderedLine(NamedTuple):
    """`amount` is the price of all units, in minor units."""

    product_id: str
    category: str
    units: int
    amount: int


@dataclass(frozen=True)
class CountedOrder:
    """The fields of an order that the sums use, as of a version. Amounts in minor units, `total` with shipping."""

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
        """Raises LookupError, ValueError and TypeError for any other event or text."""
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
                # Events from before this field existed have no category.
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
    """The day of a day's sum. For any other key, a text that is not a date."""
    if key.pk.startswith(_CATEGORIES):
        day, mark = key.sk[:2], key.sk[2:3]
        return f"{key.pk.removeprefix(_CATEGORIES)}-{day}" if mark == "#" else ""
    return key.pk.removeprefix(_PRODUCTS) if key.pk.startswith(_PRODUCTS) else key.sk


def totals_of(shard: int) -> SumKey:
    return SumKey(f"totals#{shard}", "orders")


# ---- the contribution -----------------------------------------------------------------------------------------------


def contribution(order: CountedOrder) -> list[Chunk]:
    """The same sums at each version, as `chunks` requires: amounts that no longer count are zero."""
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
