"""Sixteen buyers of one product over HTTP at once, with several shards: exactly its units are sold."""

from collections.abc import Callable

import httpx
import pytest

from tests.support.local_cloud.shop import at_once, create_product, order_of, statuses, stock_of, wait_until

BUYERS = 16
# (shards, orders, units) of each sale.
SALES = pytest.mark.parametrize(
    ("shards", "orders", "units"),
    [
        (4, 60, 30),
        *(pytest.param(shards, 300, 200, marks=[pytest.mark.full, pytest.mark.bulk]) for shards in (1, 4, 16)),
    ],
)


def set_shards(manager: httpx.Client, product: str, shards: int) -> httpx.Response:
    """Sends the request again after a 503, as managers do: it continues."""
    answer = wait_until(
        lambda: manager.put(f"/api/v1/inventory/products/{product}/shards", json={"shards": shards}),
        lambda it: it.status_code != 503,
    )
    assert answer.status_code == 200, answer.text
    return answer


@SALES
def test_f01_each_unit_of_each_shard_is_sold_once(
    signed_in: Callable[[str], httpx.Client], shards: int, orders: int, units: int
) -> None:
    manager, alice = signed_in("manager"), signed_in("alice")
    product = create_product(manager, stock=units)
    set_shards(manager, product, shards)

    def buy() -> httpx.Response:
        return alice.post("/api/v1/orders", json=order_of((product, 1)))

    answers = at_once([buy] * orders, clients=BUYERS)

    assert statuses(answers) == {201: units, 409: orders - units}
    assert stock_of(manager, product) == (0, units)
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["shortfalls"] == [{"product_id": product, "requested": 1, "available": 0}]


@pytest.mark.full
def test_f01_shards_that_are_set_in_the_middle_of_a_sale_lose_no_unit(
    signed_in: Callable[[str], httpx.Client],
) -> None:
    manager, alice = signed_in("manager"), signed_in("alice")
    product = create_product(manager, stock=150)

    def buy() -> httpx.Response:
        return alice.post("/api/v1/orders", json=order_of((product, 2)))

    def buy_and_cancel() -> httpx.Response:
        placed = buy()
        if placed.status_code != 201:
            return placed
        return alice.post(f"/api/v1/orders/{placed.json()['id']}/cancel", json={})

    requests = [buy, buy_and_cancel] * 60
    for place, shards in ((20, 4), (60, 16), (90, 3)):
        requests.insert(place, lambda shards=shards: set_shards(manager, product, shards))
    answers = at_once(requests, clients=BUYERS)

    assert statuses(answers).keys() <= {200, 201, 409}
    sold = 2 * statuses(answers)[201]
    assert stock_of(manager, product) == (150 - sold, sold)
    if 150 - sold > 1:
        assert alice.post("/api/v1/orders", json=order_of((product, 150 - sold))).status_code == 201
        assert stock_of(manager, product) == (0, 150)
