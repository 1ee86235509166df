"""Products and their stock: the writes of managers, and the fields that each role sees."""

from collections.abc import Callable
from typing import Any

import pytest

from oms.core.dynamodb import update_item
from oms.inventory.models import StockItem
from tests.support.accounts import audit_entries
from tests.support.audit_addresses import hidden
from tests.support.aws_calls import Call, answer_lost, intercepted
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer, Person
from tests.support.streams import streamed

PRODUCTS, CATEGORIES, ORDERS = "/api/v1/inventory/products", "/api/v1/inventory/categories", "/api/v1/orders"
TEXT = {"sku": "AB-1", "name": "Hammer", "category": "Tools", "price": "19.99"}
type Make = Callable[..., str]


def create(who: Person, **fields: Any) -> Answer:
    return call("POST", PRODUCTS, TEXT | fields, token=who.token)


def replace(product_id: str, who: Person, *without: str, if_match: str = "*", **fields: Any) -> Answer:
    body = {name: value for name, value in (TEXT | {"status": "active"} | fields).items() if name not in without}
    return call("PUT", f"{PRODUCTS}/{product_id}", body, token=who.token, headers={"If-Match": if_match})


def adjust(product_id: str, who: Person, adjustment: Any, reason: Any = "counted") -> Answer:
    body = {"adjustment": adjustment, "reason": reason}
    return call("PATCH", f"{PRODUCTS}/{product_id}/stock", body, token=who.token)


def shown(product_id: str, who: Person) -> Any:
    return call("GET", f"{PRODUCTS}/{product_id}", token=who.token).json


def categories(who: Person) -> dict[str, int]:
    listed = call("GET", CATEGORIES, token=who.token).json
    assert listed["next_cursor"] is None
    return {it["name"]: it["product_count"] for it in listed["items"]}


# ---- creating -------------------------------------------------------------------------------------------------------


def test_a_product_has_every_field(manager: Person, customer: Person) -> None:
    fields = {"description": "Heavy", "attributes": {"weight": "1 kg"}, "stock": 5, "low_stock_threshold": 2}

    created = create(manager, **fields)

    assert created.status == 201, created.text
    product = created.json
    times = product.pop("created_at"), product.pop("updated_at")
    assert times[0] == times[1]
    assert product == TEXT | {
        "id": created.headers["Location"].rpartition("/")[2],
        "description": "Heavy",
        "currency": "EUR",
        "attributes": {"weight": "1 kg"},
        "status": "active",
        "available": 5,
        "version": 1,
        "reserved": 0,
        "on_hand": 5,
        "low_stock_threshold": 2,
        "shards": 1,
        "stock_version": 1,
    }
    read = call("GET", created.headers["Location"], token=manager.token)
    assert read.json == created.json
    assert read.headers["ETag"] == created.headers["ETag"] == '"1"'
    for_managers = {"reserved", "on_hand", "low_stock_threshold", "shards", "stock_version"}
    assert shown(product["id"], customer) == {
        name: value for name, value in created.json.items() if name not in for_managers
    }


def test_an_omitted_field_is_null_empty_or_zero(manager: Person) -> None:
    product = create(manager).json

    assert product["description"] is product["low_stock_threshold"] is None
    assert (product["attributes"], product["available"]) == ({}, 0)


def test_a_sku_is_unique_in_any_case(manager: Person) -> None:
    create(manager, sku="Ab-1")

    assert_problem(create(manager, sku="aB-1"), 409, "sku-taken")
    assert categories(manager) == {"Tools": 1}
    assert create(manager, sku="Ab-2").json["sku"] == "Ab-2"


