"""Sums of the whole system: within seconds they equal the counts over every product, order and user."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import groupby
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.local_cloud.shop import CLIENTS, all_items, at_once, create_product, order_of, read, wait_until

pytestmark = pytest.mark.full

BASE = "/api/v1"
SHIPMENT = {"carrier": "DHL", "tracking_number": "1"}
NOTHING = Decimal("0.00")
# Every path of an order.
WAYS: list[list[tuple[str, Any]]] = [
    [],
    [("cancel", {})],
    [("confirm", {})],
    [("confirm", {}), ("cancel", {})],
    [("confirm", {}), ("ship", SHIPMENT)],
    [("confirm", {}), ("ship", SHIPMENT), ("deliver", {})],
    [("confirm", {}), ("ship", SHIPMENT), ("return", {})],
    [("confirm", {}), ("ship", SHIPMENT), ("deliver", {}), ("return", {"restock": False})],
]
TIMES: dict[str, Callable[[date], str]] = {
    "day": date.isoformat,
    "week": lambda it: "{}-W{:02}".format(*it.isocalendar()),
    "month": lambda it: it.isoformat()[:7],
}
LINES = {"product": "product_id", "category": "category"}


def of_the_products(manager: httpx.Client) -> dict[str, Any]:
    products = [it for it in all_items(manager, f"{BASE}/inventory/products") if it["status"] == "active"]
    low = [it for it in products if 0 < it["available"] <= (it["low_stock_threshold"] or 0)]
    return {
        "products": len(products),
        "on_hand": sum(it["on_hand"] for it in products),
        "reserved": sum(it["reserved"] for it in products),
        "value": str(sum(it["on_hand"] * Decimal(it["price"]) for it in products)),
        "low": len(low),
        "out": sum(it["available"] == 0 for it in products),
    }


def test_report_and_statistics_follow_sales_at_once(signed_in: Callable[[str], httpx.Client]) -> None:
    manager, admin, alice = signed_in("manager"), signed_in("admin"), signed_in("alice")
    products = [create_product(manager, stock=40) for _ in range(3)]

    def buy(number: int) -> Callable[[], None]:
        def act() -> None:
            order = alice.post(f"{BASE}/orders", json=order_of(*((it, 2) for it in products)))
            assert order.status_code == 201, order.text
            if number % 2:
                assert alice.post(f"{BASE}/orders/{order.json()['id']}/cancel").status_code == 200

        return act

    at_once([buy(number) for number in range(20)], clients=CLIENTS)
    last = alice.post(f"{BASE}/orders", json=order_of((products[0], 20)))
    assert last.status_code == 201, last.text

    # Both are read each time, as the changes of other tests may still be counted.
    def reported() -> tuple[Any, Any]:
        return read(manager, f"{BASE}/reports/inventory"), of_the_products(manager)

    def counted() -> tuple[Any, Any]:
        orders = Counter(it["status"] for it in all_items(manager, f"{BASE}/orders"))
        users = Counter(it["role"] for it in all_items(admin, f"{BASE}/admin/users"))
        return read(admin, f"{BASE}/admin/stats"), (orders, users)

    report, stock = wait_until(
        reported, lambda it: it[0]["totals"] == it[1] and products[0] in {out["product_id"] for out in it[0]["out"]}
    )
    assert report["totals"] == stock
    assert products[0] in {it["product_id"] for it in report["out"]}
    stats, counts = wait_until(counted, lambda it: (Counter(it[0]["orders"]), Counter(it[0]["users"])) == it[1])
    assert (Counter(stats["orders"]), Counter(stats["users"])) == counts
    assert (stats["products"], stats["low_stock"], stats["out_of_stock"]) == tuple(
        stock[name] for name in ("products", "low", "out")
    )
    queues = {it["name"]: it for it in stats["queues"]}
    assert {"Feed", "Expiry", "Deliveries"} <= queues.keys()
    assert all(
        isinstance(number, int) for number in (queues["Feed"][it] for it in ("waiting", "in_flight", "dead_letters"))
    )
    assert queues["Bookkeeper"] == {"name": "Bookkeeper", "waiting": None, "in_flight": None, "dead_letters": 0}


@dataclass
class Sold:
    """The sales of these days, from the listed orders."""

    orders: list[Any]
    days: list[date]

    def __post_init__(self) -> None:
        self.orders = [it for it in self.orders if date.fromisoformat(it["created_at"][:10]) in self.days]
        self.good = [it for it in self.orders if it["status"] not in ("cancelled", "expired", "returned")]

    def totals(self) -> dict[str, Any]:
        statuses = Counter(it["status"] for it in self.orders)
        revenue = sum((Decimal(it["total"]) for it in self.good), NOTHING)
        return {
            "orders": len(self.good),
            "units": sum(line["quantity"] for it in self.good for line in it["items"]),
            "revenue": str(revenue),
            "shipping": str(sum((Decimal(it["shipping_cost"]) for it in self.good), NOTHING)),
            "average_order_value": str((revenue / (len(self.good) or 1)).quantize(NOTHING)),
            "cancelled": statuses["cancelled"] + statuses["expired"],
            "returned": statuses["returned"],
            "pending": statuses["pending"],
        }

    def by_time(self, name: Callable[[date], str]) -> list[dict[str, Any]]:
        parts = ((key, Sold(self.orders, list(days)).totals()) for key, days in groupby(self.days, name))
        return [{"key": key} | {it: totals[it] for it in ("orders", "units", "revenue")} for key, totals in parts]

    def by_line(self, name: str, keys: Collection[str]) -> list[dict[str, Any]]:
        """Returns the rows of these keys only."""
        found = []
        for key in keys:
            sold = [[line for line in it["items"] if line[name] == key] for it in self.good]
            lines = [line for of_order in sold for line in of_order]
            revenue = sum((Decimal(it["line_total"]) for it in lines), NOTHING)
            entry = {"key": key, "orders": sum(map(bool, sold)), "units": sum(it["quantity"] for it in lines)}
            found.append((-revenue, key, entry | {"revenue": str(revenue)}))
        return [entry for _, _, entry in sorted(found, key=lambda it: it[:2])]


def reported_and_listed(manager: httpx.Client, own: Mapping[str, Collection[str]]) -> tuple[Any, Any]:
    """Returns the figures of the reports, of the test's own products and categories only, and the expected ones.

    Both are read again each time: orders of other tests may move, and a day may end.
    """
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=number) for number in range(8, -1, -1)]
    sold = Sold(all_items(manager, f"{BASE}/orders"), days)
    reports = {}
    for group in (*TIMES, *own):
        answer = manager.get(f"{BASE}/reports/sales?from={days[0]}&to={today}&group_by={group}")
        assert answer.status_code == 200, answer.text
        reports[group] = answer.json()
    for group, keys in own.items():
        reports[group]["series"] = [it for it in reports[group]["series"] if it["key"] in keys]
    for report in reports.values():
        # The sales of other tests decide if a product is one of the first, which have names.
        report["series"] = [{it: row[it] for it in ("key", "orders", "units", "revenue")} for row in report["series"]]
    series = {group: sold.by_time(name) for group, name in TIMES.items()}
    series |= {group: sold.by_line(LINES[group], keys) for group, keys in own.items()}
    whole = {"from": str(days[0]), "to": str(today), "currency": "EUR", "totals": sold.totals(), "next_cursor": None}
    return reports, {group: whole | {"series": it} for group, it in series.items()}


def test_every_report_of_sales_is_the_sum_of_the_listed_orders(signed_in: Callable[[str], httpx.Client]) -> None:
    manager, alice = signed_in("manager"), signed_in("alice")
    some, other = (f"Sold {uuid4().hex[:12]}" for _ in range(2))
    prices = [("4.99", some), ("120.00", some), ("0.35", other)]
    products = [create_product(manager, stock=1000, price=price, category=category) for price, category in prices]

    def trade(number: int, way: list[tuple[str, Any]]) -> None:
        lines = [(it, number % 3 + place) for place, it in enumerate(products[number % 2 :], 1)]
        placed = alice.post(f"{BASE}/orders", json=order_of(*lines) | {"shipping_cost": f"{number}.90"})
        assert placed.status_code == 201, placed.text
        for move, body in way:
            moved = manager.post(f"{BASE}/orders/{placed.json()['id']}/{move}", json=body)
            assert moved.status_code == 200, moved.text

    at_once([partial(trade, number, way) for number, way in enumerate(WAYS * 3)], clients=CLIENTS)

    own = {"product": products, "category": [some, other]}
    said, expected = wait_until(lambda: reported_and_listed(manager, own), lambda it: it[0] == it[1], pause=1)
    assert said == expected
    assert [len(said[it]["series"]) for it in ("product", "category")] == [3, 2]
    assert all(said["day"]["totals"][it] for it in ("orders", "cancelled", "returned", "pending"))
