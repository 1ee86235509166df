"""Finding orders: by each of their terms, with the other filters, over all pages, and not by customers."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from random import Random
from typing import Any

import pytest

from oms.core.settings import settings
from oms.identity.models import claim_key
from oms.orders.models import Order, created_shard, status_shard
from oms.search import finding, indexing
from oms.search.models import Term
from tests.support.aws_calls import intercepted
from tests.support.claims import claimed
from tests.support.database import table
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Person
from tests.support.past_orders import Past
from tests.support.past_sales import store
from tests.support.service_keys import a_key
from tests.support.streams import run_finder, streamed

ORDERS = "/api/v1/orders"
SHARDS = 3

pytestmark = pytest.mark.usefixtures("cloud")


@pytest.fixture
def _three_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "settings", lambda: replace(settings(), order_shards=SHARDS))


def past_orders(number: int, customers: tuple[str, ...] = ("customer-1",)) -> list[Order]:
    """Orders of random shards, with tracking numbers of their own where they were shipped."""
    chance = Random(11)
    made = list(Past(number=number, days=40, last=date(2026, 2, 10), customers=customers).orders())
    for place, order in enumerate(made):
        shard = chance.randrange(SHARDS)
        order.shard, order.status_shard = created_shard(shard), status_shard(order.status, shard)
        if order.shipment is not None:
            order.shipment.tracking_number = f"JD {place:04d}-{chance.randrange(1000)}"
        order.tags = chance.sample(["gift", "großhandel", "b2b"], chance.randrange(3)) or None
    return made


def store_with_terms(orders: list[Order]) -> None:
    store(orders)
    for start in range(0, len(orders), 100):
        indexing.store_terms_of(orders[start : start + 100])


def pages(who: Person, **query: str) -> list[list[str]]:
    found: list[list[str]] = []
    cursor: dict[str, str] = {}
    while True:
        text = "&".join(f"{name}={value}" for name, value in ({"limit": "100"} | query | cursor).items())
        answer = call("GET", f"{ORDERS}?{text}", token=who.token)
        assert answer.status == 200, answer.text
        found.append([order["id"] for order in answer.json["items"]])
        if answer.json["next_cursor"] is None:
            return found
        cursor = {"cursor": answer.json["next_cursor"]}


def listed(who: Person, **query: str) -> list[str]:
    return [order_id for page in pages(who, **query) for order_id in page]


def newest_first(orders: Iterable[Order]) -> list[str]:
    return [order.id for order in sorted(orders, key=lambda it: it.created_key, reverse=True)]


@pytest.mark.usefixtures("_three_shards")
def test_a_thousand_orders_are_found_by_each_of_their_terms(manager: Person, customer: Person) -> None:
    orders = past_orders(1000, customers=(customer.id, "customer-1"))
    store_with_terms(orders)
    email = claimed(customer)

    for place, order in enumerate(orders):
        # Each search in turn, by its own parameter and by the box for all.
        assert listed(manager, **{("number", "q")[place % 2]: order.number.lower()}) == [order.id]
        if place % 4 == 0:
            assert listed(manager, q=order.id) == [order.id]
        if order.shipment is not None:
            number = order.shipment.tracking_number
            name, typed = (("tracking", number.replace(" ", "%20")), ("q", number.lower().replace(" ", "")))[place % 2]
            assert listed(manager, **{name: typed}) == [order.id]
    for sku in {line.sku for order in orders for line in order.lines}:
        wanted = newest_first(it for it in orders if sku in {line.sku for line in it.lines})
        for name in ("sku", "q"):
            assert listed(manager, **{name: sku.lower()}) == wanted
    for tag in ("gift", "großhandel", "b2b"):
        wanted = newest_first(it for it in orders if tag in (it.tags or ()))
        for name in ("tag", "q"):
            assert listed(manager, **{name: tag.upper().replace("SS", "ß")}) == wanted
    assert listed(manager, tag="gift,b2b") == newest_first(it for it in orders if {"gift", "b2b"} & {*(it.tags or ())})
    of_customer = newest_first(it for it in orders if it.customer_id == customer.id)
    for name in ("email", "q"):
        assert listed(manager, **{name: email.upper().replace("@", "%40")}) == of_customer


type Keep = Callable[[Order], bool]

FILTERS: dict[str, tuple[dict[str, str], Keep]] = {
    "status": ({"status": "delivered"}, lambda it: it.status == "delivered"),
    "statuses": ({"status": "pending,returned"}, lambda it: it.status in ("pending", "returned")),
    "from": ({"from": "2026-01-20"}, lambda it: it.created_at >= "2026-01-20"),
    "range": (
        {"from": "2026-01-20", "to": "2026-01-25"},
        lambda it: "2026-01-20" <= it.created_at[:10] <= "2026-01-25",
    ),
    "all": (
        {"from": "2026-01-20", "status": "expired"},
        lambda it: it.created_at >= "2026-01-20" and it.status == "expired",
    ),
}


@pytest.mark.usefixtures("_three_shards")
@pytest.mark.parametrize("limit", ["7", "100"])
@pytest.mark.parametrize("name", FILTERS)
def test_a_search_takes_the_other_filters(manager: Person, customer: Person, name: str, limit: str) -> None:
    orders = past_orders(300, customers=(customer.id, "customer-1"))
    store_with_terms(orders)
    email = claimed(customer).replace("@", "%40")
    query, keep = FILTERS[name]
    sku = orders[0].lines[0].sku
    searches: list[tuple[dict[str, str], Keep]] = [
        ({"sku": sku}, lambda it: sku in {line.sku for line in it.lines}),
        ({"q": sku}, lambda it: sku in {line.sku for line in it.lines}),
        ({"q": orders[0].id}, lambda it: it.id == orders[0].id),
        ({"email": email}, lambda it: it.customer_id == customer.id),
    ]

    for search, finds in searches:
        found = pages(manager, **search, **query, limit=limit)
        assert [it for page in found for it in page] == newest_first(it for it in orders if finds(it) and keep(it))
        assert all(len(page) <= int(limit) for page in found)


def test_an_order_is_found_by_its_customers_present_address_alone(
    manager: Person, customer: Person, order: Callable[..., Any]
) -> None:
    placed = order(customer).json["id"]
    email = claimed(customer)
    assert listed(manager, email=email) == [placed]

    table("identity").delete(*claim_key(email))
    claimed(customer, "new@example.com")

    assert listed(manager, email=email) == []
    assert listed(manager, email="new%40example.com") == [placed]
    assert listed(manager, email="unknown%40example.com") == []


def ordered_for(manager: Person, product: Callable[..., str], **fields: Any) -> str:
    body = {"items": [{"product_id": product(), "quantity": 1}], "customer": {"email": "Ann@Example.com"}} | fields
    placed = call("POST", ORDERS, body, token=manager.token)
    assert placed.status == 201, placed.text
    return str(placed.json["id"])


def test_the_orders_of_a_contact_are_found_beside_those_of_the_account(
    manager: Person, customer: Person, product: Callable[..., str], order: Callable[..., Any]
) -> None:
    with streamed("orders") as records:
        of_contact = [ordered_for(manager, product) for _ in range(2)]
        of_account = order(customer).json["id"]
    run_finder(records)
    assert {*listed(manager, email="ann%40example.com")} == {*of_contact}

    claimed(customer, "ann@example.com")

    assert {*listed(manager, email="ANN%40EXAMPLE.com")} == {*of_contact, of_account}
    assert len(pages(manager, q="ann%40example.com", limit="1")) >= 3
    assert "ann" not in str(table("search").items()).lower()


def test_an_external_reference_finds_its_order_at_once(manager: Person, product: Callable[..., str]) -> None:
    ref = {"channel": "shop-1", "id": "No: 17"}
    placed = ordered_for(manager, product, external_ref=ref)

    for query in ({"external_ref": "shop-1:No:%2017"}, {"q": "shop-1:No:%2017"}):
        assert listed(manager, **query) == [placed]
        assert listed(manager, **query, status="pending") == [placed]
        assert listed(manager, **query, status="shipped") == []
        assert listed(manager, **query, to="2020-01-01") == []
    assert listed(manager, external_ref="shop-1:no:%2017") == []


def test_f14_a_term_that_the_order_no_longer_has_does_not_show_it(manager: Person) -> None:
    orders = past_orders(2)
    store_with_terms(orders)
    sku = "Old-1"
    orders[0].lines[0].sku = sku
    indexing.store_terms_of(orders[:1]) if False else None

    for found in orders:
        table("search").put(Term("find#sku#old-1#0", found.created_key).serialize())
    table("search").put(Term("find#sku#old-1#0", "2026-01-01T00:00:00.000Z#GONE").serialize())

    assert listed(manager, sku="Old-1") == []


@pytest.mark.parametrize("name", ["number", "sku", "tracking", "tag", "q"])
def test_a_term_that_no_order_has_finds_nothing(manager: Person, name: str) -> None:
    assert listed(manager, **{name: "none"}) == []
    assert listed(manager, **{name: "-"}) == []


@pytest.mark.parametrize(
    ("query", "parameter", "others"),
    [
        ("sku=a&number=b", "number", "sku"),
        ("email=a@example.com&customer_id=c&q=b", "email", "q or customer_id"),
        ("tracking=a&customer_id=c", "tracking", "customer_id"),
    ],
)
def test_searches_that_cannot_be_combined_are_named(manager: Person, query: str, parameter: str, others: str) -> None:
    answer = call("GET", f"{ORDERS}?{query}", token=manager.token)

    assert_problem(answer, 422, "validation-failed")
    assert answer.json["errors"] == [{"parameter": parameter, "detail": f"cannot be combined with {others}; send one"}]


@pytest.mark.parametrize(
    "query", ["q=a", "number=a", "sku=a", "tracking=a", "tag=a", "external_ref=a:b", "email=a@example.com"]
)
def test_customers_do_not_search(customer: Person, query: str) -> None:
    assert_problem(call("GET", f"{ORDERS}?{query}", token=customer.token), 403, "forbidden")


def test_a_key_that_reads_orders_searches_them(order: Callable[..., Any], customer: Person) -> None:
    placed = order(customer).json["id"]
    email = claimed(customer)

    answer = call("GET", f"{ORDERS}?email={email}", token=a_key("orders:read").text)

    assert [it["id"] for it in answer.json["items"]] == [placed]
    assert call("GET", f"{ORDERS}?email={email}", token=a_key("catalogue:read").text).status == 403


@pytest.mark.parametrize(
    "query",
    [
        "q=",
        "number=%20",
        "email=nobody",
        f"sku={'a' * 501}",
        "q=a&q=b",
        "tag=a,,b",
        "external_ref=a",
        "external_ref=A:b",
        "external_ref=a:",
    ],
)
def test_a_search_that_says_nothing_sensible_is_refused(manager: Person, query: str) -> None:
    assert call("GET", f"{ORDERS}?{query}", token=manager.token).status == 422


def test_a_cursor_of_one_search_is_no_cursor_of_another(manager: Person) -> None:
    orders = past_orders(60)
    for order in orders:
        order.lines[0].sku = "Saw"
    store_with_terms(orders)
    first = call("GET", f"{ORDERS}?sku=saw&limit=5", token=manager.token).json

    answer = call("GET", f"{ORDERS}?q=saw&limit=5&cursor={first['next_cursor']}", token=manager.token)

    assert_problem(answer, 422, "validation-failed")


def test_a_search_makes_three_calls_and_one_for_the_customers(manager: Person) -> None:
    store_with_terms(past_orders(30))
    call("GET", f"{ORDERS}?sku=none", token=manager.token)  # the reading is on record now
    number = table("orders").items()[0]["number"]["S"]

    with intercepted() as calls:
        call("GET", f"{ORDERS}?number={number}", token=manager.token)

    assert [it.operation for it in calls] == ["BatchGetItem", "Query", "BatchGetItem", "BatchGetItem"]
