"""The expected total of a customer: an order that would cost more is refused with the new quote."""

from typing import Any

import pytest

from oms.orders import service
from oms.orders.offers import OfferCache
from tests.support.aws_calls import intercepted
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer, Person
from tests.support.orders import ORDERS
from tests.support.shop import Shop, new_process, orders_stored, stock_of


@pytest.fixture
def shop(customer: Person, manager: Person) -> Shop:
    return Shop(customer, manager)


@pytest.fixture
def product(shop: Shop) -> str:
    return shop.product(10, price="10.00")


def order(shop: Shop, product: str, *, key: str | None = None, **fields: Any) -> Answer:
    """Two units."""
    return shop.post(ORDERS, {"items": [{"product_id": product, "quantity": 2}]} | fields, key=key)


def quote(shop: Shop, product: str, **fields: Any) -> Any:
    quoted = shop.post(f"{ORDERS}/quote", {"items": [{"product_id": product, "quantity": 2}]} | fields)
    assert quoted.status == 200, quoted.text
    return quoted.json


def test_an_order_at_the_quoted_total_is_placed_without_another_call(shop: Shop, product: str) -> None:
    total = quote(shop, product, shipping_cost="4.90")["total"]

    with intercepted() as calls:
        placed = order(shop, product, shipping_cost="4.90", expected_total=total)

    assert (placed.status, placed.json["total"]) == (201, "24.90")
    assert [it.operation for it in calls] == ["BatchGetItem", "TransactWriteItems"], "the caller, and the order"


@pytest.mark.parametrize("shipping", ["0", "4.91"], ids=["the price rose", "the shipping is dearer"])
def test_a_dearer_order_is_refused_with_the_new_quote_and_stores_nothing(
    shop: Shop, product: str, shipping: str
) -> None:
    expected = quote(shop, product, shipping_cost="4.90")["total"]
    if shipping == "0":
        shop.reprice(product, "12.50")

    refused = order(shop, product, shipping_cost=shipping, expected_total=expected)

    problem = assert_problem(refused, 409, "price-changed")
    assert problem["quote"] == quote(shop, product, shipping_cost=shipping)
    total = "25.00" if shipping == "0" else "24.91"
    assert problem["quote"]["total"] == total
    assert f"costs {total} EUR" in problem["detail"]
    assert "24.90 EUR" in problem["detail"]
    assert orders_stored() == []
    assert stock_of(product).available == 10


def test_the_rejection_names_short_stock_as_well(shop: Shop, product: str) -> None:
    few = shop.product(1)

    refused = order(shop, few, expected_total="1.00")

    assert assert_problem(refused, 409, "price-changed")["quote"]["shortfalls"] == [
        {"product_id": few, "requested": 2, "available": 1}
    ]


def test_a_cheaper_order_is_placed_at_the_lower_total(shop: Shop, product: str) -> None:
    expected = quote(shop, product)["total"]
    shop.reprice(product, "9.00")

    placed = order(shop, product, expected_total=expected)

    assert (placed.status, placed.json["total"]) == (201, "18.00")


def test_a_process_that_remembers_a_dearer_price_reads_before_it_refuses(
    shop: Shop, product: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dearer = OfferCache()
    dearer.learn(stock_of(product))
    shop.reprice(product, "8.00")
    monkeypatch.setattr(service, "OFFERS", dearer)

    placed = order(shop, product, expected_total="16.00")

    assert (placed.status, placed.json["total"]) == (201, "16.00")
    assert dearer.of([product])[product].price == 800, "the next order needs no read"


def test_what_the_refusal_costs(shop: Shop, product: str) -> None:
    order(shop, product)  # the process has seen the offer

    with intercepted() as calls:
        refused = order(shop, product, expected_total="19.99")
    with intercepted() as keyed:
        order(shop, product, key="k", expected_total="19.99")

    assert refused.status == 409
    assert [it.operation for it in calls] == ["BatchGetItem", "BatchGetItem"], "the caller, and the stock"
    assert [it.operation for it in keyed] == ["BatchGetItem", "BatchGetItem", "GetItem"], (
        "and the read of an existing order"
    )


def test_an_order_that_exists_is_replayed_at_any_current_price(shop: Shop, product: str) -> None:
    placed = order(shop, product, key="k", expected_total="20.00")
    shop.reprice(product, "99.00")

    for process in ("the same", "a new one"):
        if process == "a new one":
            new_process()
        again = order(shop, product, key="k", expected_total="20.00")
        assert (again.status, again.json) == (201, placed.json)
        assert again.headers["Idempotency-Replayed"] == "true"
    assert_problem(order(shop, product, key="k", expected_total="198.00"), 422, "idempotency-key-reused")


def test_a_refusal_leaves_its_key_free(shop: Shop, product: str) -> None:
    refused = order(shop, product, key="k", expected_total="19.99")
    placed = order(shop, product, key="k", expected_total=refused.json["quote"]["total"])

    assert (refused.status, placed.status) == (409, 201)
    assert "Idempotency-Replayed" not in placed.headers


def test_a_quote_is_given_for_any_expected_total(shop: Shop, product: str) -> None:
    assert quote(shop, product, expected_total="0.01") == quote(shop, product)


@pytest.mark.parametrize("path", [ORDERS, f"{ORDERS}/quote"])
@pytest.mark.parametrize("total", [-1, "1e1", "0.001", True, "10000000000000.01"])
def test_a_total_that_is_no_amount_is_refused(shop: Shop, product: str, path: str, total: Any) -> None:
    body = {"items": [{"product_id": product, "quantity": 1}], "expected_total": total}

    assert places(call("POST", path, body, token=shop.customer.token)) == {"#/expected_total"}


@pytest.mark.parametrize("total", [None, "10000000000000.00", 20, 20.0, "20"])
def test_a_total_up_to_the_limit_of_an_order_can_be_expected(shop: Shop, product: str, total: Any) -> None:
    assert order(shop, product, expected_total=total).status == 201
