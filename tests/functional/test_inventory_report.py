"""The inventory report: stock of the products on sale, and products that are low or out of stock."""

from typing import Any

import pytest

from oms.reports import stock_report
from tests.support.aws_calls import intercepted
from tests.support.gateway import call
from tests.support.invocation import Person
from tests.support.shop import Shop
from tests.support.streams import run_bookkeeper, streamed

REPORT = "/api/v1/reports/inventory"


@pytest.fixture
def shop(customer: Person, manager: Person) -> Shop:
    return Shop(customer, manager)


def report(shop: Shop) -> Any:
    answer = call("GET", REPORT, token=shop.manager.token)
    assert answer.status == 200, answer.text
    return answer.json


def create(shop: Shop, sku: str, **fields: Any) -> str:
    made = shop.manage("POST", "products", {"sku": sku, "name": f"No. {sku}", "category": "A", "price": 2} | fields)
    assert made.status == 201, made.text
    return str(made.json["id"])


def edit(shop: Shop, product_id: str, sku: str, **fields: Any) -> None:
    text = {"sku": sku, "name": f"No. {sku}", "category": "A", "price": 2, "status": "active"}
    assert shop.manage("PUT", f"products/{product_id}", text | fields).status == 200


def adjust(shop: Shop, product_id: str, units: int) -> None:
    adjusted = shop.manage("PATCH", f"products/{product_id}/stock", {"adjustment": units, "reason": "counted"})
    assert adjusted.status == 200, adjusted.text


def skus(products: list[Any]) -> set[str]:
    return {it["sku"] for it in products}


def test_a_shop_without_products_has_nothing(shop: Shop) -> None:
    nothing = {"products": 0, "on_hand": 0, "reserved": 0, "value": "0.00", "low": 0, "out": 0}

    assert report(shop) == {"currency": "EUR", "totals": nothing, "low": [], "out": []}


def test_it_counts_units_on_hand_with_reserved_ones_at_the_current_price(shop: Shop) -> None:
    with streamed() as records:
        plenty = create(shop, "PLENTY", stock=10, price="19.99")
        create(shop, "CHEAP", stock=3, price="0.01")
        shop.buy({plenty: 4})
        edit(shop, plenty, "PLENTY", price="10.00")
    run_bookkeeper(records)

    assert report(shop)["totals"] == {
        "products": 2,
        "on_hand": 13,
        "reserved": 4,
        "value": "100.03",
        "low": 0,
        "out": 0,
    }


def test_low_is_at_or_below_the_threshold_and_out_is_none_available_with_or_without_one(shop: Shop) -> None:
    with streamed() as records:
        for sku, stock in (("A", 6), ("B", 5), ("C", 1), ("D", 0)):
            create(shop, sku, stock=stock, low_stock_threshold=5)
        for sku, stock in (("E", 0), ("F", 1)):
            create(shop, sku, stock=stock)
        reserved = create(shop, "G", stock=2)
        shop.buy({reserved: 2})
    run_bookkeeper(records)

    shown = report(shop)

    assert (shown["totals"]["low"], shown["totals"]["out"]) == (2, 3)
    assert skus(shown["low"]) == {"B", "C"}
    assert skus(shown["out"]) == {"D", "E", "G"}
    (low,) = [it for it in shown["low"] if it["sku"] == "B"]
    assert low.keys() == {"product_id", "sku", "name", "available", "low_stock_threshold"}
    assert (low["name"], low["available"], low["low_stock_threshold"]) == ("No. B", 5, 5)


def test_each_kind_of_change_counts_when_it_comes_alone(shop: Shop) -> None:
    levels = []
    with streamed() as records:
        product = create(shop, "A", stock=5)
        edit(shop, product, "A", low_stock_threshold=5)
        edit(shop, product, "A", low_stock_threshold=5, price=3)
        adjust(shop, product, -5)
    for one in records:
        run_bookkeeper([one])
        totals = report(shop)["totals"]
        levels.append((totals["value"], totals["low"], totals["out"]))

    assert levels == [("10.00", 0, 0), ("10.00", 1, 0), ("15.00", 1, 0), ("0.00", 0, 1)]


def test_an_archived_product_does_not_count_until_it_is_on_sale_again(shop: Shop) -> None:
    with streamed() as records:
        create(shop, "A", stock=5)
        gone = create(shop, "B", stock=0)
        edit(shop, gone, "B", status="archived")
    run_bookkeeper(records)
    archived = report(shop)
    with streamed() as records:
        adjust(shop, gone, 3)
        edit(shop, gone, "B", low_stock_threshold=3)
    run_bookkeeper(records)

    assert (archived["totals"]["products"], archived["totals"]["on_hand"], archived["out"]) == (1, 5, [])
    assert report(shop)["totals"] == archived["totals"] | {"products": 2, "on_hand": 8, "value": "16.00", "low": 1}


def test_the_lists_show_current_products_and_leave_out_former_ones(shop: Shop) -> None:
    with streamed() as records:
        low, refilled, hidden = (create(shop, sku, stock=2, low_stock_threshold=3) for sku in "ABC")
    run_bookkeeper(records)
    adjust(shop, low, -1)
    adjust(shop, refilled, 10)
    edit(shop, hidden, "C", status="archived", low_stock_threshold=3)

    shown = report(shop)

    assert [(it["sku"], it["available"]) for it in shown["low"]] == [("A", 1)]
    assert shown["totals"]["low"] == 3, "the totals lag by seconds"


def test_each_list_ends_at_its_length_and_the_totals_say_how_many_there_are(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock_report, "MAX_LISTED", 3)
    with streamed() as records:
        for number in range(5):
            create(shop, f"LOW-{number}", stock=1, low_stock_threshold=1)
            create(shop, f"OUT-{number}")
    run_bookkeeper(records)

    shown = report(shop)

    assert (len(shown["low"]), shown["totals"]["low"]) == (3, 5)
    assert (len(shown["out"]), shown["totals"]["out"]) == (3, 5)


def test_two_full_lists_cost_six_calls(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stock_report, "MAX_LISTED", 51)
    with streamed() as records:
        for _ in range(51):
            shop.product(0)
            shop.product(1)
        for product in shop.units:
            edit(shop, product, product, low_stock_threshold=1)
    run_bookkeeper(records)

    with intercepted() as made:
        shown = report(shop)

    assert (len(shown["low"]), len(shown["out"])) == (51, 51)
    assert [it.operation for it in made] == ["BatchGetItem"] * 2 + ["Query"] * 2 + ["BatchGetItem"] * 2
