"""The sales report, from its sums, compared with the orders."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import batched
from typing import Any

import pytest

from oms.core import clock
from oms.inventory.models import StockItem
from oms.orders.models import Order
from tests.support.aws_calls import Call, intercepted
from tests.support.database import table
from tests.support.examples import examples
from tests.support.gateway import call, places
from tests.support.invocation import Answer, Person
from tests.support.open_order_counts import aggregate, order_events
from tests.support.past_orders import Past
from tests.support.past_sales import Sold, events_of_orders, store
from tests.support.shop import Shop
from tests.support.streams import streamed

SALES = "/api/v1/reports/sales"
# The last of 400 days with a leap day, two ends of a year, and the end of a week that belongs to the previous year.
LAST = date(2028, 3, 10)
# The entries of a report by product that have the product's SKU and name.
NAMED = 20

type GetReport = Callable[..., Answer]


@pytest.fixture
def get_report(manager: Person) -> GetReport:
    def get(**query: object) -> Answer:
        text = "&".join(f"{name.rstrip('_')}={value}" for name, value in query.items())
        return call("GET", f"{SALES}?{text}" if text else SALES, token=manager.token)

    return get


def summed_up(orders: list[Order], seed: int = 1) -> None:
    """Stores the orders, and gives the aggregator their events in no particular order."""
    store(orders)
    events = events_of_orders(orders)
    random.Random(seed).shuffle(events)
    for batch in batched(events, 50, strict=False):
        assert aggregate(batch) == []


def iso_week(day: str) -> str:
    # Computed differently from the code: the week of the Thursday, counted from its year's first day.
    thursday = date.fromisoformat(day) + timedelta(days=3 - date.fromisoformat(day).weekday())
    return f"{thursday.year}-W{(thursday.timetuple().tm_yday + 6) // 7:02}"


GROUPS: dict[str, Callable[[Sold], Any]] = {
    "day": lambda sold: sold.by_time(lambda day: day),
    "week": lambda sold: sold.by_time(iso_week),
    "month": lambda sold: sold.by_time(lambda day: day[:7]),
    "category": lambda sold: sold.by_line(lambda line: line.category),
    "product": lambda sold: sold.by_line(lambda line: line.product_id),
}

SPANS = {
    "a year with its leap day": (date(2027, 3, 11), LAST),
    "the leap day": (date(2028, 2, 29), date(2028, 2, 29)),
    "around the leap day": (date(2028, 2, 28), date(2028, 3, 1)),
    "a leap February": (date(2028, 2, 1), date(2028, 2, 29)),
    "a February": (date(2027, 2, 5), date(2027, 2, 28)),
    "the end of a year, whose last days are of its week": (date(2027, 12, 20), date(2028, 1, 9)),
    "the day before the year's end": (date(2027, 12, 31), date(2027, 12, 31)),
    "the first day of a year, in a week of the old one": (date(2028, 1, 1), date(2028, 1, 1)),
    "a month's end": (date(2027, 4, 30), date(2027, 5, 1)),
    "the longest by product": (date(2027, 5, 31), date(2027, 6, 30)),
    "before there was anything": (date(2026, 1, 1), date(2026, 1, 31)),
    "when the clocks went forward": (date(2027, 3, 28), date(2027, 3, 28)),
}


@pytest.mark.timeout(600)
def test_f21_every_report_equals_a_sum_straight_from_the_orders(
    get_report: GetReport, person: Callable[..., Person], subtests: pytest.Subtests
) -> None:
    customers = [person("customer").id for _ in range(3)]
    orders = list(Past(number=examples(5000), days=400, last=LAST, customers=customers).orders())
    assert len({it.status for it in orders}) == 7, "all states"
    summed_up(orders)

    for name, (first, last) in SPANS.items():
        sold = Sold(orders, first, last)
        for group, expected in GROUPS.items():
            if group == "product" and (last - first).days > 30:
                continue
            with subtests.test(f"{name}, by {group}"):
                answer = get_report(from_=first, to=last, group_by=group)
                assert answer.status == 200, answer.text
                assert answer.json == expected(sold)


def test_an_empty_span_has_every_day_with_zeros(get_report: GetReport) -> None:
    report = get_report(from_="2026-02-27", to="2026-03-01").json

    nothing = {"orders": 0, "units": 0, "revenue": "0.00"}
    days = ("2026-02-27", "2026-02-28", "2026-03-01")
    assert report["series"] == [{"key": day, "sku": None, "name": None, **nothing} for day in days]
    assert report["totals"] == {
        **nothing,
        "shipping": "0.00",
        "average_order_value": "0.00",
        "cancelled": 0,
        "returned": 0,
        "pending": 0,
    }
    assert get_report(from_="2026-02-27", to="2026-03-01", group_by="product").json["series"] == []


def test_the_default_is_the_last_thirty_days(monkeypatch: pytest.MonkeyPatch, person: Callable[..., Person]) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 11, 23, 12, tzinfo=UTC))
    token = person("manager").token

    reports = [call("GET", f"{SALES}{query}", token=token).json for query in ("", "?to=2026-03-01", "?from=2026-11-20")]
    asked = [(it["from"], it["to"]) for it in reports]

    assert asked == [("2026-10-25", "2026-11-23"), ("2026-01-31", "2026-03-01"), ("2026-11-20", "2026-11-23")]


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ({"from_": "2026-01-02", "to": "2026-01-01"}, "?to"),
        ({"from_": "2026-01-01", "to": "2027-01-02"}, "?to"),
        ({"from_": "2026-01-01", "to": "2026-02-01", "group_by": "product"}, "?to"),
        ({"from_": "2020-01-01"}, "?to"),
        ({"from_": "2026-1-1"}, "?from"),
        ({"from_": "20260101"}, "?from"),
        ({"from_": "2026-W01-1"}, "?from"),
        ({"to": "2026-02-29"}, "?to"),
        ({"to": "2026-01-01T00:00:00Z"}, "?to"),
        ({"to": ""}, "?to"),
        ({"group_by": "year"}, "?group_by"),
        ({"group_by": "day,week"}, "?group_by"),
        ({"page": "1"}, "?page"),
    ],
)
def test_a_span_or_a_grouping_that_cannot_be_is_refused(
    get_report: GetReport, query: dict[str, str], wrong: str
) -> None:
    assert places(get_report(**query)) == {wrong}


@pytest.mark.parametrize(
    "query",
    [
        {"from_": "2027-03-01", "to": "2028-02-29"},
        {"from_": "2026-01-01", "to": "2026-01-31", "group_by": "product"},
        {"to": "0001-01-05"},
        {"from_": "9999-12-01", "to": "9999-12-31", "group_by": "week"},
    ],
)
def test_the_longest_spans_and_the_ends_of_time_are_answered(get_report: GetReport, query: dict[str, str]) -> None:
    assert get_report(**query).status == 200


def test_an_average_is_rounded_to_the_even_minor_unit(get_report: GetReport) -> None:
    day = date(2026, 5, 4)
    averages = []
    for first, second in ((100, 101), (101, 102), (100, 102)):
        for order, total in zip(Past(number=2, days=1, last=day).orders(), (first, second), strict=True):
            order.total, order.id = total, f"{order.id}-{day}"
            order.created_at = f"{day}T10:00:00.000Z"
            order.history, order.version, order.status = order.history[:1], 1, "pending"
            summed_up([order])
        averages.append(get_report(from_=day, to=day).json["totals"]["average_order_value"])
        day += timedelta(days=1)

    assert averages == ["1.00", "1.02", "1.01"]


def test_an_order_moves_from_one_figure_to_another(get_report: GetReport) -> None:
    """A cancelled order, with its shipping, leaves every sum and is counted as cancelled."""
    (order,) = Past(number=1, days=1, last=LAST, seed=3).orders()
    order.history = order.history[:1]
    order_events = events_of_orders([order])
    ended = [
        order_events[0]
        | {"sequence": 2, "type": "order.cancelled", "data": order_events[0]["data"] | {"status": "cancelled"}}
    ]
    figures = []
    for batch in (order_events, ended):
        assert aggregate(batch) == []
        totals = get_report(from_=LAST, to=LAST).json["totals"]
        figures.append([totals[it] for it in ("orders", "pending", "cancelled", "revenue", "shipping")])

    by_category = get_report(from_=LAST, to=LAST, group_by="category").json["series"]
    assert figures == [
        [1, 1, 0, order_events[0]["data"]["total"], order_events[0]["data"]["shipping_cost"]],
        [0, 0, 1, "0.00", "0.00"],
    ]
    assert by_category == []


def of_inventory(calls: list[Call]) -> list[Call]:
    return [it for it in calls if "inventory" in it.parameters.get("RequestItems", {})]


def test_the_products_with_the_most_revenue_have_their_sku_and_name(
    manager: Person, customer: Person, get_report: GetReport
) -> None:
    shop = Shop(customer, manager)
    products = [shop.product(5, price=f"{number + 1}.00") for number in range(NAMED + 2)]
    with streamed("orders") as records:
        assert shop.buy(dict.fromkeys(products, 1)).status == 201
    assert aggregate(order_events(records)) == []
    archived, removed = products[-1], products[-2]
    assert shop.manage("PATCH", f"products/{archived}", {"status": "archived", "name": "Old"}).status == 200
    table("inventory").delete(*StockItem.key(removed))

    with intercepted() as calls:
        series = get_report(group_by="product").json["series"]

    assert [it["key"] for it in series] == products[::-1]
    assert [(it["sku"], it["name"]) for it in series[:3]] == [
        (archived, "Old"),
        (None, None),
        (products[-3], "Product"),
    ]
    assert [it["sku"] for it in series[3:]] == [*products[-4:1:-1], None, None]
    assert [(it.operation, len(it.parameters["RequestItems"]["inventory"]["Keys"])) for it in of_inventory(calls)] == [
        ("BatchGetItem", NAMED)
    ]
    for query in ({"group_by": "product", "limit": 5}, {"group_by": "category"}, {}):
        with intercepted() as calls:
            series = get_report(**query).json["series"]
        assert {(it["sku"], it["name"]) for it in series} == {(None, None)}
        assert of_inventory(calls) == []
