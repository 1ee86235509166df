"""The stock check on the running system: no finding for consistent stock, and exact findings for the rest."""

import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import httpx
import pytest

from local.system import LocalSystem
from tests.support.local_cloud.settings import SETTINGS
from tests.support.local_cloud.shop import CLIENTS, all_items, create_product, order_of, read, wait_until
from tests.support.local_cloud.stock_checks import CHECK, checked, nothing_under_way, settled

pytestmark = [pytest.mark.full, pytest.mark.bulk]

# The seconds for which the shop is busy during a check: `OMS_TEST_BUSY_SECONDS=120` is the long run.
COMPARED = timedelta(seconds=float(os.environ.get("OMS_TEST_BUSY_SECONDS", "5")))
# A younger change may still be in the stream, and is left out of a check.
SETTLE = timedelta(seconds=SETTINGS["settle_seconds"])
SHIPMENT = {"carrier": "DHL", "tracking_number": "1"}
DEMO_PRODUCTS = 40


def trade(manager: httpx.Client, buyer: httpx.Client, products: list[str], chance: random.Random) -> None:
    """Places one order of one or two products, which then takes one of the possible paths.

    Returns when its first movement is in the stock ledger, so that the ledger is seconds behind on any machine.
    """
    lines = [(product, chance.randint(1, 3)) for product in chance.sample(products, chance.randint(1, 2))]
    placed = buyer.post("/api/v1/orders", json=order_of(*lines))
    assert placed.status_code == 201, placed.text
    path = f"/api/v1/orders/{placed.json()['id']}"
    ways: list[list[tuple[str, Any]]] = [
        [],
        [("cancel", {})],
        [("confirm", {}), ("cancel", {})],
        [("confirm", {}), ("ship", SHIPMENT)],
        [("confirm", {}), ("ship", SHIPMENT), ("return", {"restock": chance.random() < 0.5})],
        [("confirm", {}), ("ship", SHIPMENT), ("deliver", {}), ("return", {})],
    ]
    for move, body in chance.choice(ways):
        moved = manager.post(f"{path}/{move}", json=body)
        assert moved.status_code == 200, moved.text
    path = f"/api/v1/inventory/products/{lines[0][0]}/movements"
    wait_until(
        lambda: read(manager, path, limit=1)["items"],
        lambda it: bool(it) and it[0]["at"] >= placed.json()["created_at"],
    )


def tamper(system: LocalSystem, table: str, key: dict[str, Any], change: str, values: dict[str, Any]) -> None:
    """Changes the stock directly in the table, without the API."""
    name = system.environment("Orders")[table]
    names = {"#lines": "lines"} if "#lines" in change else {}
    system.client("dynamodb").update_item(
        TableName=name,
        Key=key,
        UpdateExpression=change,
        ExpressionAttributeValues=values,
        **({"ExpressionAttributeNames": names} if names else {}),
    )


def test_f24_a_busy_shop_raises_no_false_alarm_and_tampering_is_named_and_repaired_once(
    system: LocalSystem, signed_in: Callable[[str], httpx.Client]
) -> None:
    admin, manager, alice = signed_in("admin"), signed_in("manager"), signed_in("alice")
    products = [create_product(manager, stock=100_000) for _ in range(4)]
    first = alice.post("/api/v1/orders", json=order_of((products[0], 1))).json()
    busy_until = datetime.fromisoformat(first["created_at"]) + SETTLE + COMPARED
    closing = threading.Event()

    def be_busy(number: int) -> int:
        chance = random.Random(number)
        for orders in count(1):
            trade(manager, alice, products, chance)
            if closing.is_set():
                return orders
        return 0

    def has_compared(runs: list[Any]) -> bool:
        """Whether one check compared the products while they were busy, and one from the beginning of their ledgers."""
        while_busy = [it for it in runs if datetime.fromisoformat(it["started_at"]) >= busy_until]
        return any(it["unsettled"] == 0 for it in while_busy) and len(runs) >= 3

    runs: list[Any] = []
    with ThreadPoolExecutor(CLIENTS) as pool:
        busy = [pool.submit(be_busy, number) for number in range(CLIENTS)]
        try:
            wait_until(lambda: runs.append(checked(admin, full=len(runs) % 3 == 2)), lambda _: has_compared(runs))
        finally:
            closing.set()
        orders = 1 + sum(it.result() for it in busy)
    with nothing_under_way(system):
        runs.append(settled(admin))
        print(f"{orders} orders while {len(runs)} runs, unsettled {[run['unsettled'] for run in runs]}")

        assert has_compared(runs[:-1])
        assert [run["drift"] for run in runs] == [[]] * len(runs)
        assert all(run["checked"] >= DEMO_PRODUCTS + len(products) for run in runs)
        assert runs[-1]["orders_checked"] >= orders
        check_tampering(system, admin, manager, alice, products)


