"""Product lists at 100,000 products: each allowed combination of filters, within its number of calls, during writes.

A walk over all pages finds each product that is not edited meanwhile exactly once, in order. It finds a product that is
added or moved meanwhile at most once at each of its places, and not at a place that the walk has passed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import cycle, islice
from random import Random
from typing import Any
from urllib.parse import urlencode

import pytest

from oms.core.schemas import PageQuery
from oms.identity import keyring
from oms.inventory import service
from oms.inventory.schemas import ListProductsQuery
from tests.support.aws_calls import Call, intercepted
from tests.support.big_table import BigTable, RawItem
from tests.support.gateway import call, places
from tests.support.invocation import Person
from tests.support.product_catalogue import (
    BINDING,
    FILTERS,
    FREE_CHOICES,
    MAX_PRODUCTS,
    Catalogue,
    Combination,
    Filter,
    ListedProduct,
    a_product,
    combinations,
    modelled,
)

PRODUCTS = "/api/v1/inventory/products"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue()


def test_every_parameter_of_the_contract_is_combined_here() -> None:
    assert {*FILTERS, "sort", *PageQuery.model_fields} == set(ListProductsQuery.model_fields)
    assert len(combinations(BINDING, served=True)) == 39


def test_the_catalogue_is_stored_as_the_service_would() -> None:
    random = Random(1)
    for number in range(50):
        product = a_product(number, random)
        for made, model in zip(product.raw(), modelled(product), strict=True):
            assert without_times(made) == without_times(model.serialize())


def without_times(item: RawItem) -> RawItem:
    return {name: value for name, value in item.items() if name not in ("change", "last", "updated_at")}


# ---- costs ----------------------------------------------------------------------------------------------------------


def test_a_combination_that_no_index_serves_is_refused_by_name(manager: Person) -> None:
    for asked in combinations(BINDING, served=False):
        refused = call("GET", f"{PRODUCTS}?{urlencode(asked.query)}", token=manager.token)

        assert places(refused) <= {f"?{name}" for name in asked.query}, asked.query


@pytest.mark.parametrize("asked", combinations(BINDING, served=True), ids=lambda it: "&".join(it.query))
def test_a_page_of_each_combination_costs_at_most_the_contracts_calls(
    catalogue: Catalogue, cloud: None, asked: Combination
) -> None:
    for free in FREE_CHOICES:
        combination = replace(asked, filters={**asked.filters, **free})
        with intercepted(catalogue.table.plan) as calls:
            service.list_products(combination.parsed(limit=2), after=None)

        assert cost(calls) == {"BatchGetItem": 1, "Query": combination.partitions}, combination.query


@pytest.mark.parametrize("limit", [1, 20, 50, 51, 100])
@pytest.mark.parametrize("filters", [{}, {"category": FILTERS["category"][3]}])
def test_a_page_costs_one_read_for_fifty_products(
    catalogue: Catalogue, manager: Person, filters: dict[str, Filter], limit: int
) -> None:
    keyring.public_jwks()  # which a warm function has
    asked = Combination(filters, "-price")
    path = f"{PRODUCTS}?{urlencode({**asked.query, 'limit': limit})}"
    cursor = ""
    for _ in range(3):
        with intercepted(catalogue.table.plan) as calls:
            page = call("GET", path + cursor, token=manager.token)

        assert len(page.json["items"]) == limit
        assert cost(calls) == {"BatchGetItem": 1 + -(-2 * limit // 100), "Query": asked.partitions}
        cursor = f"&cursor={page.json['next_cursor']}"


def cost(calls: Iterable[Call]) -> Counter[str]:
    return Counter(it.operation for it in calls)


# ---- walks ----------------------------------------------------------------------------------------------------------

LIMIT = 100
# A whole walk would read 100,000: each begins where about this many are left.
LAST = 300


def walk(
    catalogue: Catalogue, asked: Combination, after: str | None, between: Callable[[str], None]
) -> Iterator[tuple[str, ListedProduct]]:
    """Returns places and products to the end of the list, with writes between the pages, each page within its calls."""
    query = asked.parsed(limit=LIMIT)
    for _ in range(MAX_PRODUCTS):
        with intercepted(catalogue.table.plan) as calls:
            page = service.list_products(query, after=after)
        made = cost(calls)
        assert made["Query"] == asked.partitions
        assert made["BatchGetItem"] <= 2 * LIMIT / 100
        assert len(page.placed) <= LIMIT
        for place, (found, _) in page.placed:
            yield place, catalogue[found.id]
        if page.position is None:
            return
        after = page.position
        between(after)
    raise AssertionError("the list does not end")


def place_of(product: ListedProduct, field: str) -> str:
    name = {"name": "name_key", "price": "price_key", "created_at": "created_key", "sku": "sku_key"}[field]
    return str(product.raw()[0][name]["S"])


def writes(catalogue: Catalogue, ahead: list[ListedProduct], random: Random) -> Callable[[str], None]:
    """Writes between two pages: products are added, renamed, repriced, archived, activated or moved to a category."""

    def write(_: str) -> None:
        for pattern in random.choices(ahead, k=4):
            # With the name, price and category of existing ones, so that only the id orders them.
            catalogue.write(replace(pattern, number=len(catalogue.products)))
            added = a_product(len(catalogue.products), random)
            catalogue.write(replace(added, category=pattern.category, available=pattern.available))
        for product in random.sample(ahead, k=min(6, len(ahead) // 40)):
            other = a_product(product.number, random)
            changes: dict[str, Any] = random.choice(
                ({"name": other.name}, {"price": other.price}, {"category": other.category}, {"available": 0})
            )
            status = random.choice(("active", "active", "archived"))
            catalogue.write(replace(product, status=status, **changes))

    return write


def with_all_else(served: list[Combination]) -> list[Combination]:
    """Yields each with another combination of the filters that any index serves, and of the categories."""
    chosen = []
    for asked, free, category in zip(served, cycle(FREE_CHOICES), cycle(FILTERS["category"]), strict=False):
        filters = {**asked.filters, **free}
        chosen.append(replace(asked, filters=filters | ({"category": category} if "category" in filters else {})))
    return chosen


@pytest.mark.parametrize(
    "asked", with_all_else(combinations(BINDING, served=True)), ids=lambda it: urlencode(it.query) or "all"
)
def test_a_walk_finds_all_once_and_in_order_while_the_list_is_written_to(
    catalogue: Catalogue, cloud: None, asked: Combination
) -> None:
    last = list(islice(catalogue.untouched(asked), LAST))
    before = next(islice(catalogue.untouched(asked), LAST, None), None)
    start = before and place_of(before, asked.field)

    found = list(walk(catalogue, asked, start, writes(catalogue, last, Random(repr(asked.query)))))

    at = [place for place, _ in found]
    assert at == sorted(set(at), reverse=asked.descends), "in order, and none twice at one place"
    unchanged = [it.id for it in reversed(last) if it.id not in catalogue.touched]
    assert len(unchanged) >= len(last) / 2
    assert [it.id for _, it in found if it.id not in catalogue.touched] == unchanged


def test_a_filter_that_keeps_hardly_anything_ends_after_short_pages(catalogue: Catalogue, cloud: None) -> None:
    asked = Combination({"category": FILTERS["category"][0], "in_stock": FILTERS["in_stock"][0]}, None)
    wanted = [it.id for it in catalogue.untouched(asked)]
    positions: list[str] = []

    found = list(walk(catalogue, asked, None, positions.append))

    assert 0 < len(wanted) < 10
    assert [it.id for _, it in found if it.id not in catalogue.touched] == wanted[::-1]
    assert len(positions) > 15 >= len(found), "most pages are empty"


@pytest.mark.parametrize(
    ("filters", "edit"),
    [
        (["q"], {"name": "Zange 1"}),
        (["min_price"], {"price": 2000}),
        (["max_price"], {"price": 9010}),
        (["category"], {"category": "Tools"}),
        ([], {"status": "archived"}),
    ],
    ids=str,
)
def test_a_product_that_no_longer_matches_is_left_out_though_the_index_lags(
    manager: Person, filters: list[str], edit: dict[str, Any]
) -> None:
    asked = Combination({name: FILTERS[name][0] for name in filters}, None)
    products = [ListedProduct(number, "Hammer 7", "Rare", 5000) for number in range(3)]
    table = BigTable("inventory", [item for product in products for item in product.raw()], lag=1000)
    path = f"{PRODUCTS}?{urlencode(asked.query)}"

    with intercepted(table.plan):
        before = call("GET", path, token=manager.token).json["items"]
        for item in replace(products[1], **edit).raw():
            table.put(item)
        after = call("GET", path, token=manager.token).json["items"]

    assert [it["id"] for it in before] == [it.id for it in products]
    assert [it["id"] for it in after] == [products[0].id, products[2].id]
