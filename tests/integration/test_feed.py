"""Events from the request that caused them to the feed, through streams, bus and queue, and readers who follow it."""

from collections import Counter
from collections.abc import Callable

import httpx

from local.system import LocalSystem
from tests.integration.feed import FEED, follow, following, latest
from tests.integration.shop import CLIENTS, at_once, create_product, order_of, wait_until

ORDERS = 60


def test_what_becomes_of_an_order_is_in_the_feed_within_seconds(
    system: LocalSystem, signed_in: Callable[[str], httpx.Client]
) -> None:
    manager, alice = signed_in("manager"), signed_in("alice")
    product = create_product(manager, stock=3)
    start = latest(manager)
    path = f"/api/v1/orders/{alice.post('/api/v1/orders', json=order_of((product, 3))).json()['id']}"
    parcel = {"carrier": "DHL", "tracking_number": "1"}
    for move, body in (("confirm", None), ("ship", parcel), ("deliver", None), ("return", {})):
        assert manager.post(f"{path}/{move}", json=body).status_code == 200

    events = wait_until(lambda: follow(manager, start), lambda it: len(it) >= 7)

    of_order = [it for it in events if it["type"].startswith("order.")]
    assert [(it["type"], it["sequence"]) for it in sorted(of_order, key=lambda it: it["sequence"])] == [
        ("order.created", 1),
        ("order.confirmed", 2),
        ("order.shipped", 3),
        ("order.delivered", 4),
        ("order.returned", 5),
    ]
    shown = manager.get(path).json()
    shown.pop("customer")
    assert of_order[-1]["data"] == shown
    assert Counter(it["type"] for it in events if it["type"].startswith("stock.")) == {
        "stock.out": 1,
        "stock.replenished": 1,
    }
    assert manager.get(f"{FEED}/{events[0]['id']}").json() == events[0]


def test_f27_a_reader_who_follows_while_orders_pour_in_misses_and_doubles_nothing(
    system: LocalSystem, signed_in: Callable[[str], httpx.Client]
) -> None:
    manager, alice = signed_in("manager"), signed_in("alice")
    products = [create_product(manager, stock=10_000) for _ in range(2)]
    start = latest(manager)
    with following(manager, start) as seen:
        placed = at_once(
            [lambda: alice.post("/api/v1/orders", json=order_of(*((it, 1) for it in products)))] * ORDERS,
            clients=CLIENTS,
        )
        ids = {answer.json()["id"] for answer in placed}
        wait_until(lambda: len([it for it in list(seen) if it["data"].get("id") in ids]), lambda it: it >= ORDERS)

    assert len(ids) == ORDERS
    assert Counter(it["data"]["id"] for it in seen if it["type"] == "order.created") == dict.fromkeys(ids, 1)
    assert len({it["id"] for it in seen}) == len(seen)
    assert [it["id"] for it in follow(manager, start)] == [it["id"] for it in seen], "as it was followed, so it stands"
