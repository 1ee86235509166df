"""Placing orders one after the other: stored items, rejections and answers."""

import re
from datetime import timedelta
from typing import Any

import pytest

from oms.core import settings
from oms.core.clock import instant
from oms.core.dynamodb import get_item
from oms.orders import pricing
from oms.orders.models import Order
from tests.support.event_bus import published
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Person
from tests.support.orders import ORDERS, PRODUCTS, Make, Place, post, stock
from tests.support.streams import streamed

ADDRESS = {"name": "Ada", "line1": "1 Main St", "city": "Bonn", "postal_code": "53111", "country": "DE"}


# ---- placing --------------------------------------------------------------------------------------------------------


def test_an_order_reserves_its_units(customer: Person, manager: Person, product: Make) -> None:
    bought = product(stock=10, price="19.99", sku="AB-1", name="Hammer")

    placed = post(customer, (bought, 3), shipping_cost=10.00, shipping_address=ADDRESS, note="Ring twice")

    assert placed.status == 201, placed.text
    order = placed.json
    assert order["items"] == [
        {
            "product_id": bought,
            "sku": "AB-1",
            "name": "Hammer",
            "category": "Tools",
            "quantity": 3,
            "unit_price": "19.99",
            "line_total": "59.97",
        }
    ]
    assert (order["subtotal"], order["shipping_cost"], order["total"]) == ("59.97", "10.00", "69.97")
    assert (order["status"], order["version"], order["currency"]) == ("pending", 1, "EUR")
    assert order["customer_id"] == customer.id
    assert order["shipping_address"] == ADDRESS | dict.fromkeys(("company", "line2", "region", "phone"))
    assert order["note"] == "Ring twice"
    assert order["shipment"] is order["cancel_reason"] is None
    assert re.fullmatch(r"\d{8}-[0-9A-Z]{10}", order["number"])
    assert order["number"] == f"{order['created_at'][:10].replace('-', '')}-{order['id'][:10]}"
    assert order["created_at"] == order["updated_at"] < order["expires_at"]
    assert stock(bought, manager) == (7, 3, 10)


def test_a_new_order_is_where_its_location_says(customer: Person, order: Place) -> None:
    placed = order(customer)

    shown = call("GET", placed.headers["Location"], token=customer.token)

    assert shown.json == placed.json
    assert shown.headers["ETag"] == placed.headers["ETag"] == '"1"'


def test_the_hold_is_half_an_hour(customer: Person, order: Place) -> None:
    placed = order(customer).json

    assert instant(placed["expires_at"]) - instant(placed["created_at"]) == timedelta(minutes=30)


def test_every_documented_field_is_there_when_unset(customer: Person, order: Place) -> None:
    placed = order(customer).json

    assert placed["shipping_cost"] == "0.00"
    assert [placed[name] for name in ("shipping_address", "note", "shipment", "cancel_reason")] == [None] * 4


@pytest.mark.parametrize(
    "code", [{}, {"postal_code": None}, {"postal_code": " "}, {"postal_code": "\u200b"}], ids=ascii
)
def test_an_address_without_a_postal_code_has_null_in_answers_events_and_mails(
    customer: Person, product: Make, code: dict[str, str | None]
) -> None:
    address = {"name": "Lee", "line1": "12/F Nathan Rd", "city": "Hong Kong", "country": "HK"}
    with streamed("orders") as records:
        placed = post(customer, (product(), 1), shipping_address=address | code)

    assert placed.status == 201, placed.text
    shown = call("GET", placed.headers["Location"], token=customer.token).json
    (event,) = published(records)
    for order in (placed.json, shown, event["data"]):
        assert order["shipping_address"] == address | dict.fromkeys(
            ("company", "line2", "postal_code", "region", "phone")
        )
    # A form that an earlier version, which required one, can read after a rollback.
    stored = get_item(Order, shown["id"])
    assert stored is not None
    assert stored.shipping_address["postal_code"] == ""