WRONG_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"sku": ""}, "#/sku"),
    ({"sku": "a b"}, "#/sku"),
    ({"sku": "é"}, "#/sku"),
    ({"sku": "x" * 65}, "#/sku"),
    ({"sku": "A\n"}, "#/sku"),
    ({"sku": 5}, "#/sku"),
    ({"name": ""}, "#/name"),
    ({"name": " \t "}, "#/name"),
    ({"name": "x" * 201}, "#/name"),
    ({"description": "x" * 5001}, "#/description"),
    ({"category": ""}, "#/category"),
    ({"category": "x" * 101}, "#/category"),
    ({"category": None}, "#/category"),
    ({"price": -1}, "#/price"),
    ({"price": "-0.01"}, "#/price"),
    ({"price": "1.999"}, "#/price"),
    ({"price": "1e3"}, "#/price"),
    ({"price": True}, "#/price"),
    ({"price": None}, "#/price"),
    ({"price": "10000000000.01"}, "#/price"),
    ({"stock": -1}, "#/stock"),
    ({"stock": 10**9 + 1}, "#/stock"),
    ({"stock": "5"}, "#/stock"),
    ({"stock": 10**50}, "#/stock"),
    ({"low_stock_threshold": -1}, "#/low_stock_threshold"),
    ({"low_stock_threshold": 10**9 + 1}, "#/low_stock_threshold"),
    ({"attributes": []}, "#/attributes"),
    ({"attributes": {"a": 1}}, "#/attributes/a"),
    ({"attributes": {"a/b": "x" * 501}}, "#/attributes/a~1b"),
    ({"attributes": {"": "x"}}, "#/attributes/"),
    ({"attributes": {"x" * 501: "x"}}, f"#/attributes/{'x' * 100}%E2%80%A6"),
    ({"attributes": {"[key]": 1}}, "#/attributes/%5Bkey%5D"),
    ({"attributes": {str(number): "" for number in range(51)}}, "#/attributes"),
    ({"status": "archived"}, "#/status"),
    ({"available": 5}, "#/available"),
    ({"version": 5}, "#/version"),
    ({"currency": "USD"}, "#/currency"),
    ({"id": "1"}, "#/id"),
]


def test_a15_a_field_out_of_bounds_or_not_ones_own_is_refused(manager: Person, subtests: pytest.Subtests) -> None:
    for fields, place in WRONG_FIELDS:
        with subtests.test(str(fields)[:60]):
            assert places(create(manager, **fields)) == {place}
    assert call("GET", PRODUCTS, token=manager.token).json["items"] == []


