"""Lists of products: filters, orders, pages."""

from collections.abc import Callable
from datetime import timedelta
from itertools import product as product_of
from typing import Any

import pytest

from tests.support.gateway import call, places
from tests.support.invocation import Person

PRODUCTS = "/api/v1/inventory/products"
# name, SKU, price, category, stock, threshold, archived
SHELF = [
    ("apple", "FR-3", "0.50", "Fruit", 10, 5, False),
    ("Apple pie", "BK-1", "12.00", "Bakery", 0, None, False),
    ("apricot", "fr-2", "0.75", "Fruit", 3, 5, False),
    ("Bread", "BK-2", "3.20", "Bakery", 7, None, False),
    ("ÉCLAIR", "BK-3", "3.40", "Bakery", 5, 5, False),
    ("Zwieback", "BK-4", "2.00", "Bakery, dry", 1, 0, False),
    ("avocado", "FR-1", "2.50", "Fruit", 9, 20, True),
]


@pytest.fixture
def shelf(product: Callable[..., str], manager: Person, time_machine: Callable[[timedelta], None]) -> None:
    """Creates the products above, each a second younger than the previous one."""
    for name, sku, price, category, stock, threshold, archived in SHELF:
        time_machine(timedelta(seconds=1))
        text = {"sku": sku, "name": name, "price": price, "category": category, "low_stock_threshold": threshold}
        product_id = product(stock, **text)
        if archived:
            call("PUT", f"{PRODUCTS}/{product_id}", text | {"status": "archived"}, token=manager.token)


@pytest.mark.parametrize("shards", [1, 3])
def test_an_item_of_a_list_is_the_whole_resource(
    product: Callable[..., str], manager: Person, customer: Person, shards: int
) -> None:
    described = {"description": "Ground", "attributes": {"roast": "dark"}, "low_stock_threshold": 3}
    path = f"{PRODUCTS}/{product(9, **described)}"
    call("PUT", f"{path}/shards", {"shards": shards}, token=manager.token)

    for who in (manager, customer):
        assert call("GET", PRODUCTS, token=who.token).json["items"] == [call("GET", path, token=who.token).json]


def names(who: Person, query: str) -> list[str]:
    answer = call("GET", f"{PRODUCTS}?{query}", token=who.token)
    assert answer.status == 200, answer.text
    assert answer.json["next_cursor"] is None
    return [product["name"] for product in answer.json["items"]]


SEEN_BY_ALL = [
    ("", "apple, Apple pie, apricot, Bread, Zwieback, ÉCLAIR"),
    ("sort=name", "apple, Apple pie, apricot, Bread, Zwieback, ÉCLAIR"),
    ("sort=-name", "ÉCLAIR, Zwieback, Bread, apricot, Apple pie, apple"),
    ("sort=price&max_price=2.00", "apple, apricot, Zwieback"),
    ("sort=-price&min_price=3.21", "Apple pie, ÉCLAIR"),
    ("sort=created_at", "apple, Apple pie, apricot, Bread, ÉCLAIR, Zwieback"),
    ("sort=-created_at", "Zwieback, ÉCLAIR, Bread, apricot, Apple pie, apple"),
    ("q=app", "apple, Apple pie"),
    ("q=APP", "apple, Apple pie"),
    ("q=app&sort=-name", "Apple pie, apple"),
    ("q=%C3%A9", "ÉCLAIR"),
    ("q=pie", ""),
    ("sku=fr", "apricot, apple"),
    ("sku=BK-1", "Apple pie"),
    ("min_price=0.75&max_price=3.20", "apricot, Zwieback, Bread"),
    ("min_price=3.2&max_price=3.200&sort=price", "Bread"),
    ("min_price=12.01", ""),
    ("category=Fruit", "apple, apricot"),
    ("category=Fruit,Bakery", "apple, Apple pie, apricot, Bread, ÉCLAIR"),
    # A comma separates alternatives; a name that has one is found as well.
    ("category=Bakery%2C%20dry", "Apple pie, Bread, Zwieback, ÉCLAIR"),
    ("category=fruit", ""),
    ("category=Fruit&sort=-price", "apricot, apple"),
    ("category=Fruit&q=appl", "apple"),
    ("category=Bakery&max_price=5&in_stock=true", "Bread, ÉCLAIR"),
    ("category=Fruit,Bakery&sort=-created_at", "ÉCLAIR, Bread, apricot, Apple pie, apple"),
    ("in_stock=false", "Apple pie"),
    ("in_stock=true&q=app", "apple"),
]
SEEN_BY_MANAGERS = [
    ("low_stock=true", "apricot, ÉCLAIR"),
    ("low_stock=false", "apple, Apple pie, Bread, Zwieback"),
    ("status=archived", "avocado"),
    ("status=archived,active&category=Fruit", "apple, apricot, avocado"),
    ("status=active&sku=FR", "apricot, apple"),
    ("status=archived,active&sku=FR", "avocado, apricot, apple"),
]


