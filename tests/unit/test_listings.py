"""Every combination of filters and sorts: the index that serves it, or a refusal that names the conflict."""

from itertools import product
from typing import Any

import pytest

from oms.core.errors import InvalidRequestError
from oms.core.pages import HIGHEST, LOWEST
from oms.inventory.listings import ProductListing, listing
from oms.inventory.schemas import ListProductsQuery

SORTS = [None, "name", "-name", "price", "-price", "created_at", "-created_at"]
IMPLIED = {"q": ("App", "name"), "sku": ("AB-", "sku"), "min_price": ("1.50", "price"), "max_price": ("20", "price")}


def plan(**parameters: Any) -> ProductListing:
    return listing(ListProductsQuery.model_validate(parameters), after=None)


def combinations() -> list[dict[str, str]]:
    chosen = []
    for present in product([True, False], repeat=len(IMPLIED)):
        filters = {name: value for (name, (value, _)), is_set in zip(IMPLIED.items(), present, strict=True) if is_set}
        for sort, category in product(SORTS, [None, "Tools"]):
            extra = {"sort": sort, "category": category}
            chosen.append(filters | {name: value for name, value in extra.items() if value is not None})
    return chosen


@pytest.mark.parametrize("parameters", combinations(), ids=lambda parameters: "&".join(parameters) or "none")
def test_filters_that_agree_on_an_order_are_served_and_no_others(parameters: dict[str, str]) -> None:
    fields = {IMPLIED[name][1] for name in parameters if name in IMPLIED}
    if "sort" in parameters:
        fields.add(parameters["sort"].removeprefix("-"))
    in_category = "category" in parameters
    servable = len(fields) <= 1 and not (in_category and fields == {"sku"})

    if servable:
        chosen = plan(**parameters)
        field = next(iter(fields), "name").removesuffix("_at")
        assert chosen.index.name == f"{'category_' if in_category else ''}by_{field}"
        assert chosen.part.descending == parameters.get("sort", "").startswith("-")
        assert list(chosen.partitions) == (["active#Tools"] if in_category else ["active"])
    else:
        with pytest.raises(InvalidRequestError) as caught:
            plan(**parameters)
        [error] = caught.value.extra["errors"]
        assert error["parameter"] in parameters
        assert any(name in error["detail"] for name in parameters if name != error["parameter"])


def test_the_default_is_by_name_and_on_sale() -> None:
    chosen = plan()

    assert (chosen.index.name, list(chosen.partitions)) == ("by_name", ["active"])
    assert chosen.part.bounds() == (LOWEST, HIGHEST)


@pytest.mark.parametrize(
    ("parameters", "inside", "outside"),
    [
        ({"q": "App"}, ["app#1", "apple#1", "appé#1"], ["ap#1", "aq#1", "Apple#1"]),
        ({"q": "ÉCLAIR"}, ["éclair#1"], ["eclair#1"]),
        ({"q": "ﬁ"}, ["film#1"], ["fa#1"]),
        ({"sku": "AB-"}, ["ab-#1", "ab-9#1"], ["ab#1", "ac-#1"]),
        ({"min_price": "1.50"}, ["0000000000150#1", "1000000000000#1"], ["0000000000149#1"]),
        ({"max_price": "20"}, ["0000000000000#1", "0000000002000#~"], ["0000000002001#1"]),
        ({"min_price": "2", "max_price": "2"}, ["0000000000200#0", "0000000000200#Z"], ["0000000000199#Z"]),
    ],
    ids=str,
)
def test_a_filter_is_a_range_of_its_index(parameters: dict[str, str], inside: list[str], outside: list[str]) -> None:
    low, high = plan(**parameters).part.bounds()

    assert all(low <= key <= high for key in inside)
    assert not any(low <= key <= high for key in outside)


def test_several_statuses_and_categories_are_partitions_each() -> None:
    assert list(plan(status="archived,active").partitions) == ["archived", "active"]
    assert list(plan(category="A,B", status="active,archived").partitions) == [
        "active#A",
        "archived#A",
        "active#B",
        "archived#B",
        "active#A,B",
        "archived#A,B",
    ]


def test_a_category_may_have_a_comma_in_its_name() -> None:
    assert "active#Home, Garden" in plan(category="Home, Garden").partitions


def test_more_categories_than_queries_are_worth_are_refused() -> None:
    assert len(plan(category=",".join(f"c{number}" for number in range(19))).partitions) == 20
    with pytest.raises(InvalidRequestError) as caught:
        plan(category=",".join(f"c{number}" for number in range(20)))
    assert caught.value.extra["errors"][0]["parameter"] == "category"


def test_prices_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ValueError, match="must not be below min_price"):
        plan(min_price="2", max_price="1")
