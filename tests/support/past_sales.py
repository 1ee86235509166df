"""Orders of the past, in the tables and as events for the aggregator; and their sales, added up directly."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from fractions import Fraction
from typing import Any

from oms.core.money import to_text
from oms.orders.events import event_from_order
from oms.orders.history import versions
from oms.orders.models import Order, OrderLine
from tests.support.database import table
from tests.support.open_order_counts import QueuedEvent
from tests.support.past_orders import Past


def store(orders: Iterable[Order]) -> None:
    for order in orders:
        table("orders").put(order.serialize())


def events_of_orders(orders: Iterable[Order]) -> list[QueuedEvent]:
    """Returns the event of each version of each order."""
    return [json.loads(event_from_order(was).text()) for order in orders for was in versions(order)]


def widen(order: Order) -> None:
    """Gives it the maximum number of products and categories of an order."""
    (wide,) = Past(number=1, days=1, last=date(2026, 1, 1), lines=90).orders()
    order.lines = wide.lines
    for number, line in enumerate(order.lines):
        line.category = f"Category {number}"
    order.subtotal = amount(order.lines)
    order.total = order.subtotal + order.shipping_cost


def span(first: date, last: date) -> list[str]:
    return [(first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1)]


class Sold:
    """The sales of a time range, from the orders alone: without stored sums, shards or versions."""

    def __init__(self, orders: Iterable[Order], first: date, last: date, *, zone: tzinfo = UTC) -> None:
        self.first, self.last, self.zone = first, last, zone
        self.orders = [it for it in orders if first <= self._day(it) <= last]
        self.good = [it for it in self.orders if it.status not in ("cancelled", "expired", "returned")]

    def _day(self, order: Order) -> date:
        return datetime.fromisoformat(order.created_at).astimezone(self.zone).date()

    def report(self, series: list[dict[str, Any]]) -> dict[str, Any]:
        statuses = Counter(it.status for it in self.orders)
        revenue = sum(it.total for it in self.good)
        average = half_even(Fraction(revenue, len(self.good))) if self.good else 0
        return {
            "from": self.first.isoformat(),
            "to": self.last.isoformat(),
            "currency": "EUR",
            "totals": {
                "orders": len(self.good),
                "units": sum(line.quantity for it in self.good for line in it.lines),
                "revenue": to_text(revenue),
                "shipping": to_text(sum(it.shipping_cost for it in self.good)),
                "average_order_value": to_text(average),
                "cancelled": statuses["cancelled"] + statuses["expired"],
                "returned": statuses["returned"],
                "pending": statuses["pending"],
            },
            "series": series,
            "next_cursor": None,
        }

    def by_time(self, key: Callable[[str], str]) -> dict[str, Any]:
        keys = dict.fromkeys(key(day) for day in span(self.first, self.last))
        groups: dict[str, list[Order]] = {it: [] for it in keys}
        for order in self.good:
            groups[key(self._day(order).isoformat())].append(order)
        return self.report(
            [
                entry(key, it, [line for order in it for line in order.lines], sum(order.total for order in it))
                for key, it in groups.items()
            ]
        )

    def by_line(self, key: Callable[[OrderLine], str]) -> dict[str, Any]:
        keys = {key(line) for order in self.good for line in order.lines}
        found = []
        for name in keys:
            orders = [it for it in self.good if any(key(line) == name for line in it.lines)]
            lines = [line for it in orders for line in it.lines if key(line) == name]
            found.append((entry(name, orders, lines, amount(lines)), amount(lines)))
        return self.report([it for it, _ in sorted(found, key=lambda it: (-it[1], it[0]["key"]))])


def entry(key: str, orders: Sequence[Order], lines: Sequence[OrderLine], revenue: int) -> dict[str, Any]:
    units = sum(line.quantity for line in lines)
    counts = {"orders": len(orders), "units": units, "revenue": to_text(revenue)}
    return {"key": key, "sku": None, "name": None, **counts}


def amount(lines: Sequence[OrderLine]) -> int:
    return sum(line.quantity * line.unit_price for line in lines)


def half_even(value: Fraction) -> int:
    whole, rest = divmod(value.numerator, value.denominator)
    twice = 2 * rest
    return whole + (twice > value.denominator or (twice == value.denominator and whole % 2 == 1))
