"""N buyers over HTTP at once, M units: exactly M are sold."""

from collections.abc import Callable

import httpx
import pytest

from tests.support.local_cloud.shop import at_once, create_product, order_of, statuses, stock_of

BUYERS = 16
# (orders, units) of each sale.
SALES = pytest.mark.parametrize(
    ("orders", "units"), [(80, 20), pytest.param(400, 100, marks=[pytest.mark.full, pytest.mark.bulk])]
)


@SALES
def test_f01_four_times_as_many_orders_as_there_are_units_sell_each_unit_once(
    signed_in: Callable[[str], httpx.Client], orders: int, units: int
) -> None:
    manager, alice = signed_in("manager"), signed_in("alice")
    product = create_product(manager, stock=units)

    def buy() -> httpx.Response:
        return alice.post("/api/v1/orders", json=order_of((product, 1)))

    answers = at_once([buy] * orders, clients=BUYERS)

    assert statuses(answers) == {201: units, 409: orders - units}
    assert stock_of(manager, product) == (0, units)
    for answer in answers:
        if answer.status_code == 409:
            problem = answer.json()
            assert problem["code"] == "insufficient-stock"
            assert problem["shortfalls"] == [{"product_id": product, "requested": 1, "available": 0}]


@SALES
def test_f01_f10_mixed_carts_in_both_orders_sell_each_unit_once(
    signed_in: Callable[[str], httpx.Client], orders: int, units: int
) -> None:
    manager, alice = signed_in("manager"), signed_in("alice")
    products = [create_product(manager, stock=units) for _ in range(3)]
    first, second, third = products
    carts = [(first, second), (second, first), (second, third), (third, second), (first, third), (third, first)]
    carts += [(first, second, third), (third, second, first)]

    def buy(cart: tuple[str, ...]) -> Callable[[], httpx.Response]:
        return lambda: alice.post("/api/v1/orders", json=order_of(*((product, 1) for product in cart)))

    answers = at_once([buy(carts[number % len(carts)]) for number in range(orders)], clients=BUYERS)

    placed = [answer.json() for answer in answers if answer.status_code == 201]
    assert statuses(answers).keys() <= {201, 409}
    for product in products:
        sold = sum(item["quantity"] for it in placed for item in it["items"] if item["product_id"] == product)
        available, reserved = stock_of(manager, product)
        assert reserved == sold
        assert available + reserved == units
    for answer in answers:
        if answer.status_code == 409:
            short = answer.json()["shortfalls"]
            assert short
            assert all(entry["product_id"] in products and entry["available"] < entry["requested"] for entry in short)

    for product in products:
        left = stock_of(manager, product)[0]
        answers = at_once([buy((product,))] * (left + BUYERS), clients=BUYERS)
        assert statuses(answers) == {409: BUYERS} | ({201: left} if left else {})
        assert stock_of(manager, product) == (0, units)
