"""An order in currencies with no decimals and with three: its requests, events, mails, reports and exports."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from tests.support.deployment import deployed_with
from tests.support.event_bus import published
from tests.support.exports import exported
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Person
from tests.support.mail import Ses, notify, set_up
from tests.support.open_order_counts import aggregate
from tests.support.orders import ORDERS, PRODUCTS
from tests.support.shop import Shop
from tests.support.streams import run_bookkeeper, streamed

REPORTS = "/api/v1/reports"


class Amounts(NamedTuple):
    """Amounts as text: of three units with the shipping; `revenue` has one more unit, without shipping."""

    currency: str
    price: str
    too_fine: str
    subtotal: str
    shipping: str
    total: str
    revenue: str
    average: str
    value_of_stock: str


CASES = [
    Amounts("JPY", "2490", "2490.5", "7470", "31", "7501", "9991", "4996", "24900"),
    Amounts("KWD", "24.905", "24.9055", "74.715", "3.251", "77.966", "102.871", "51.436", "249.050"),
]


@pytest.fixture(params=CASES, ids=[it.currency for it in CASES])
def money(cloud: None, request: pytest.FixtureRequest) -> Iterator[Amounts]:
    with deployed_with(CURRENCY=request.param.currency, SHIPPING_MAX=""):
        yield request.param


@pytest.fixture
def shop(money: Amounts, person: Callable[..., Person], manager: Person) -> Shop:
    ada = person(email="ada@example.com", email_verified=True, first_name="Ada")
    return Shop(ada, manager)


@pytest.fixture
def ses(monkeypatch: pytest.MonkeyPatch, money: Amounts) -> Ses:
    return set_up(monkeypatch)


def create(shop: Shop, price: str, **fields: Any) -> Any:
    text = {"sku": f"SKU-{price}", "name": "Hammer", "category": "Tools", "stock": 10}
    return shop.manage("POST", "products", text | {"price": price} | fields)


def bought(shop: Shop, money: Amounts) -> dict[str, Any]:
    items = [{"product_id": create(shop, money.price).json["id"], "quantity": 3}]
    return {"items": items, "shipping_cost": money.shipping}


def test_amounts_have_the_currencys_decimals_in_every_answer(shop: Shop, money: Amounts) -> None:
    body = bought(shop, money)
    product = call("GET", f"{PRODUCTS}?min_price={money.price}&max_price={money.price}", token=shop.customer.token)

    quoted, placed = (shop.post(path, body).json for path in (f"{ORDERS}/quote", ORDERS))

    assert [(it["price"], it["currency"]) for it in product.json["items"]] == [(money.price, money.currency)]
    for shown in (quoted, placed):
        (line,) = shown["items"]
        assert (line["unit_price"], line["line_total"]) == (money.price, money.subtotal)
        assert (shown["subtotal"], shown["shipping_cost"]) == (money.subtotal, money.shipping)
        assert (shown["total"], shown["currency"]) == (money.total, money.currency)
    path = f"{ORDERS}/{placed['id']}"
    for move in ("confirm", "ship", "deliver", "return"):
        assert shop.move(path, move).json["total"] == money.total


def test_more_decimals_than_the_currency_has_are_refused(shop: Shop, money: Amounts) -> None:
    body = bought(shop, money)

    assert places(create(shop, money.too_fine)) == {"#/price"}
    assert places(shop.post(ORDERS, body | {"shipping_cost": money.too_fine})) == {"#/shipping_cost"}
    assert places(shop.post(ORDERS, body | {"expected_total": money.too_fine})) == {"#/expected_total"}
    assert places(call("GET", f"{PRODUCTS}?min_price={money.too_fine}", token=shop.customer.token)) == {"?min_price"}


def test_a_dearer_order_is_refused_in_the_currency(shop: Shop, money: Amounts) -> None:
    body = bought(shop, money)

    assert shop.post(ORDERS, body | {"expected_total": money.total}).status == 201
    problem = assert_problem(shop.post(ORDERS, body | {"expected_total": money.subtotal}), 409, "price-changed")

    assert f"costs {money.total} {money.currency}" in problem["detail"]


def test_events_and_mails_say_the_currency(shop: Shop, money: Amounts, ses: Ses) -> None:
    with streamed("orders") as records:
        placed = shop.post(ORDERS, bought(shop, money)).json
        shop.move(f"{ORDERS}/{placed['id']}", "confirm")
    events = published(records)

    assert notify(*map(json.dumps, events)) == []

    for data in (event["data"] for event in events):
        assert (data["subtotal"], data["shipping_cost"]) == (money.subtotal, money.shipping)
        assert (data["total"], data["currency"]) == (money.total, money.currency)
    assert len(ses.sent) == 2
    for text in (ses.texts[0], ses.sent[0]["Content"]["Simple"]["Body"]["Html"]["Data"]):
        assert f"{money.price} {money.currency}" in text
        assert f"{money.total} {money.currency}" in text


def test_reports_and_exports_count_in_the_currency(shop: Shop, money: Amounts, files: None, admin: Person) -> None:
    with streamed("orders") as changes, streamed() as stock_changes:
        body = bought(shop, money)
        one_unit = {"items": [{**body["items"][0], "quantity": 1}]}
        for wanted in (body, one_unit):
            assert shop.post(ORDERS, wanted).status == 201
        cancelled = shop.post(ORDERS, one_unit).json
        call("POST", f"{ORDERS}/{cancelled['id']}/cancel", token=shop.customer.token)
    assert aggregate(published(changes)) == []
    run_bookkeeper(stock_changes)

    sales = call("GET", f"{REPORTS}/sales?group_by=product", token=shop.manager.token).json
    stock = call("GET", f"{REPORTS}/inventory", token=shop.manager.token).json
    stats = call("GET", "/api/v1/admin/stats", token=admin.token).json
    lines, (day,) = exported(shop.manager), [it for it in exported(shop.manager, report="sales") if it["orders"] == "2"]

    assert (sales["currency"], stock["currency"], stats["revenue"]["currency"]) == (money.currency,) * 3
    totals = sales["totals"]
    assert (totals["revenue"], totals["shipping"]) == (money.revenue, money.shipping)
    assert totals["average_order_value"] == money.average, "half-even"
    assert stats["revenue"]["today"] == money.revenue
    assert stock["totals"]["value"] == money.value_of_stock
    assert {(it["unit_price"], it["currency"]) for it in lines} == {(money.price, money.currency)}
    assert [(it["line_total"], it["shipping_cost"], it["order_total"]) for it in lines if it["quantity"] == "3"] == [
        (money.subtotal, money.shipping, money.total)
    ]
    assert (day["revenue"], day["shipping"], day["currency"]) == (money.revenue, money.shipping, money.currency)
    (row,) = exported(shop.manager, report="inventory")
    assert (row["price"], row["currency"]) == (money.price, money.currency)