@pytest.mark.parametrize("code", ["1\n2", 53111, "1" * 501])
def test_a_postal_code_that_is_no_line_of_text_is_refused(customer: Person, product: Make, code: Any) -> None:
    answer = post(customer, (product(), 1), shipping_address=ADDRESS | {"postal_code": code})

    assert places(answer) == {"#/shipping_address/postal_code"}


def test_an_integer_product_id_is_its_decimal_string(customer: Person) -> None:
    answer = call("POST", ORDERS, {"items": [{"product_id": 7, "quantity": 1}]}, token=customer.token)

    assert assert_problem(answer, 422, "unknown-product")["errors"][0]["detail"] == "7 is not a product on sale"


def test_lines_of_one_product_merge_at_its_first_place(customer: Person, manager: Person, product: Make) -> None:
    first, second = product(), product()

    placed = post(customer, (first, 1), (second, 2), (first, 3)).json

    assert [(line["product_id"], line["quantity"]) for line in placed["items"]] == [(first, 4), (second, 2)]
    assert stock(first, manager) == (6, 4, 10)


def test_short_stock_stores_nothing_and_names_the_products(customer: Person, manager: Person, product: Make) -> None:
    plenty, few, none = product(stock=10), product(stock=1), product(stock=0)

    refused = post(customer, (plenty, 2), (few, 1), (none, 3), (few, 1))

    problem = assert_problem(refused, 409, "insufficient-stock")
    assert problem["shortfalls"] == [
        {"product_id": few, "requested": 2, "available": 1},
        {"product_id": none, "requested": 3, "available": 0},
    ]
    assert stock(plenty, manager) == (10, 0, 10)
    assert call("GET", ORDERS, token=customer.token).json["items"] == []


def test_the_last_unit_can_be_bought_and_no_more(customer: Person, manager: Person, product: Make) -> None:
    last = product(stock=1)

    assert post(customer, (last, 1)).status == 201
    assert post(customer, (last, 1)).status == 409
    assert stock(last, manager) == (0, 1, 1)


def test_unknown_and_archived_products_are_named_by_their_place(
    customer: Person, manager: Person, product: Make
) -> None:
    sold, archived, short = product(), product(sku="OLD"), product(stock=0)
    text = {"sku": "OLD", "name": "Old", "category": "Tools", "price": 1, "status": "archived"}
    assert call("PUT", f"{PRODUCTS}/{archived}", text, token=manager.token).status == 200

    refused = post(customer, (sold, 1), ("none", 1), (archived, 1), (short, 1))

    problem = assert_problem(refused, 422, "unknown-product")
    assert [error["pointer"] for error in problem["errors"]] == ["#/items/1/product_id", "#/items/2/product_id"]


def test_a_price_that_changed_is_the_price(customer: Person, manager: Person, product: Make) -> None:
    changing = product(price="10.00", sku="C")
    post(customer, (changing, 1))
    text = {"sku": "C", "name": "C", "category": "Tools", "price": "12.50", "status": "active"}
    call("PUT", f"{PRODUCTS}/{changing}", text, token=manager.token)

    placed = post(customer, (changing, 2)).json

    assert (placed["items"][0]["unit_price"], placed["total"]) == ("12.50", "25.00")


WRONG_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"shipping_cost": "1000.01"}, "#/shipping_cost"),
    ({"shipping_cost": -1}, "#/shipping_cost"),
    ({"shipping_cost": "1e1"}, "#/shipping_cost"),
    ({"shipping_cost": 1.001}, "#/shipping_cost"),
    ({"shipping_cost": None}, "#/shipping_cost"),
    ({"note": "x" * 501}, "#/note"),
    ({"note": 1}, "#/note"),
    ({"shipping_address": "Bonn"}, "#/shipping_address"),
    ({"shipping_address": ADDRESS | {"country": "de"}}, "#/shipping_address/country"),
    ({"shipping_address": ADDRESS | {"country": "UK"}}, "#/shipping_address/country"),
    ({"shipping_address": ADDRESS | {"country": "DEU"}}, "#/shipping_address/country"),
    ({"shipping_address": ADDRESS | {"line1": "x" * 501}}, "#/shipping_address/line1"),
    ({"shipping_address": ADDRESS | {"name": ""}}, "#/shipping_address/name"),
    ({"shipping_address": ADDRESS | {"planet": "Earth"}}, "#/shipping_address/planet"),
    ({"role": "admin"}, "#/role"),
    ({"price": "0.01"}, "#/price"),
    ({"total": "0.01"}, "#/total"),
    ({"status": "confirmed"}, "#/status"),
    ({"customer_id": "somebody"}, "#/customer_id"),
    ({"version": 9}, "#/version"),
    ({"id": "chosen"}, "#/id"),
    ({"currency": "USD"}, "#/currency"),
]