@pytest.mark.parametrize(
    "fields",
    [
        {"sku": "!" + "~" * 63},
        {"name": "x" * 200},
        {"name": "Žluťoučký kůň 🐎"},
        {"description": "x" * 5000},
        {"category": "Home, Garden & #1"},
        {"price": 0},
        {"price": "10000000000.00"},
        {"stock": 10**9, "low_stock_threshold": 10**9},
        {"attributes": {str(number): "x" * 500 for number in range(50)}},
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_field_at_its_bound_is_kept_as_it_was_given(manager: Person, fields: dict[str, Any]) -> None:
    created = create(manager, **fields)

    assert created.status == 201, created.text
    kept = shown(created.json["id"], manager) | {"stock": created.json["available"]}
    assert {name: kept[name] for name in fields if name != "price"} == {
        name: value for name, value in fields.items() if name != "price"
    }


# ---- updating -------------------------------------------------------------------------------------------------------


def update(product_id: str, who: Person, if_match: str = "*", **fields: Any) -> Answer:
    return call("PATCH", f"{PRODUCTS}/{product_id}", fields, token=who.token, headers={"If-Match": if_match})


WHOLE = {
    "name": "Hammer",
    "description": "Old",
    "category": "Tools",
    "price": "19.99",
    "low_stock_threshold": 3,
    "attributes": {"a": "b"},
    "status": "active",
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Mallet"),
        ("description", "New"),
        ("description", None),
        ("category", "Wood"),
        ("price", "5.00"),
        ("low_stock_threshold", 0),
        ("low_stock_threshold", None),
        ("attributes", {"c": "d"}),
        ("attributes", None),
        ("status", "archived"),
    ],
)
def test_updating_changes_the_fields_that_are_sent(manager: Person, product: Make, field: str, value: Any) -> None:
    edited = product(stock=7, **{name: it for name, it in WHOLE.items() if name != "status"})

    answer = update(edited, manager, **{field: value})

    assert (answer.status, answer.headers["ETag"]) == (200, '"2"')
    after = answer.json
    stored = {} if value is None and field == "attributes" else value
    assert {name: after[name] for name in WHOLE} == WHOLE | {field: stored}
    assert (after["available"], after["version"]) == (7, 2)
    assert shown(edited, manager) == after


def test_updating_is_the_same_write_as_replacing(manager: Person, customer: Person, product: Make) -> None:
    """The offer, the category's count, and the event of both are equal."""
    one, other = product(sku="AB-1", **TEXT_ONLY), product(sku="AB-2", **TEXT_ONLY)

    with streamed() as by_put:
        replace(one, manager, price="5", category="Wood", description="New")
    with streamed() as by_patch:
        update(other, manager, price="5", category="Wood", description="New")

    assert [images(it) for it in by_patch] == [images(it) for it in by_put]
    assert categories(customer) == {"Wood": 2}
    bought = call("POST", ORDERS, {"items": [{"product_id": other, "quantity": 1}]}, token=customer.token)
    assert bought.json["items"][0]["unit_price"] == "5.00"


TEXT_ONLY = {name: value for name, value in TEXT.items() if name != "sku"}
_OWN = {"pk", "sk", "sku", "id", "product_id", "change", "at", "updated_at", "created_at", "request_hash"}


def images(record: Any) -> Any:
    """Returns the new attributes in a stream record, without ids, keys, times and maps."""
    return {
        name: value
        for name, value in record["dynamodb"].get("NewImage", {}).items()
        if not {name} & _OWN and "M" not in value
    }


def test_an_update_of_the_price_does_not_write_the_threshold_that_it_has_read(manager: Person, product: Make) -> None:
    """Product and stock are read by one BatchGet, which may return them as of different times."""
    edited = product(sku="AB-1", low_stock_threshold=3)

    def raised_meanwhile(it: Call) -> Any:
        if it.operation == "TransactWriteItems":
            update_item(StockItem(*StockItem.key(edited)), [StockItem.low_stock_threshold.set(9)])
        return it.send()

    with intercepted(raised_meanwhile):
        assert update(edited, manager, price=5).status == 200

    assert shown(edited, manager)["low_stock_threshold"] == 9


def test_an_update_needs_a_field_and_takes_no_other(manager: Person, product: Make) -> None:
    edited = product(sku="AB-1")

    assert places(update(edited, manager)) == {"#"}
    for field, value in (("sku", "AB-2"), ("stock", 5), ("version", 2), ("available", 2)):
        assert places(update(edited, manager, **{field: value})) == {f"#/{field}"}
    for field in ("name", "category", "price", "status"):
        assert places(update(edited, manager, **{field: None})) == {f"#/{field}"}
    assert shown(edited, manager)["version"] == 1


def test_a_stale_update_changes_nothing(manager: Person, product: Make) -> None:
    edited = product(sku="AB-1")
    assert update(edited, manager, if_match='"1"', price=5).status == 200

    stale = update(edited, manager, if_match='"1"', price=6)

    assert_problem(stale, 412, "stale-version")
    assert stale.headers["ETag"] == '"2"'
    assert shown(edited, manager)["price"] == "5.00"
    assert_problem(update("none", manager, price=6), 404, "not-found")


# ---- replacing ------------------------------------------------------------------------------------------------------


def test_replacing_resets_omitted_fields_and_keeps_the_stock(manager: Person, product: Make) -> None:
    edited = product(stock=7, sku="AB-1", description="Old", attributes={"a": "b"}, low_stock_threshold=3)

    replaced = replace(edited, manager, name="Mallet", category="Wood", price=5)

    assert replaced.status == 200, replaced.text
    assert replaced.headers["ETag"] == '"2"'
    after = replaced.json
    assert (after["name"], after["category"], after["price"]) == ("Mallet", "Wood", "5.00")
    assert (after["description"], after["attributes"], after["low_stock_threshold"]) == (None, {}, None)
    assert (after["available"], after["version"]) == (7, 2)
    assert after["created_at"] <= after["updated_at"]
    assert shown(edited, manager) == after


def test_a_sku_cannot_be_changed(manager: Person, product: Make) -> None:
    edited = product(sku="AB-1")

    assert places(replace(edited, manager, sku="AB-2")) == {"#/sku"}
    assert places(replace(edited, manager, sku="ab-1")) == {"#/sku"}


def test_a27_a_change_of_price_is_audited_and_no_other_edit(manager: Person) -> None:
    product_id = create(manager, stock=5).json["id"]
    replace(product_id, manager, name="Sledgehammer")
    assert audit_entries() == []

    replace(product_id, manager, name="Sledgehammer", price="0.01")
    change = {"price": "19.99"}
    assert call("PATCH", f"{PRODUCTS}/{product_id}", change, token=manager.token).status == 200

    entries = audit_entries()
    assert [(it.action, it.actor_id, it.target) for it in entries] == [
        ("product.price_changed", manager.id, f"product#{product_id}")
    ] * 2
    assert sorted((it.details["old"], it.details["new"]) for it in entries) == [("0.01", "19.99"), ("19.99", "0.01")]
    assert {it.address for it in entries} == {hidden("198.51.100.1", entries[0].at)}


def test_a_price_change_whose_answer_is_lost_is_audited_once(manager: Person) -> None:
    product_id = create(manager).json["id"]

    with answer_lost("TransactWriteItems"):
        assert replace(product_id, manager, price="18.00").status == 200

    assert [it.action for it in audit_entries()] == ["product.price_changed"]


@pytest.mark.parametrize("missing", ["sku", "name", "category", "price", "status"])
def test_replacing_takes_the_whole_product(manager: Person, product: Make, missing: str) -> None:
    assert places(replace(product(sku="AB-1"), manager, missing)) == {f"#/{missing}"}


@pytest.mark.parametrize("fields", [{"status": "deleted"}, {"stock": 5}, {"version": 2}, {"available": 2}], ids=str)
def test_replacing_takes_nothing_else(manager: Person, product: Make, fields: dict[str, Any]) -> None:
    assert places(replace(product(sku="AB-1"), manager, **fields)) == {f"#/{next(iter(fields))}"}


def test_a_product_that_does_not_exist_cannot_be_replaced(manager: Person) -> None:
    assert_problem(replace("none", manager), 404, "not-found")


def test_a_stale_replacement_changes_nothing(manager: Person, product: Make) -> None:
    edited = product(sku="AB-1")
    assert replace(edited, manager, if_match='"1"', name="First").status == 200

    assert_problem(replace(edited, manager, if_match='"1"', name="Second"), 412, "stale-version")
    assert shown(edited, manager)["name"] == "First"
    assert replace(edited, manager, if_match='W/"2"', name="Third").json["version"] == 3


def test_the_version_covers_the_text_and_not_the_stock(manager: Person, product: Make) -> None:
    sold = product(sku="AB-1")
    adjust(sold, manager, 1)

    assert shown(sold, manager)["version"] == 1
    assert replace(sold, manager, if_match='"1"').status == 200


def test_an_archived_product_is_gone_for_customers_alone(
    manager: Person, customer: Person, product: Make, order: Callable[..., Answer]
) -> None:
    gone = product(sku="AB-1")
    bought = {"items": [{"product_id": gone, "quantity": 1}]}
    order_id = call("POST", ORDERS, bought, token=customer.token).json["id"]

    assert replace(gone, manager, status="archived").json["status"] == "archived"

    assert_problem(call("GET", f"{PRODUCTS}/{gone}", token=customer.token), 404, "not-found")
    assert shown(gone, manager)["status"] == "archived"
    assert call("POST", f"{ORDERS}/{order_id}/cancel", token=customer.token).status == 200
    assert replace(gone, manager, status="active").status == 200
    assert shown(gone, customer)["available"] == 10


def test_an_order_keeps_its_lines_when_the_product_changes(manager: Person, customer: Person, product: Make) -> None:
    sold = product(sku="AB-1", name="Hammer", price="19.99")
    bought = {"items": [{"product_id": sold, "quantity": 1}]}
    order = call("POST", ORDERS, bought, token=customer.token).json

    replace(sold, manager, name="Mallet", category="Hand Tools", price="99")

    assert call("GET", f"{ORDERS}/{order['id']}", token=customer.token).json == order


def test_a_line_has_the_category_of_the_moment_it_was_ordered(manager: Person, customer: Person, product: Make) -> None:
    sold = product(**TEXT)
    bought = {"items": [{"product_id": sold, "quantity": 1}]}

    categories = []
    for category in ("Tools", "Garden", "Garden"):
        assert replace(sold, manager, category=category).status == 200
        (line,) = call("POST", ORDERS, bought, token=customer.token).json["items"]
        categories.append(line["category"])

    assert categories == ["Tools", "Garden", "Garden"], "the offer is cached, and has the category"


# ---- stock ----------------------------------------------------------------------------------------------------------


def test_an_adjustment_changes_the_available_units(manager: Person, customer: Person, product: Make) -> None:
    counted = product(stock=10)
    call("POST", ORDERS, {"items": [{"product_id": counted, "quantity": 4}]}, token=customer.token)

    assert adjust(counted, manager, 5).json == {
        "product_id": counted,
        "on_hand": 15,
        "available": 11,
        "reserved": 4,
        "stock_version": 3,
        "adjustment": 5,
    }
    emptied = adjust(counted, manager, -11).json
    assert (emptied["on_hand"], emptied["available"], emptied["reserved"]) == (4, 0, 4)


def test_reserved_units_cannot_be_adjusted_away(manager: Person, customer: Person, product: Make) -> None:
    counted = product(stock=10)
    call("POST", ORDERS, {"items": [{"product_id": counted, "quantity": 4}]}, token=customer.token)

    assert_problem(adjust(counted, manager, -7), 409, "insufficient-stock")
    assert shown(counted, manager)["available"] == 6


def test_the_stock_of_nothing_cannot_be_adjusted(manager: Person) -> None:
    for adjustment in (1, -1):
        assert_problem(adjust("none", manager, adjustment), 404, "not-found")


@pytest.mark.parametrize("adjustment", [0, "5", 1.5, None, True, 10**9 + 1, -(10**9) - 1])
def test_an_adjustment_is_a_whole_number_other_than_zero(manager: Person, product: Make, adjustment: Any) -> None:
    assert places(adjust(product(), manager, adjustment)) == {"#/adjustment"}


@pytest.mark.parametrize("reason", ["", "x" * 501, None, 5])
def test_an_adjustment_has_a_reason(manager: Person, product: Make, reason: Any) -> None:
    assert places(adjust(product(), manager, 1, reason)) == {"#/reason"}


# ---- categories -----------------------------------------------------------------------------------------------------


def test_categories_count_their_active_products(manager: Person, customer: Person, product: Make) -> None:
    moved, gone = product(category="Tools", sku="AB-1"), product(category="Toys", sku="AB-2")
    product(category="Tools")
    assert categories(customer) == {"Tools": 2, "Toys": 1}

    replace(moved, manager, category="Garden")
    assert categories(customer) == {"Garden": 1, "Tools": 1, "Toys": 1}

    replace(gone, manager, sku="AB-2", category="Toys", status="archived")
    replace(gone, manager, sku="AB-2", category="Books", status="archived")
    assert categories(customer) == {"Garden": 1, "Tools": 1}

    replace(gone, manager, sku="AB-2", category="Toys", status="active")
    assert categories(customer) == {"Garden": 1, "Tools": 1, "Toys": 1}


def test_categories_are_in_the_order_of_their_names(customer: Person, product: Make) -> None:
    for name in ("b", "a", "C"):
        product(category=name)

    assert list(categories(customer)) == ["C", "a", "b"]
