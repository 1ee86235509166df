"""The stock ledger of the running system: complete and without gaps within seconds after concurrent changes."""

from collections.abc import Callable
from itertools import cycle

import httpx

from local.system import LocalSystem
from tests.support.local_cloud.shop import CLIENTS, at_once, check_movements, create_product, order_of


def test_adjustments_orders_and_moves_at_once_leave_a_gapless_ledger(
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
        check_movements(manager, product, moved[product])
    assert [line for line in system.logs("Bookkeeper") if "a record was quarantined" in line] == []
