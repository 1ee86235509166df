"""The report of sales by product with more sums than memory or a request's time allows at once."""

import json
import tracemalloc
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import batched
from typing import Any

import pytest

from oms.core import clock
from oms.core.money import to_text
from oms.orders.models import Order
from oms.reports import order_sums, product_sums
from oms.reports.order_sums import CountedOrder
from oms.reports.sum_keys import SHARDS
from tests.support.aws_calls import Call, intercepted
from tests.support.earlier_sums import store_as_earlier
from tests.support.gateway import call, places
from tests.support.invocation import Answer, Person
from tests.support.open_order_counts import aggregate
from tests.support.past_orders import Past
from tests.support.past_sales import Sold, events_of_orders

SALES = "/api/v1/reports/sales"
FIRST, LAST = date(2026, 1, 1), date(2026, 1, 31)
DAYS = [FIRST + timedelta(days=it) for it in range(31)]
SPAN = f"from={FIRST}&to={LAST}&group_by=product"
# One of DynamoDB's answers ends at 1 MB: these sums have about 100 bytes.
ROWS_OF_AN_ANSWER = 10_000
# The session and user; a Query for each shard of the totals.
CALLS_BESIDE = 1 + SHARDS


def sum_of(day: str, product: int) -> dict[str, int]:
    number = int(day[-2:]) * product
    return {"orders": 1 + number % 3, "units": 1 + number % 7, "revenue": 100 + number % 9973}


class ManySums:
    """Answers each Query on the sums of products and categories as DynamoDB does, with at most `rows` rows."""

    def __init__(self, products: int, *, rows: int = ROWS_OF_AN_ANSWER) -> None:
        self.keys = [f"PRODUCT{number:013d}" for number in range(products)]
        self.rows = rows
        self.queries = 0
        # Created in advance, since the test measures the report's memory and time.
        self.items = {f"products#{day}": [self._item(f"{day}", it) for it in range(products)] for day in DAYS}
        self.items["categories#2026-01"] = self.items[f"products#{FIRST}"]

    def plan(self, made: Call) -> Any:
        if made.operation != "Query" or not self._partition(made).startswith(("products#", "categories#")):
            return made.send()
        self.queries += 1
        asked = made.parameters["ExpressionAttributeValues"]
        start = bisect_left(self.keys, asked[":low"]["S"].removeprefix("01#"))
        end = min(start + min(made.parameters.get("Limit", self.rows), self.rows), len(self.keys))
        items = ",".join(self.items[self._partition(made)][start:end])
        more = end < len(self.keys)
        last = f',"LastEvaluatedKey":{json.dumps({"sk": {"S": self.keys[end - 1]}})}' if more else ""
        return {"body": f'{{"Items":[{items}]{last}}}'.encode()}

    def _partition(self, made: Call) -> str:
        return str(made.parameters["ExpressionAttributeValues"][":partition"]["S"])

    def _item(self, day: str, number: int) -> str:
        amounts = sum_of(day, number)
        numbers = ",".join(f'"{name}":{{"N":"{amount}"}}' for name, amount in amounts.items())
        return f'{{"sk":{{"S":"{self.keys[number]}"}},{numbers}}}'


def ask(manager: Person, query: str) -> Answer:
    return call("GET", f"{SALES}?{query}", token=manager.token)


def pages(manager: Person, query: str) -> Iterator[Any]:
    cursor = ""
    while True:
        answer = ask(manager, query + cursor)
        assert answer.status == 200, answer.text
        yield answer.json
        if answer.json["next_cursor"] is None:
            return
        cursor = f"&cursor={answer.json['next_cursor']}"


def expected(products: int) -> list[dict[str, Any]]:
    """Returns the expected rows, by the products' ids."""
    series = []
    for number in range(products):
        total = Counter[str]()
        for day in DAYS:
            total.update(sum_of(day.isoformat(), number))
        amounts = {"orders": total["orders"], "units": total["units"], "revenue": to_text(total["revenue"])}
        series.append({"key": f"PRODUCT{number:013d}", "sku": None, "name": None, **amounts})
    return series


