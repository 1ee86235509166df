"""Lists of orders: scopes, filters and pages."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from threading import Event
from typing import Any

import pytest

from oms.core import clock
from oms.identity import tokens
from tests.support.aws_calls import Call, intercepted
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer, Person

ORDERS = "/api/v1/orders"
type Place = Callable[..., Answer]
type Move = Callable[[timedelta], None]


def listed(who: Person, query: str = "") -> list[str]:
    answer = call("GET", f"{ORDERS}?{query}", token=who.token)
    assert answer.status == 200, answer.text
    assert answer.json["next_cursor"] is None
    return [order["id"] for order in answer.json["items"]]


def with_fresh_token(who: Person) -> Person:
    token = tokens.issue(user_id=who.id, session_id=who.session_id, role=who.role, now=clock.now())
    return replace(who, token=token)


def page(who: Person, query: str) -> tuple[list[str], str | None]:
    answer = call("GET", f"{ORDERS}?{query}", token=who.token)
    assert answer.status == 200, answer.text
    return [order["id"] for order in answer.json["items"]], answer.json["next_cursor"]


@pytest.fixture
def placed(order: Place, time_machine: Move) -> Callable[..., dict[str, Any]]:
    """A factory of orders, each a minute after the last."""

    def make(buyer: Person) -> dict[str, Any]:
        time_machine(timedelta(minutes=1))
        return dict(order(buyer).json)

    return make


def test_a_customer_sees_their_own_newest_first(
    person: Callable[..., Person], placed: Callable[..., dict[str, Any]]
) -> None:
    one, other = person(), person()
    mine = [placed(one)["id"], placed(one)["id"]]
    placed(other)

    assert listed(one) == [mine[1], mine[0]]


def test_a_manager_sees_all_or_one_customers(
    person: Callable[..., Person], manager: Person, placed: Callable[..., dict[str, Any]]
) -> None:
    one, other = person(), person()
    orders = [placed(buyer)["id"] for buyer in (one, other, one)]

    assert listed(manager) == orders[::-1]
    assert listed(manager, f"customer_id={one.id}") == [orders[2], orders[0]]
    assert listed(manager, "customer_id=nobody") == []


BY_STATUS: list[tuple[str, list[int]]] = [
    ("pending", [3, 0]),
    ("confirmed", [1]),
    ("cancelled", [2]),
    ("pending,confirmed", [3, 1, 0]),
    ("cancelled,pending", [3, 2, 0]),
    ("shipped,delivered,returned,expired", []),
    ("confirmed,confirmed", [1]),
]


def test_a_status_filter_takes_any_of_several(
    customer: Person, manager: Person, placed: Callable[..., dict[str, Any]], subtests: pytest.Subtests
) -> None:
    orders = [placed(customer)["id"] for _ in range(4)]
    call("POST", f"{ORDERS}/{orders[1]}/confirm", token=manager.token)
    call("POST", f"{ORDERS}/{orders[2]}/cancel", token=manager.token)
    for status, expected in BY_STATUS:
        with subtests.test(status):
            wanted = [orders[number] for number in expected]
            assert listed(customer, f"status={status}") == wanted
            assert listed(manager, f"status={status}") == wanted
            assert listed(manager, f"status={status}&customer_id={customer.id}") == wanted


def test_times_are_from_inclusive_and_to_exclusive(
    customer: Person, manager: Person, placed: Callable[..., dict[str, Any]]
) -> None:
    orders = [placed(customer) for _ in range(3)]
    start, end = orders[0]["created_at"], orders[2]["created_at"]

    for who, status in ((customer, ""), (manager, ""), (manager, "&status=pending")):
        assert listed(who, f"from={start}&to={end}{status}") == [orders[1]["id"], orders[0]["id"]]
        assert listed(who, f"from={end}{status}") == [orders[2]["id"]]
        assert listed(who, f"to={start}{status}") == []
        assert listed(who, f"from={start}&to={start}{status}") == []


def test_dates_are_whole_days_both_inclusive(customer: Person, product: Callable[..., str], time_machine: Move) -> None:
    body = {"items": [{"product_id": product(), "quantity": 1}]}
    first = call("POST", ORDERS, body, token=customer.token).json
    time_machine(timedelta(days=2))
    customer = with_fresh_token(customer)
    second = call("POST", ORDERS, body, token=customer.token).json
    days = [date.fromisoformat(order["created_at"][:10]) for order in (first, second)]
    day_between = days[0] + timedelta(days=1)

    assert listed(customer, f"from={days[0]}&to={days[1]}") == [second["id"], first["id"]]
    assert listed(customer, f"from={days[0]}&to={days[0]}") == [first["id"]]
    assert listed(customer, f"from={day_between}&to={day_between}") == []
    assert listed(customer, f"to={day_between}") == [first["id"]]


REFUSED = [
    ("from=2026-02-01&to=2026-01-31", "?to"),
    ("from=2026-02-01T00:00:00Z&to=2026-01-31T00:00:00Z", "?to"),
    ("from=2026-02-01T00:00:00Z&to=2026-01-31", "?to"),
    ("from=soon", "?from"),
    ("to=2026-02-30", "?to"),
    ("from=2026-01-31T09:30:00", "?from"),
    ("status=lost", "?status"),
    ("status=", "?status"),
    ("status=pending,", "?status"),
    ("status=Pending", "?status"),
    ("limit=0", "?limit"),
    ("limit=101", "?limit"),
    ("limit=ten", "?limit"),
    ("limit=1.0", "?limit"),
    ("limit=", "?limit"),
    ("customer_id=", "?customer_id"),
    (f"customer_id={'x' * 129}", "?customer_id"),
    ("sort=total", "?sort"),
    ("cursor=", "?cursor"),
]


def test_a_query_that_says_nothing_sensible_is_refused(manager: Person, subtests: pytest.Subtests) -> None:
    for query, place in REFUSED:
        with subtests.test(query[:60]):
            assert places(call("GET", f"{ORDERS}?{query}", token=manager.token)) == {place}


def test_pages_follow_one_another_to_the_end(customer: Person, placed: Callable[..., dict[str, Any]]) -> None:
    orders = [placed(customer)["id"] for _ in range(5)][::-1]

    first, cursor = page(customer, "limit=2")
    newer = placed(customer)["id"]
    second, cursor = page(customer, f"limit=2&cursor={cursor}")
    third, end = page(customer, f"limit=100&cursor={cursor}")

    assert [*first, *second, *third] == orders
    assert end is None
    assert page(customer, "limit=1")[0] == [newer]


def test_the_default_page_is_20(customer: Person, product: Callable[..., str]) -> None:
    body = {"items": [{"product_id": product(stock=21), "quantity": 1}]}
    for _ in range(21):
        assert call("POST", ORDERS, body, token=customer.token).status == 201

    orders, cursor = page(customer, "")

    assert len(orders) == 20
    assert cursor is not None


def test_a16_a_cursor_is_valid_for_its_user_and_query_only(
    person: Callable[..., Person], manager: Person, placed: Callable[..., dict[str, Any]]
) -> None:
    one, other = person(), person()
    for buyer in (one, one, other, other):
        placed(buyer)
    _, cursor = page(one, "limit=1")
    _, filtered = page(one, "limit=1&status=pending")
    altered = f"{cursor[:-6]}AAAAAA" if cursor else ""

    for who, query in (
        (other, f"cursor={cursor}"),
        (manager, f"cursor={cursor}"),
        (one, f"status=pending&cursor={cursor}"),
        (one, f"cursor={filtered}"),
        (one, f"from=2020-01-01&cursor={cursor}"),
        (one, f"cursor={altered}"),
        (one, f"cursor={cursor}x"),
        (one, "cursor=%00"),
        (one, "cursor=é"),
        (one, f"cursor={'A' * 2001}"),
    ):
        assert places(call("GET", f"{ORDERS}?{query}", token=who.token)) == {"?cursor"}


def test_an_item_of_a_list_is_the_whole_resource(
    customer: Person, manager: Person, placed: Callable[..., dict[str, Any]]
) -> None:
    order = placed(customer)

    assert call("GET", ORDERS, token=customer.token).json["items"] == [order]

    path = f"{ORDERS}/{order['id']}"
    call("POST", f"{path}/confirm", token=manager.token)
    call("POST", f"{path}/ship", {"carrier": "DHL", "tracking_number": "JD0140"}, token=manager.token)
    for who in (customer, manager):
        (shown,) = call("GET", ORDERS, token=who.token).json["items"]
        assert shown == call("GET", path, token=who.token).json
        assert shown["shipment"]["carrier"] == "DHL"


def test_a_list_has_no_version(customer: Person) -> None:
    assert "ETag" not in call("GET", ORDERS, token=customer.token).headers


def test_a_customer_may_not_ask_for_anothers(customer: Person) -> None:
    assert_problem(call("GET", f"{ORDERS}?customer_id={customer.id}", token=customer.token), 403, "forbidden")


def test_an_order_confirmed_between_the_reads_of_two_statuses_is_shown_once(
    customer: Person, manager: Person, order: Place
) -> None:
    placed = order(customer).json
    confirmed = Event()

    def plan(read: Call) -> Any:
        if read.operation != "Query":
            return read.send()
        if read.parameters["ExpressionAttributeValues"][":partition"]["S"].startswith("confirmed"):
            assert confirmed.wait(timeout=10)
            return read.send()
        pending = read.send()
        assert call("POST", f"{ORDERS}/{placed['id']}/confirm", token=manager.token).status == 200
        confirmed.set()
        return pending

    with intercepted(plan) as calls:
        seen = listed(manager, "status=pending,confirmed")

    assert sum(read.operation == "Query" for read in calls) == 2
    assert seen == [placed["id"]]
