"""A process dies while it creates an order, at each of its AWS calls: the retry with the same key creates one order."""

from collections.abc import Callable
from uuid import uuid4

import httpx

from local.system import LocalSystem
from tests.support.local_cloud.crash_walk import crash_walk
from tests.support.local_cloud.shop import check_movements, create_product, order_of, stock_of

ORDERS = "/api/v1/orders"
UNITS, EACH = 100, 2


def test_f02_a_create_that_died_at_any_aws_call_is_one_order_after_the_retry(
    system: LocalSystem, signed_in: Callable[[str], httpx.Client]
) -> None:
    manager, alice = signed_in("manager"), signed_in("alice")
    product = create_product(manager, stock=UNITS)
    body = order_of((product, EACH))
    token = alice.headers["Authorization"].removeprefix("Bearer ")
    request = {"handler": "orders.handler", "method": "POST", "path": ORDERS, "body": body, "token": token}

    crashes = crash_walk(system, "Orders", request, uuid4().hex)

    assert {it.made for it in crashes if it.operation == "TransactWriteItems"} == {False, True}
    stored, orders = False, set[str]()
    for crash in crashes:
        stored |= crash.operation == "TransactWriteItems" and crash.made
        before = stock_of(manager, product)
        retried, again = (alice.post(ORDERS, json=body, headers={"Idempotency-Key": crash.key}) for _ in range(2))
        assert retried.status_code == again.status_code == 201, retried.text
        assert ("Idempotency-Replayed" in retried.headers) is stored, crash
        assert (stock_of(manager, product) == before) is stored, crash
        assert again.json() == retried.json()
        orders.add(retried.json()["id"])
    placed = len(crashes) + 1  # and the one without a crash
    assert len(orders) == len(crashes)
    assert stock_of(manager, product) == (UNITS - EACH * placed, EACH * placed)
    check_movements(manager, product, placed + 1)