def test_a_list_has_the_matching_items_in_its_order(shelf: None, customer: Person, subtests: pytest.Subtests) -> None:
    for query, expected in SEEN_BY_ALL:
        with subtests.test(query):
            assert names(customer, query) == [name for name in expected.split(", ") if name]


def test_a_manager_also_sees_low_and_archived_products(shelf: None, manager: Person, subtests: pytest.Subtests) -> None:
    """Low is at or below the threshold; a product without a threshold is never low."""
    for query, expected in SEEN_BY_MANAGERS:
        with subtests.test(query):
            assert names(manager, query) == expected.split(", ")


REFUSED = [
    ("q=a&sort=price", "?q"),
    ("q=a&sku=b", "?sku"),
    ("sku=a&sort=name", "?sku"),
    ("sku=a&category=b", "?sku"),
    ("min_price=1&sort=name", "?min_price"),
    ("max_price=1&q=a", "?max_price"),
    ("min_price=2&max_price=1", "?max_price"),
    ("min_price=-1", "?min_price"),
    ("min_price=1e3", "?min_price"),
    ("max_price=1.999", "?max_price"),
    ("max_price=", "?max_price"),
    ("sort=stock", "?sort"),
    ("sort=name,price", "?sort"),
    ("in_stock=yes", "?in_stock"),
    ("in_stock=1", "?in_stock"),
    ("low_stock=", "?low_stock"),
    ("status=deleted", "?status"),
    ("q=", "?q"),
    (f"q={'x' * 201}", "?q"),
    ("sku=a%20b", "?sku"),
    ("sku=%C3%A9", "?sku"),
    ("category=", "?category"),
    (f"category={','.join('abcdefghijklmnopqrstuv')}", "?category"),
    ("limit=101", "?limit"),
    ("cursor=x", "?cursor"),
    ("customer_id=x", "?customer_id"),
]


def test_a_filter_that_no_index_serves_or_no_product_has_is_refused(manager: Person, subtests: pytest.Subtests) -> None:
    for query, place in REFUSED:
        with subtests.test(query[:60]):
            assert places(call("GET", f"{PRODUCTS}?{query}", token=manager.token)) == {place}


def test_pages_make_up_the_list(shelf: None, customer: Person, subtests: pytest.Subtests) -> None:
    queries = ["", "sort=-name", "category=Fruit,Bakery", "category=Fruit,Bakery&sort=-price", "in_stock=true"]
    for query, limit in product_of(queries, [1, 2, 5]):
        with subtests.test(query, limit=limit):
            found: list[str] = []
            cursor = ""
            for _ in range(len(SHELF) + 1):
                page = call("GET", f"{PRODUCTS}?{query}&limit={limit}{cursor}", token=customer.token).json
                assert len(page["items"]) <= limit
                found += [product["name"] for product in page["items"]]
                if page["next_cursor"] is None:
                    break
                cursor = f"&cursor={page['next_cursor']}"
            assert found == names(customer, query)


def test_a16_a_cursor_is_valid_for_its_user_and_query_only(
    shelf: None, customer: Person, person: Callable[..., Person]
) -> None:
    cursor = call("GET", f"{PRODUCTS}?limit=1", token=customer.token).json["next_cursor"]

    assert call("GET", f"{PRODUCTS}?limit=5&cursor={cursor}", token=customer.token).status == 200
    for who, query in ((person(), ""), (customer, "&sort=name"), (customer, "&category=Fruit"), (customer, "&q=a")):
        answer = call("GET", f"{PRODUCTS}?cursor={cursor}{query}", token=who.token)
        assert places(answer) == {"?cursor"}


def test_an_item_of_a_list_is_the_product_as_its_reader_sees_it(shelf: None, customer: Person, manager: Person) -> None:
    def found(who: Person) -> Any:
        return call("GET", f"{PRODUCTS}?q=bread", token=who.token).json["items"][0]

    assert found(manager) == call("GET", f"{PRODUCTS}/{found(manager)['id']}", token=manager.token).json
    hidden = {"reserved", "on_hand", "stock_version", "low_stock_threshold", "shards"}
    assert set(found(manager)) - set(found(customer)) == hidden


def test_names_are_found_by_their_compatible_forms(product: Callable[..., str], customer: Person) -> None:
    product(name="ﬁne Ｗine")

    assert names(customer, "q=FINE%20w") == ["ﬁne Ｗine"]
