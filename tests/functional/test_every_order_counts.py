"""Every accepted order is counted, at any total: in every report, in every currency, in each export."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from oms.commands import rebuild_reports as rebuild
from oms.core import clock
from oms.core.money import MAX_MINOR_UNITS, MAX_TOTAL_MINOR_UNITS, from_text, to_text
from oms.orders.schemas import MAX_LINES
from tests.support.database import DATABASE
from tests.support.deployment import CURRENCIES, deployed_with
from tests.support.examples import examples
from tests.support.exports import exported
from tests.support.gateway import call, places
from tests.support.invocation import Answer, Person
from tests.support.open_order_counts import aggregate, counted, order_events
from tests.support.orders import ORDERS, post
from tests.support.shop import Shop, new_process
from tests.support.stock_sums import totals_of_the_stock
from tests.support.streams import run_bookkeeper, streamed

SALES, STATS = "/api/v1/reports/sales", "/api/v1/admin/stats"
MOST_UNITS = 10_000


class Line(NamedTuple):
    """A price in minor units and a quantity; `items` of the request name the product, as one item may have
    `MOST_UNITS`.
    """

    price: int
    quantity: int
    items: int = 1

    @property
    def total(self) -> int:
        return self.price * self.quantity * self.items


class Wanted(NamedTuple):
    lines: list[Line]
    shipping: int = 0

    @property
    def total(self) -> int:
        return sum(line.total for line in self.lines) + self.shipping


# Of the whole range, and near the limits.
amounts = st.one_of(
    st.integers(0, MAX_MINOR_UNITS),
    st.integers(0, 5000),
    st.sampled_from([1, MAX_MINOR_UNITS - 1, MAX_MINOR_UNITS, 2**31, 2**32 - 1]),
)
lines = st.builds(Line, amounts, st.integers(1, MOST_UNITS) | st.just(MOST_UNITS), st.integers(1, 9))
wanted = st.builds(Wanted, st.lists(lines, min_size=1, max_size=3), amounts)

LARGEST = Wanted([Line(MAX_MINOR_UNITS, 1000)])
SEEN_LOST = Wanted([Line(1_000_200_000_000 // 10_000, 10_000)])


@pytest.fixture(params=sorted(CURRENCIES))
def currency(cloud: None, request: pytest.FixtureRequest) -> Iterator[str]:
    with deployed_with(CURRENCY=request.param, SHIPPING_MAX="0"):
        yield request.param


@pytest.mark.timeout(600)
def test_f21_every_order_that_is_accepted_is_counted_in_every_report(
    currency: str, files: None, customer: Person, manager: Person, admin: Person
) -> None:
    empty = DATABASE.state()

    @hypothesis_settings(
        max_examples=examples(20),
        phases=[Phase.explicit, Phase.generate],  # an example takes too long to shrink
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.lists(wanted, min_size=1, max_size=3))
    @example([LARGEST, SEEN_LOST])
    def check(orders: list[Wanted]) -> None:
        DATABASE.become(empty)
        new_process()
        shop = Shop(customer, manager)
        with streamed("orders") as changes, streamed() as stock_changes:
            made = [it for it in orders if _accepted(shop, it)]
        assert aggregate(order_events(changes)) == [], "no message fails"
        run_bookkeeper(stock_changes)
        assert made == [it for it in orders if it.total <= MAX_TOTAL_MINOR_UNITS]
        _assert_counted(made, manager, admin)

    check()


def _accepted(shop: Shop, wanted: Wanted) -> bool:
    """Places an order, and returns whether it was accepted; otherwise it was refused for its total, and not stored."""
    bought = [(_on_sale(shop, it), it.quantity) for it in wanted.lines]
    items = [pair for pair, line in zip(bought, wanted.lines, strict=True) for _ in range(line.items)]
    answer = post(shop.manager, *items, shipping_cost=to_text(wanted.shipping))
    if answer.status == 422:
        assert places(answer) == {"#/items"}
        return False
    assert answer.status == 201, answer.text
    assert answer.json["total"] == to_text(wanted.total)
    return True


def _on_sale(shop: Shop, line: Line) -> str:
    text = {"sku": clock.random_id(), "name": "A", "category": "A", "price": to_text(line.price)}
    made = shop.manage("POST", "products", text | {"stock": line.quantity * line.items})
    assert made.status == 201, made.text
    return str(made.json["id"])


def _assert_counted(made: list[Wanted], manager: Person, admin: Person) -> None:
    revenue = to_text(sum(it.total for it in made))
    goods = sum(line.total for it in made for line in it.lines)
    units = sum(line.quantity * line.items for it in made for line in it.lines)
    for group in ("day", "week", "month", "product", "category"):
        report = call("GET", f"{SALES}?group_by={group}", token=manager.token).json
        totals = report["totals"]
        assert (totals["orders"], totals["units"], totals["revenue"]) == (len(made), units, revenue)
        by_line = group in ("product", "category")
        assert sum(from_text(it["revenue"]) for it in report["series"]) == (goods if by_line else from_text(revenue))
        assert sum(it["units"] for it in report["series"]) == units
    shown = call("GET", STATS, token=admin.token).json
    assert (shown["orders"]["pending"], shown["revenue"]["today"]) == (len(made), revenue)
    assert counted(manager) == len(made)
    assert _stock_value(manager) == to_text(totals_of_the_stock()["value"])
    assert sum(from_text(it["line_total"]) for it in exported(manager)) == goods
    assert sum(from_text(it["revenue"]) for it in exported(manager, report="sales")) == from_text(revenue)
    found = rebuild.check_day(report["to"], shards=1)
    assert not found.differences
    assert not found.moving


def _stock_value(manager: Person) -> Any:
    return call("GET", "/api/v1/reports/inventory", token=manager.token).json["totals"]["value"]


# ---- the limit ------------------------------------------------------------------------------------------------------


def ordered(buyer: Person, product_id: str, *, path: str = ORDERS) -> Answer:
    """Posts 1,000 units in one item; with the shipping of `buyer` they are at the limit or one minor unit above it."""
    items = [{"product_id": product_id, "quantity": 1000}]
    return call("POST", path, {"items": items}, token=buyer.token)


@pytest.mark.parametrize("path", [ORDERS, f"{ORDERS}/quote"])
def test_an_order_has_the_limit_of_its_currency_and_the_refusal_says_so(
    currency: str, customer: Person, manager: Person, path: str
) -> None:
    shop = Shop(customer, manager)
    dear, cheap = shop.product(MOST_UNITS, price=to_text(MAX_MINOR_UNITS)), shop.product(price=to_text(1))
    most = [{"product_id": dear, "quantity": 1000}]
    more = [*most, {"product_id": cheap, "quantity": 1}]

    taken, refused = (call("POST", path, {"items": items}, token=customer.token) for items in (most, more))

    limit = "1" + "0" * (15 - CURRENCIES[currency]) + ("." + "0" * CURRENCIES[currency] if CURRENCIES[currency] else "")
    assert taken.json["total"] == limit
    assert places(refused) == {"#/items"}
    (error,) = refused.json["errors"]
    assert f"at most {limit} {currency} " in error["detail"]
    assert f"cost {to_text(10**15 + 1)} {currency}" in error["detail"]


def test_ordinary_orders_of_the_currencies_with_the_smallest_units_pass(
    cloud: None, customer: Person, manager: Person, subtests: pytest.Subtests
) -> None:
    """A hundred pieces of about 10,000 to 100,000 dollars each: one piece has up to 10**12 minor units."""
    for currency, amount in {"IRR": 10_000_000_000, "LBP": 9_000_000_000, "IDR": 1_600_000_000}.items():
        with subtests.test(currency), deployed_with(CURRENCY=currency, SHIPPING_MAX="0"):
            shop = Shop(customer, manager)
            bought = shop.product(100, price=str(amount))

            with streamed("orders") as changes:
                answer = shop.buy({bought: 100})

            assert answer.json["total"] == f"{amount * 100}.00"
            assert aggregate(order_events(changes)) == []


def test_an_order_of_as_many_units_as_a_request_can_name_is_counted(
    cloud: None, customer: Person, manager: Person
) -> None:
    shop = Shop(customer, manager)
    many = shop.product(MAX_LINES * MOST_UNITS, price="0.01")

    with streamed("orders") as changes:
        answer = post(manager, *[(many, MOST_UNITS)] * MAX_LINES)

    assert answer.json["items"][0]["quantity"] == 900_000
    assert aggregate(order_events(changes)) == []
    assert call("GET", SALES, token=manager.token).json["totals"]["units"] == 900_000
