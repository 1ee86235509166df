"""Sums behind the whole system: within seconds they are what a look at every product, order and user says."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx

from tests.integration.shop import CLIENTS, all_items, at_once, create_product, order_of, wait_until

BASE = "/api/v1"


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


def test_report_and_statistics_follow_what_is_sold_at_once(signed_in: Callable[[str], httpx.Client]) -> None:
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

    stock = of_the_products(manager)
    report = wait_until(
        lambda: manager.get(f"{BASE}/reports/inventory").json(),
        lambda it: it["totals"] == stock and products[0] in {out["product_id"] for out in it["out"]},
    )
    assert report["totals"] == stock
    assert products[0] in {it["product_id"] for it in report["out"]}
    orders = Counter(it["status"] for it in all_items(manager, f"{BASE}/orders"))
    users = Counter(it["role"] for it in all_items(admin, f"{BASE}/admin/users"))
    stats = wait_until(
        lambda: admin.get(f"{BASE}/admin/stats").json(),
        lambda it: Counter(it["orders"]) == orders and Counter(it["users"]) == users,
    )
    assert Counter(stats["orders"]) == orders
    assert Counter(stats["users"]) == users
    assert (stats["products"], stats["low_stock"], stats["out_of_stock"]) == tuple(
        stock[name] for name in ("products", "low", "out")
    )
    queues = {it["name"]: it for it in stats["queues"]}
    assert {"Feed", "Expiry", "Deliveries"} <= queues.keys()
    assert all(
        isinstance(number, int) for number in (queues["Feed"][it] for it in ("waiting", "in_flight", "dead_letters"))
    )
    assert queues["Bookkeeper"] == {"name": "Bookkeeper", "waiting": None, "in_flight": None, "dead_letters": 0}
