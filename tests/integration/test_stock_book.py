"""The stock book behind the whole system: complete and gapless within seconds, whatever moved the stock at once."""

import time
from collections.abc import Callable
from itertools import cycle, pairwise
from typing import Any

import httpx

from local.system import LocalSystem
from tests.integration.shop import CLIENTS, at_once, create_product, order_of, stock_of

SECONDS = 20


def book(manager: httpx.Client, product_id: str) -> list[Any]:
    """All movements, oldest first."""
    lines: list[Any] = []
    cursor = ""
    while True:
        page = manager.get(f"/api/v1/inventory/products/{product_id}/movements?limit=100{cursor}").json()
        lines += page["items"]
        if page["next_cursor"] is None:
            return lines[::-1]
        cursor = f"&cursor={page['next_cursor']}"


def complete_book(manager: httpx.Client, product_id: str, movements: int) -> list[Any]:
    """The book once it has that many movements; fails after a while."""
    deadline = time.monotonic() + SECONDS
    while len(lines := book(manager, product_id)) < movements and time.monotonic() < deadline:
        time.sleep(0.2)
    return lines


def test_adjustments_orders_and_moves_at_once_leave_a_gapless_book(
    system: LocalSystem, signed_in: Callable[[str], httpx.Client]
) -> None:
    manager, alice = signed_in("manager"), signed_in("alice")
    products = [create_product(manager, stock=500) for _ in range(3)]
    moved = dict.fromkeys(products, 1)

    def buy_and_cancel(product: str, other: str) -> Callable[[], list[str]]:
        def act() -> list[str]:
            order = alice.post("/api/v1/orders", json=order_of((product, 2), (other, 1)))
            assert order.status_code == 201, order.text
            cancelled = alice.post(f"/api/v1/orders/{order.json()['id']}/cancel")
            assert cancelled.status_code == 200, cancelled.text
            return [product, other] * 2

        return act

    def adjust(product: str) -> Callable[[], list[str]]:
        def act() -> list[str]:
            body = {"adjustment": -1, "reason": "counted"}
            adjusted = manager.patch(f"/api/v1/inventory/products/{product}/stock", json=body)
            assert adjusted.status_code == 200, adjusted.text
            return [product]

        return act

    first, second, third = products
    pairs = cycle([(first, second), (second, third), (third, first)])
    actions = [buy_and_cancel(*next(pairs)) if number % 3 else adjust(products[number % 2]) for number in range(60)]
    for touched in at_once(actions, clients=CLIENTS):
        for product in touched:
            moved[product] += 1

    for product in products:
        lines = complete_book(manager, product, moved[product])
        assert [line["version"] for line in lines] == list(range(1, moved[product] + 1))
        assert lines[0]["cause"] == "product-created"
        for earlier, later in pairwise(lines):
            assert all(later[units]["before"] == earlier[units]["after"] for units in ("available", "reserved"))
        last = lines[-1]
        assert (last["available"]["after"], last["reserved"]["after"]) == stock_of(manager, product)
    assert [line for line in system.logs("Bookkeeper") if "set aside" in line] == []