def tamper_with_all(system: LocalSystem, stock: str, movement: str, order: str) -> None:
    tamper(
        system,
        "OMS_INVENTORY_TABLE",
        {"pk": {"S": f"stock#{stock}#0"}, "sk": {"S": "stock"}},
        "ADD available :more",
        {":more": {"N": "7"}},
    )
    tamper(
        system,
        "OMS_INVENTORY_TABLE",
        {"pk": {"S": f"stock#{movement}#0"}, "sk": {"S": "movement#000000000003"}},
        "ADD available_after :more",
        {":more": {"N": "1"}},
    )
    tamper(
        system,
        "OMS_ORDERS_TABLE",
        {"id": {"S": order}},
        "SET #lines[0].drawn[0].quantity = :wrong",
        {":wrong": {"N": "5"}},
    )


def check_tampering(
    system: LocalSystem, admin: httpx.Client, manager: httpx.Client, buyer: httpx.Client, products: list[str]
) -> None:
    stock, movement, order, untouched = products
    placed = buyer.post("/api/v1/orders", json=order_of((order, 2), (untouched, 1))).json()["id"]
    settled(admin)
    tamper_with_all(system, stock, movement, placed)

    run = checked(admin, full=True)

    drift = {it["product_id"]: it for it in run["drift"]}
    assert set(drift) == {stock, movement, order}
    assert run["drift_count"] == 3
    differences = {it: (drift[it]["available"]["difference"], drift[it]["reserved"]["difference"]) for it in drift}
    assert differences == {stock: (7, 0), movement: (0, 0), order: (3, -3)}
    assert drift[stock]["findings"][0]["code"] == "stock-differs"
    assert {"differing-movement"} < {found["code"] for found in drift[movement]["findings"]}
    assert [found["ref"] for found in drift[order]["findings"]] == [placed]
    for product_id in drift:
        adjust_back(admin, manager, product_id, differences[product_id])
    for full in (False, True):
        assert checked(admin, full=full)["drift"] == []
    assert settled(admin)["drift"] == []


def adjust_back(admin: httpx.Client, manager: httpx.Client, product_id: str, difference: tuple[int, int]) -> None:
    def repair(*, dry_run: bool) -> httpx.Response:
        return admin.post(f"{CHECK}/repair", json={"product_id": product_id, "dry_run": dry_run})

    path = f"/api/v1/inventory/products/{product_id}/movements"
    lines = len(all_items(manager, path))
    planned = repair(dry_run=True).json()
    start = threading.Barrier(4)

    def at_once() -> httpx.Response:
        start.wait()
        return repair(dry_run=False)

    with ThreadPoolExecutor(4) as pool:
        answers = [it.result() for it in [pool.submit(at_once) for _ in range(4)]]

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    (made,) = (answer.json() for answer in answers if answer.status_code == 200)
    assert made | {"dry_run": True, "repaired_at": None} == planned
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"nothing-to-repair"}
    moved = (
        made["available"]["before"] - made["available"]["after"],
        made["reserved"]["before"] - made["reserved"]["after"],
    )
    assert moved == difference
    found = wait_until(lambda: all_items(manager, path), lambda it: len(it) > lines)
    assert [line["cause"] for line in found[: len(found) - lines]] == ["repaired"]
