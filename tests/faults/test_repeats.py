"""F8: repeated requests. F11: requests for too many units. F12: prices that change during checkout."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from orders import handler as orders
from tests.support.aws_calls import Call, Plan, intercepted
from tests.support.invocation import Person, invoke
from tests.support.shop import Shop, new_process, orders_stored, stock_of

# ---- F8 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [("a", "a"), ("a", "b"), (None, None), ("a", None), (None, "a")])
def test_f08_two_cancels_give_the_stock_back_once(shop: Shop, keys: tuple[str | None, str | None]) -> None:
    product = shop.product(5)
    path = f"/api/v1/orders/{shop.buy({product: 2}).json['id']}/cancel"

    first, second = (shop.post(path, key=key) for key in keys)

    assert first.status == 200
    if keys == ("a", "a"):
        assert (second.status, second.json) == (200, first.json)
    else:
        assert (second.status, second.json["code"]) == (409, "invalid-transition")
        assert (second.json["from"], second.json["to"]) == ("cancelled", "cancelled")
    assert stock_of(product).available == 5
    shop.check_stock()


@pytest.mark.parametrize("key", ["k", None])
@pytest.mark.parametrize(("move", "left"), [("ship", (3, 0)), ("return", (5, 0))])
def test_f08_a_ship_or_a_return_twice_moves_the_stock_once(
    shop: Shop, move: str, left: tuple[int, int], key: str | None
) -> None:
    product = shop.product(5)
    path = shop.ready_for(move, {product: 2})

    first, second = (shop.move(path, move, key=key) for _ in range(2))

    assert first.status == 200
    assert second.status == (200 if key else 409)
    assert (stock_of(product).available, stock_of(product).reserved) == left
    shop.check_stock()


def test_f08_a_cancel_after_the_sweep_gives_the_stock_back_once(
    shop: Shop, time_machine: Callable[[timedelta], None]
) -> None:
    product = shop.product(5)
    path = f"/api/v1/orders/{shop.buy({product: 2}).json['id']}/cancel"
    time_machine(timedelta(minutes=31))

    assert [shop.sweep(), shop.sweep()] == [{"batchItemFailures": []}] * 2
    assert shop.post(path).json["from"] == "expired"

    assert stock_of(product).available == 5
    shop.check_stock()


def test_f08_twenty_equal_adjustments_with_one_key_move_the_stock_once(shop: Shop) -> None:
    product = shop.product(5)
    path = f"products/{product}/stock"

    answers = [shop.manage("PATCH", path, {"adjustment": 3, "reason": "found"}, key="k") for _ in range(20)]

    assert {(answer.status, answer.json["available"]) for answer in answers} == {(200, 8)}
    assert ["Idempotency-Replayed" in answer.headers for answer in answers] == [False] + [True] * 19
    assert (stock_of(product).available, stock_of(product).version) == (8, 2)


def test_f08_an_adjustment_that_emptied_the_stock_is_not_refused_when_repeated(shop: Shop) -> None:
    product = shop.product(5)
    path = f"products/{product}/stock"

    first, again = (shop.manage("PATCH", path, {"adjustment": -5, "reason": "lost"}, key="k") for _ in range(2))
    another = shop.manage("PATCH", path, {"adjustment": -5, "reason": "lost"}, key="another")

    assert (first.status, again.status, again.json["available"]) == (200, 200, 0)
    assert (another.status, another.json["code"]) == (409, "insufficient-stock")


def test_f04_a_key_is_bound_to_its_request(shop: Shop) -> None:
    product = shop.product(5)
    path = f"products/{product}/stock"
    shop.manage("PATCH", path, {"adjustment": 1, "reason": "found"}, key="k")
    shop.buy({product: 1}, key="k")

    other = [
        shop.manage("PATCH", path, {"adjustment": 2, "reason": "found"}, key="k"),
        shop.buy({product: 2}, key="k"),
    ]

    assert [(answer.status, answer.json["code"]) for answer in other] == [(422, "idempotency-key-reused")] * 2
    assert (stock_of(product).available, stock_of(product).reserved) == (5, 1)


def test_f08_one_key_of_two_customers_is_two_orders(shop: Shop, person: Callable[..., Person]) -> None:
    product = shop.product(5)

    mine, theirs = (shop.buy({product: 1}, key="k", by=buyer) for buyer in (shop.customer, person("customer")))

    assert (mine.status, theirs.status) == (201, 201)
    assert mine.json["customer_id"] != theirs.json["customer_id"]
    assert len(shop.check_stock()) == 2


# ---- F11 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"items": [{"product_id": n, "quantity": 1} for n in range(91)]}, 422, "validation-failed"),
        ('{"items": [], "note": "' + "x" * 4 * 1024 * 1024 + '"}', 413, "body-too-large"),
    ],
    ids=["91 products", "4 MB"],
)
@pytest.mark.parametrize("path", ["/api/v1/orders", "/api/v1/orders/quote"])
def test_f11_too_much_is_refused_before_any_write(shop: Shop, path: str, body: Any, status: int, code: str) -> None:
    with intercepted() as calls:
        refused = invoke(orders, "POST", path, body, token=shop.customer.token)

    assert (refused.status, refused.json["code"]) == (status, code)
    assert [call.operation for call in calls] == ["BatchGetItem"], "the caller, and nothing else"


def test_f11_ninety_products_are_one_order(shop: Shop) -> None:
    cart = {shop.product(2): 1 for _ in range(90)}

    placed = shop.buy(cart)

    assert (placed.status, len(placed.json["items"])) == (201, 90)
    assert len(shop.check_stock()) == 1


# ---- F12 ------------------------------------------------------------------------------------------------------------


def reprice_before_each_transaction(shop: Shop, changes: list[tuple[str, str]]) -> Plan:
    """Lets another process change a price before each of the first transactions: (product, new price)."""
    pending = list(changes)

    def plan(call: Call) -> Any:
        buys = call.operation == "TransactWriteItems" and "Put" in call.parameters["TransactItems"][0]
        if buys and call.parameters["TransactItems"][0]["Put"]["TableName"] == "orders" and pending:
            shop.reprice(*pending.pop(0))
        return call.send()

    return plan


@pytest.mark.parametrize("key", ["k", None])
@pytest.mark.parametrize("changes", [1, 3, 6])
def test_f12_the_total_matches_the_lines_and_the_price_that_held(
    shop: Shop, no_sleep: list[float], key: str | None, changes: int
) -> None:
    moving, steady = shop.product(9, price="10.00"), shop.product(9, price="5.00")
    shop.buy({moving: 1, steady: 1})  # the process has cached both offers
    prices = [f"{11 + n}.00" for n in range(changes)]

    with intercepted(reprice_before_each_transaction(shop, [(moving, price) for price in prices])):
        placed = shop.buy({moving: 2, steady: 3}, key=key)

    assert placed.status == 201, placed.text
    assert [line["unit_price"] for line in placed.json["items"]] == [prices[-1], "5.00"]
    assert float(placed.json["total"]) == 2 * float(prices[-1]) + 15
    order = next(order for order in shop.check_stock() if order.id == placed.json["id"])
    assert order.lines[0].unit_price == stock_of(moving).price


def test_f12_prices_of_several_lines_are_all_of_one_moment(shop: Shop, no_sleep: list[float]) -> None:
    one, two = shop.product(9, price="10.00"), shop.product(9, price="20.00")
    shop.buy({one: 1, two: 1})

    with intercepted(reprice_before_each_transaction(shop, [(one, "11.00"), (two, "21.00"), (one, "12.00")])):
        placed = shop.buy({one: 1, two: 1})

    assert [line["unit_price"] for line in placed.json["items"]] == ["12.00", "21.00"]
    assert placed.json["total"] == "33.00"


def test_f12_a_price_that_never_rests_is_unavailable_and_stores_nothing(shop: Shop, no_sleep: list[float]) -> None:
    product = shop.product(9, price="10.00")
    shop.buy({product: 1})

    with intercepted(reprice_before_each_transaction(shop, [(product, f"{11 + n}.00") for n in range(20)])):
        refused = shop.buy({product: 1})

    assert (refused.status, refused.json["code"]) == (503, "unavailable")
    assert int(refused.headers["Retry-After"]) >= 1
    assert len(orders_stored()) == 1


@pytest.mark.parametrize("seen_by", ["an order", "a new process"])
def test_f12_a_product_back_on_sale_can_be_bought_at_once(shop: Shop, no_sleep: list[float], seen_by: str) -> None:
    product = shop.product(9, price="10.00")
    if seen_by == "an order":
        shop.buy({product: 1})
    else:
        new_process()
    shop.reprice(product, "10.00", status="archived")
    gone = shop.buy({product: 1})
    shop.reprice(product, "12.00")

    placed = shop.buy({product: 1})

    assert (gone.status, gone.json["code"]) == (422, "unknown-product")
    assert (placed.status, placed.json["total"]) == (201, "12.00")


@pytest.mark.parametrize("key", ["k", None])
@pytest.mark.parametrize(
    ("prices", "total"),
    [(["10.01"], None), (["9.00", "10.01"], None), (["9.99"], "19.98"), (["11.00", "10.00"], None), ([], "20.00")],
    ids=["dearer", "cheaper, then dearer", "cheaper", "dearer, and back too late", "as it was"],
)
def test_f12_an_order_never_costs_more_than_expected_at_any_time_of_a_price_change(
    shop: Shop, no_sleep: list[float], prices: list[str], total: str | None, key: str | None
) -> None:
    """The prices change after the process has priced the order, before its transaction commits."""
    product = shop.product(9, price="10.00")
    shop.buy({product: 1})  # the process has cached the offer
    body = {"items": [{"product_id": product, "quantity": 2}], "expected_total": "20.00"}

    with intercepted(reprice_before_each_transaction(shop, [(product, price) for price in prices])):
        answer = shop.post("/api/v1/orders", body, key=key)

    if total is None:
        assert (answer.status, answer.json["code"]) == (409, "price-changed")
        assert float(answer.json["quote"]["total"]) > 20
    else:
        assert (answer.status, answer.json["total"]) == (201, total)
    assert len(shop.check_stock()) == 1 + (total is not None)


def test_f12_a_price_that_rises_after_a_lost_answer_does_not_refuse_the_order_that_exists(shop: Shop) -> None:
    product = shop.product(9, price="10.00")
    body = {"items": [{"product_id": product, "quantity": 2}], "expected_total": "20.00"}
    shop.post("/api/v1/orders", body, key="k")  # its answer is lost
    shop.reprice(product, "12.00")
    new_process()

    again = shop.post("/api/v1/orders", body, key="k")

    assert (again.status, again.json["total"]) == (201, "20.00")
    assert len(shop.check_stock()) == 1