def test_186000_sums_are_added_up_by_a_call_a_day_in_memory_for_the_products_alone(
    manager: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Counted, not timed: tracing memory takes several times as long, and the machine may be busy.
    monkeypatch.setattr(clock, "monotonic", lambda: 0.0)
    ask(manager, f"from={LAST}&to={LAST}")  # the modules that a function imports at its first request
    sums = ManySums(6000)

    tracemalloc.start()
    with intercepted(sums.plan) as made:
        answer = ask(manager, SPAN)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert answer.status == 200, answer.text
    assert sorted(answer.json["series"], key=lambda it: it["key"]) == expected(6000)
    assert (len(made), sums.queries) == (CALLS_BESIDE + 31 + 1, 31), "and one for the products' names"
    assert peak < 60_000_000, "the rows alone would be 200 MB"


def test_pages_have_the_same_by_id_with_a_call_a_day_each(manager: Person) -> None:
    sums = ManySums(2500)

    with intercepted(sums.plan) as made:
        found = list(pages(manager, f"{SPAN}&limit=1000"))

    assert [len(it["series"]) for it in found] == [1000, 1000, 500]
    assert [row for it in found for row in it["series"]] == expected(2500)
    assert len(made) == 3 * (CALLS_BESIDE + 31)


def test_a_report_too_large_for_one_answer_is_refused_with_an_alternative(
    manager: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product_sums, "MAX_SUMS", 480)
    sums = ManySums(200, rows=10)

    with intercepted(sums.plan):
        whole = ask(manager, SPAN)
        queries = sums.queries
        page = ask(manager, f"{SPAN}&limit=5")

    assert places(whole) == {"?limit"}
    assert "limit and cursor" in whole.json["errors"][0]["detail"]
    assert 480 / 10 < queries <= 480 / 10 + 8, "it stops after the answers that were under way"
    assert len(page.json["series"]) == 5


def test_too_many_categories_are_refused_with_the_way_to_get_them(
    manager: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product_sums, "MAX_SUMS", 48)
    sums = ManySums(50, rows=1)

    with intercepted(sums.plan):
        answer = ask(manager, f"from={FIRST}&to={LAST}&group_by=category")

    assert places(answer) == {"?to"}
    assert sums.queries == 49


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_f21_pages_equal_a_sum_straight_from_the_orders(manager: Person, limit: int) -> None:
    orders = list(Past(number=200, days=31, last=LAST, customers=["C"]).orders())
    for batch in batched(events_of_orders(orders), 100, strict=False):
        assert aggregate(batch) == []

    _assert_pages_equal(orders, manager, limit)


def test_f21_sums_of_an_earlier_version_are_shown(manager: Person) -> None:
    orders = list(Past(number=200, days=31, last=LAST, customers=["C"]).orders())
    store_as_earlier(chunk for it in orders for chunk in order_sums.contribution(CountedOrder.of(it)))

    _assert_pages_equal(orders, manager, 1000)
    by_category = ask(manager, f"from={FIRST}&to={LAST}&group_by=category").json
    assert by_category == Sold(orders, FIRST, LAST).by_line(lambda line: line.category)


def _assert_pages_equal(orders: list[Order], manager: Person, limit: int) -> None:
    found = list(pages(manager, f"{SPAN}&limit={limit}"))

    whole = Sold(orders, FIRST, LAST).by_line(lambda line: line.product_id)
    assert [row for it in found for row in it["series"]] == sorted(whole["series"], key=lambda it: it["key"])
    assert all(it | {"series": 0, "next_cursor": 0} == whole | {"series": 0, "next_cursor": 0} for it in found)


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("group_by=day&limit=5", "?limit"),
        ("group_by=category&limit=5", "?limit"),
        ("group_by=product&limit=0", "?limit"),
        ("group_by=product&limit=1001", "?limit"),
        ("group_by=product&limit=5&cursor=x", "?cursor"),
    ],
)
def test_paging_of_a_series_without_pages_is_refused(manager: Person, query: str, wrong: str) -> None:
    assert places(ask(manager, f"from={FIRST}&to={LAST}&{query}")) == {wrong}


def test_a_cursor_goes_with_its_own_query(manager: Person) -> None:
    with intercepted(ManySums(3).plan):
        cursor = ask(manager, f"{SPAN}&limit=1").json["next_cursor"]

        assert places(ask(manager, f"{SPAN}&cursor={cursor}")) == {"?limit"}
        assert places(ask(manager, f"from={FIRST}&to=2026-01-30&group_by=product&limit=1&cursor={cursor}")) == {
            "?cursor"
        }
