"""One key, one effect, for any number of repeated and concurrent requests."""

from collections.abc import Callable
from uuid import uuid4

import httpx
import pytest

from tests.support.local_cloud.shop import CLIENTS, at_once, create_product, order_of, statuses, stock_of, wait_until


def test_f04_fifty_posts_with_one_key_leave_one_order(signed_in: Callable[[str], httpx.Client]) -> None:
    manager, alice = signed_in("manager"), signed_in("alice")
    product = create_product(manager, stock=100)
    key = {"Idempotency-Key": uuid4().hex}

    answers = at_once(
        [lambda: alice.post("/api/v1/orders", json=order_of((product, 2)), headers=key)] * 50, clients=CLIENTS
    )

    assert statuses(answers) == {201: 50}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert stock_of(manager, product) == (98, 2)
    other_body = alice.post("/api/v1/orders", json=order_of((product, 3)), headers=key)
    assert (other_body.status_code, other_body.json()["code"]) == (422, "idempotency-key-reused")


def test_f03_the_last_unit_bought_and_its_answer_lost_is_answered_by_that_order(
    signed_in: Callable[[str], httpx.Client],
) -> None:
    manager, alice = signed_in("manager"), signed_in("alice")
    product = create_product(manager, stock=1)
    key = {"Idempotency-Key": uuid4().hex}
    with pytest.raises(httpx.ReadTimeout):
        # Sent completely, and disconnected before the answer.
        alice.post("/api/v1/orders", json=order_of((product, 1)), headers=key, timeout=httpx.Timeout(30, read=0.0005))

    # Only then is it certain that the lost answer is that of an order.
    assert wait_until(lambda: stock_of(manager, product), lambda it: it == (0, 1)) == (0, 1)

    repeated = alice.post("/api/v1/orders", json=order_of((product, 1)), headers=key)
    another = alice.post("/api/v1/orders", json=order_of((product, 1)))

    assert (repeated.status_code, repeated.headers["Idempotency-Replayed"]) == (201, "true")
    assert repeated.json()["items"][0]["product_id"] == product
    assert another.status_code == 409
    assert stock_of(manager, product) == (0, 1)


def test_f08_twenty_equal_adjustments_with_one_key_move_the_stock_once(
    signed_in: Callable[[str], httpx.Client],
) -> None:
    manager = signed_in("manager")
    product = create_product(manager, stock=10)
    path, key = f"/api/v1/inventory/products/{product}/stock", {"Idempotency-Key": uuid4().hex}

    answers = at_once(
        [lambda: manager.patch(path, json={"adjustment": -3, "reason": "counted"}, headers=key)] * 20, clients=CLIENTS
    )

    assert statuses(answers) == {200: 20}
    assert stock_of(manager, product) == (7, 0)


def test_f08_parallel_cancels_with_keys_of_their_own_give_the_stock_back_once(
    signed_in: Callable[[str], httpx.Client],
) -> None:
    manager, alice = signed_in("manager"), signed_in("alice")
    product = create_product(manager, stock=10)
    order = alice.post("/api/v1/orders", json=order_of((product, 4))).json()

    answers = at_once([lambda: alice.post(f"/api/v1/orders/{order['id']}/cancel")] * CLIENTS)

    assert statuses(answers) == {200: 1, 409: CLIENTS - 1}
    assert stock_of(manager, product) == (10, 0)
