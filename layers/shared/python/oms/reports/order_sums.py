"""The contribution of an order to the sums of days, products, categories, totals, and open orders of its customer.

An order counts on the day it was created, unless it is cancelled, expired or returned. The counts by status include all
orders.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from oms.core import clock
from oms.core.money import from_text
from oms.identity.models import User, user_key
from oms.orders.models import Order
from oms.orders.states import OPEN, OrderStatus
from oms.reports.sum_keys import DAYS, SumKey, categories_of, category_of_day, products_of, total_of
from oms.reports.sums import Chunk, chunks

ORDERS = total_of("orders")
# An order of 90 products in 90 categories contributes to 183 sums.
MAX_CHUNKS = 2
UNCOUNTED = frozenset({OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.RETURNED})
"""The statuses in which an order no longer counts."""


class OrderedLine(NamedTuple):
    """A line of a counted order. `amount` is the price of all units, in minor units."""

    product_id: str
    category: str
    units: int
    amount: int


@dataclass(frozen=True)
class CountedOrder:
    """The fields of an order that the sums use, at a version. Amounts are in minor units; `total` includes shipping.

    `customer_id` is None if the customer has no account.
    """

    id: str
    customer_id: str | None
    version: int
    status: OrderStatus
    day: str
    total: int
    shipping: int
    lines: Sequence[OrderedLine]

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Returns the order of an event. Raises LookupError, ValueError and TypeError for any other event or text."""
        order = event["data"]
        return cls(
            id=str(order["id"]),
            customer_id=order["customer_id"],
            version=int(event["sequence"]),
            status=OrderStatus(order["status"]),
            day=_day(order["created_at"]),
            total=from_text(order["total"]),
            shipping=from_text(order["shipping_cost"]),
            lines=[
                # Events that are older than this field have no category.
                OrderedLine(
                    line["product_id"], line.get("category", ""), int(line["quantity"]), from_text(line["line_total"])
                )
                for line in order["items"]
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
                OrderedLine(line.product_id, line.category, line.quantity, line.quantity * line.unit_price)
                for line in order.lines
            ],
        )


def _day(created_at: str) -> str:
    """Returns the day of the shop."""
    return clock.day_of(clock.instant(created_at)).isoformat()


# ---- the contribution -----------------------------------------------------------------------------------------------


def contributor(order_id: str) -> str:
    return f"order#{order_id}"


def contribution(order: CountedOrder) -> list[Chunk]:
    """Returns the contribution. It has the same sums at each version, as `chunks` requires: amounts that no longer
    count are 0.
    """
    counts = order.status not in UNCOUNTED
    of_status = {order.status.value: 1}
    amounts: dict[SumKey, dict[str, int]] = {
        SumKey(DAYS, order.day): {
            "orders": counts,
            "units": counts * sum(line.units for line in order.lines),
            "revenue": counts * order.total,
            "shipping": counts * order.shipping,
            **of_status,
        },
        ORDERS: of_status,
    }
    if order.customer_id is not None:
        amounts[SumKey(*user_key(order.customer_id))] = {User.open_orders.attr_name: int(order.status in OPEN)}
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
