"""Events from the request to the feed, through streams, bus and queue, and readers that follow it."""

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from local.system import LocalSystem
from tests.support.local_cloud.commands import run_command
from tests.support.local_cloud.feed import FEED, about, follow, following, latest
from tests.support.local_cloud.shop import CLIENTS, at_once, create_product, order_of, wait_until

ORDERS = 60


def test_the_events_of_an_order_are_in_the_feed_within_seconds(
    system: LocalSystem, signed_in: Callable[[str], httpx.Client]
) -> None:
    manager, alice = signed_in("manager"), signed_in("alice")
    product = create_product(manager, stock=3)
    start = latest(system)
    order = alice.post("/api/v1/orders", json=order_of((product, 3))).json()["id"]
    path = f"/api/v1/orders/{order}"
    parcel = {"carrier": "DHL", "tracking_number": "1"}
    for move, body in (("confirm", None), ("ship", parcel), ("deliver", None), ("return", {})):
        assert manager.post(f"{path}/{move}", json=body).status_code == 200

    events = wait_until(lambda: about(follow(manager, start), product, order), lambda it: len(it) >= 7)

    # The feed's order is that of arrival; the sequence is that of the changes.
    of_order = sorted((it for it in events if it["type"].startswith("order.")), key=lambda it: it["sequence"])
    assert [(it["type"], it["sequence"]) for it in of_order] == [
        ("order.created", 1),
        ("order.confirmed", 2),
        ("order.shipped", 3),
        ("order.delivered", 4),
        ("order.returned", 5),
    ]
    shown = manager.get(path).json()
    for personal in ("billing_address", "contact", "customer"):
        shown.pop(personal)
    assert of_order[-1]["data"] == shown
    assert Counter(it["type"] for it in events if it["type"].startswith("stock.")) == {
        "stock.out": 1,
        "stock.replenished": 1,
    }
    assert manager.get(f"{FEED}/{events[0]['id']}").json() == events[0]


def test_events_of_accounts_are_in_the_feed_of_admins_alone(
    system: LocalSystem, client: Callable[..., httpx.Client], signed_in: Callable[[str], httpx.Client]
) -> None:
    admin, manager, stranger = signed_in("admin"), signed_in("manager"), client()
    start = latest(system)
    account = {"email": f"locked-{time.time_ns()}@example.com", "password": "three quiet lighthouses"}
    user = stranger.post("/api/v1/auth/register", json=account | {"first_name": "Lu"}).json()["id"]
    assert admin.patch(f"/api/v1/admin/users/{user}/role", json={"role": "manager"}).status_code == 200
    for _ in range(5):
        assert stranger.post("/api/v1/auth/login", json=account | {"password": "wrong"}).status_code == 401

    def of_user(reader: httpx.Client) -> list[Any]:
        return about(follow(reader, start), user)

    events = wait_until(lambda: of_user(admin), lambda it: len(it) >= 3)

    assert {it["type"] for it in events} == {"user.registered", "user.role_changed", "user.locked"}
    assert "example.com" not in str(events)
    assert of_user(manager) == []


@pytest.mark.full
def test_an_order_that_is_republished_is_in_the_feed_once(
    system: LocalSystem, signed_in: Callable[[str], httpx.Client]
) -> None:
    manager, alice = signed_in("manager"), signed_in("alice")
    start = latest(system)
    order = alice.post("/api/v1/orders", json=order_of((create_product(manager, stock=3), 1))).json()["id"]
    assert alice.post(f"/api/v1/orders/{order}/cancel").status_code == 200
    wait_until(lambda: of_order(manager, start, order), lambda it: len(it) == 2)
    before = published(system)

    result = run_command(system, "local.republish", "--order", order)

    assert result.stdout == f"2 events of order {order} are published again.\n", result.stderr
    wait_until(lambda: published(system), lambda it: it >= before + 2)
    marker = alice.post("/api/v1/orders", json=order_of((create_product(manager, stock=3), 1))).json()["id"]
    wait_until(lambda: of_order(manager, start, marker), lambda it: len(it) == 1)
    assert [it["type"] for it in of_order(manager, start, order)] == ["order.created", "order.cancelled"]


def of_order(reader: httpx.Client, start: str | None, order: str) -> list[Any]:
    return about(follow(reader, start), order)


def published(system: LocalSystem) -> int:
    """Returns the number of events that the publisher has put on the bus so far, from its log."""
    lines = [json.loads(line) for line in system.logs("Publisher") if line.startswith("{")]
    return sum(line.get("events", 0) for line in lines if line.get("message") == "events were published")


@pytest.mark.full
def test_f27_a_reader_that_follows_many_new_orders_misses_and_repeats_no_event(
    system: LocalSystem, signed_in: Callable[[str], httpx.Client]
) -> None:
    manager, alice = signed_in("manager"), signed_in("alice")
    products = [create_product(manager, stock=10_000) for _ in range(2)]
    start = latest(system)
    with following(manager, start) as seen:
        placed = at_once(
            [lambda: alice.post("/api/v1/orders", json=order_of(*((it, 1) for it in products)))] * ORDERS,
            clients=CLIENTS,
        )
        ids = {answer.json()["id"] for answer in placed}
        wait_until(lambda: len(about(list(seen), *ids)), lambda it: it >= ORDERS)

    assert len(ids) == ORDERS
    assert Counter((it["type"], it["data"]["id"]) for it in about(seen, *ids)) == dict.fromkeys(
        [("order.created", it) for it in ids], 1
    )
    assert len({it["id"] for it in seen}) == len(seen)
    assert follow(manager, start)[: len(seen)] == seen, "the stored feed is the one that was followed"
