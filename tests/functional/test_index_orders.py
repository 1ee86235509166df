"""`make index-orders`: finds the orders that a list by status or a search lacks, and adds them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest

from oms.commands.index_orders import index_orders
from oms.core.dynamodb import update_item
from oms.orders.models import Order
from oms.search.terms import TermKind, terms_of
from tests.support.aws_calls import Call, intercepted
from tests.support.database import table
from tests.support.gateway import call
from tests.support.invocation import Person
from tests.support.past_orders import Past
from tests.support.past_sales import store

ORDERS = "/api/v1/orders"
LAST = date(2026, 1, 10)


@pytest.fixture
def orders(cloud: None) -> list[Order]:
    """Orders of an earlier version: only the open ones are in a list of their status, and none by customer."""
    made = list(Past(number=150, days=10, last=LAST).orders())
    for order in made:
        order.customer_status = None
        if order.status not in ("pending", "confirmed"):
            order.status_shard = None
    store(made)
    return made


def run(*, fix: bool = True, terms: bool = True, first: date | None = None, last: date | None = None) -> list[str]:
    said: list[str] = []
    done = index_orders(first, last, shards=1, fix=fix, terms=terms, say=said.append)
    assert done == said[-1].startswith("All ")
    return said


def listed(manager: Person, query: str) -> set[str]:
    found, cursor = set(), ""
    while True:
        page = call("GET", f"{ORDERS}?{query}&limit=100{cursor}", token=manager.token).json
        found |= {order["id"] for order in page["items"]}
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def test_orders_of_an_earlier_version_get_into_the_lists(orders: list[Order], manager: Person) -> None:
    assert run(fix=False, terms=False)[-1] == "150 differences are left in 150 orders."
    assert run(fix=False)[-1] == "300 differences are left in 150 orders."
    assert run()[-1] == "All 150 orders are found."
    assert run() == ["All 150 orders are found."]

    for status in ("pending", "delivered", "expired"):
        wanted = {it.id for it in orders if it.status == status}
        of_one = {it.id for it in orders if it.status == status and it.customer_id == "customer-1"}
        assert listed(manager, f"status={status}") == wanted
        assert listed(manager, f"status={status}&customer_id=customer-1") == of_one


def test_it_compares_only_the_orders_of_the_days(orders: list[Order]) -> None:
    day = date(2026, 1, 9)
    number = sum(it.created_at.startswith("2026-01-09") for it in orders)

    assert run(first=day, last=day)[-1] == f"All {number} orders are found."
    assert run(fix=False)[-1] == f"{2 * (150 - number)} differences are left in 150 orders."


@contextmanager
def moved_meanwhile(order_id: str) -> Iterator[None]:
    """Moves the order after the command has read it, as a version does that does not know the attributes."""

    def plan(made: Call) -> object:
        answer = made.send()
        if made.operation == "BatchGetItem" and order_id in str(made.parameters):
            update_item(Order(order_id), [Order.status.set("returned")])
        return answer

    with intercepted(plan):
        yield


def test_an_order_that_moved_meanwhile_is_left_for_the_next_run(orders: list[Order]) -> None:
    moved = next(it for it in orders if it.status == "delivered")
    with moved_meanwhile(moved.id):
        assert run()[-1] == "1 differences are left in 150 orders."
    assert "status_shard" not in (table("orders").get(moved.id) or {})

    assert run()[0] == f"order {moved.id}: not in the list of its status; repaired"
    assert (table("orders").get(moved.id) or {})["open_shard"] == {"S": "returned#0"}


def test_missing_terms_are_named_and_stored(orders: list[Order], manager: Person) -> None:
    run()
    shipped = next(it for it in orders if it.shipment is not None)
    for term in terms_of(shipped):
        if term.kind is not TermKind.NUMBER:
            table("search").delete(*term.key)

    assert run(fix=False)[0] == f"order {shipped.id}: not found by sku, tracking"
    assert run()[0] == f"order {shipped.id}: not found by sku, tracking; repaired"
    assert run() == ["All 150 orders are found."]
    assert listed(manager, f"sku={shipped.lines[0].sku}") >= {shipped.id}


def test_an_order_that_the_finder_may_still_process_is_not_compared(cloud: None, order: Any, customer: Person) -> None:
    order(customer)

    assert run(fix=False) == ["All 1 orders are found."]