def test_a15_a_field_that_is_wrong_or_not_ones_own_changes_nothing(
    customer: Person, manager: Person, product: Make, subtests: pytest.Subtests
) -> None:
    wanted = product()
    for fields, place in WRONG_FIELDS:
        with subtests.test(str(fields)):
            assert places(post(customer, (wanted, 1), **fields)) == {place}
    assert stock(wanted, manager) == (10, 0, 10)


@pytest.mark.parametrize("quantity", [0, -1, 10_001])
def test_a_quantity_has_bounds(customer: Person, quantity: int) -> None:
    assert places(post(customer, ("x", quantity))) == {"#/items/0/quantity"}


def test_ninety_lines_and_no_more(customer: Person, product: Make) -> None:
    one = product(stock=100)

    assert post(customer, *[(one, 1)] * 90).json["items"][0]["quantity"] == 90
    assert places(post(customer, *[(one, 1)] * 91)) == {"#/items"}


def test_shipping_up_to_the_setting_is_the_customers_choice_and_any_the_managers(
    customer: Person, manager: Person, product: Make
) -> None:
    wanted = product()

    assert post(customer, (wanted, 1), shipping_cost="1000.00").json["total"] == "1019.99"
    assert post(manager, (wanted, 1), shipping_cost="1000.01").status == 201


def test_flat_shipping_is_the_only_one(
    customer: Person, manager: Person, product: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    flat = settings.read({"OMS_SHIPPING_FLAT": "4.90"})
    monkeypatch.setattr(pricing, "settings", lambda: flat)
    wanted = product()

    assert post(customer, (wanted, 1)).json["shipping_cost"] == "4.90"
    assert post(customer, (wanted, 1), shipping_cost=4.9).status == 201
    for buyer in (customer, manager):
        assert places(post(buyer, (wanted, 1), shipping_cost=0)) == {"#/shipping_cost"}


# ---- quotes ---------------------------------------------------------------------------------------------------------


def test_a_quote_shows_the_price_and_short_stock_and_writes_nothing(
    customer: Person, manager: Person, product: Make
) -> None:
    plenty, few = product(price="2.50"), product(stock=1, price="1")
    body = {"items": [{"product_id": it, "quantity": 2} for it in (plenty, few)], "shipping_cost": 3}

    quoted = call("POST", f"{ORDERS}/quote", body, token=customer.token, headers={"Idempotency-Key": "k"})

    assert quoted.status == 200, quoted.text
    quote = quoted.json
    assert [line["line_total"] for line in quote["items"]] == ["5.00", "2.00"]
    assert (quote["subtotal"], quote["shipping_cost"], quote["total"]) == ("7.00", "3.00", "10.00")
    assert quote["shortfalls"] == [{"product_id": few, "requested": 2, "available": 1}]
    assert "Idempotency-Replayed" not in quoted.headers
    assert stock(plenty, manager) == (10, 0, 10)
    assert call("GET", ORDERS, token=customer.token).json["items"] == []


def test_a_quote_refuses_the_same_requests_as_an_order(customer: Person, product: Make) -> None:
    body = {"items": [{"product_id": "none", "quantity": 1}]}

    assert_problem(call("POST", f"{ORDERS}/quote", body, token=customer.token), 422, "unknown-product")
    wanted = {"items": [{"product_id": product(), "quantity": 1}], "shipping_cost": 5000}
    assert places(call("POST", f"{ORDERS}/quote", wanted, token=customer.token)) == {"#/shipping_cost"}
