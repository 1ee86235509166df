"""F13, F14: whatever becomes of the events on their way, the sums end as the orders and users are."""

import json
from collections.abc import Callable, Iterable
from datetime import date
from itertools import batched
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oms.orders.models import Order
from oms.reports import order_sums, sums, user_sums
from oms.reports.order_sums import CountedOrder
from oms.reports.sums import MAX_OPERATIONS, Amounts, SumKey, amounts_in
from oms.reports.user_sums import CountedUser
from tests.support.aws_calls import Call, intercepted
from tests.support.database import table
from tests.support.examples import examples
from tests.support.faults import crashes, failing, lose_answer, reason_at, refuse
from tests.support.invocation import Person
from tests.support.open_order_counts import Told, aggregate, counted, forget
from tests.support.past_orders import Past
from tests.support.past_sales import told_of, widen

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

LAST = date(2028, 3, 1)


@pytest.fixture
def orders(customer: Person, no_sleep: list[float]) -> list[Order]:
    """A few of three days, one of them with as many products and categories as an order may have."""
    past = Past(number=9, days=3, last=LAST, customers=[customer.id], seed=7)
    found = [*past.orders()]
    widen(max(found, key=lambda it: it.version))
    return found


def widest(orders: list[Order]) -> Order:
    return max(orders, key=lambda it: len(it.lines))


def standing() -> Amounts:
    """The sums that are stored, without those of users."""
    found = table("reports").items()
    raw = {SumKey(it["pk"]["S"], it["sk"]["S"]): amounts_in(it) for it in found if it["kind"]["S"] == "sum"}
    return sums.without_zeros(raw)


def due(orders: Iterable[Order]) -> Amounts:
    chunks = [chunk for it in orders for chunk in order_sums.contribution(CountedOrder.of(it))]
    return {key: it for key, it in sums.total(chunk.amounts for chunk in chunks).items() if not key.is_of_user}


@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_f14_doubled_shuffled_and_late_events_give_the_same_sums(
    orders: list[Order], customer: Person, data: st.DataObject
) -> None:
    forget(customer)
    events = told_of(orders)
    again = data.draw(st.lists(st.sampled_from(events), max_size=len(events)), label="doubled")
    arriving = data.draw(st.permutations(events + again), label="arriving")
    size = data.draw(st.integers(1, 10), label="batch size")

    for batch in batched(arriving, size, strict=False):
        assert aggregate(batch) == []

    assert standing() == due(orders)
    assert counted(customer) == sum(it.status in ("pending", "confirmed") for it in orders)


def test_f14_what_an_event_says_and_what_its_order_says_is_the_same(orders: list[Order]) -> None:
    for order in orders:
        latest = told_of([order])[-1]

        assert CountedOrder.from_event(latest) == CountedOrder.of(order)


def test_f13_a_crash_at_any_call_and_the_batch_again_add_up_once(orders: list[Order], customer: Person) -> None:
    events = told_of(orders)
    wide = widest(orders).id
    earlier = [it for it in events if it["sequence"] == 1 and it["data"]["id"] != wide]
    latest = [it for it in events if it not in earlier]

    def begin() -> list[Told]:
        forget(customer)
        assert aggregate(earlier) == []
        return latest

    points = 0
    for name, batch in crashes(begin, aggregate):
        points += 1
        aggregate(batch)
        aggregate(earlier)
        assert standing() == due(orders), name
    assert points >= 6, "a read and two transactions at least"
    assert standing() == due(orders), "the last run made all its calls"


def test_a_batch_is_one_read_and_few_transactions(orders: list[Order]) -> None:
    small = [it for it in orders if len(it.lines) < 90]
    with intercepted() as calls:
        assert aggregate(told_of(small)) == []

    assert [it.operation for it in calls] == ["BatchGetItem", "TransactWriteItems"]


def test_the_widest_order_goes_in_transactions_that_dynamodb_takes(orders: list[Order]) -> None:
    wide = widest(orders)

    with intercepted() as calls:
        assert aggregate(told_of([wide])) == []

    transactions = [it.parameters["TransactItems"] for it in calls if it.operation == "TransactWriteItems"]
    keys = [[json.dumps(next(iter(it.values())).get("Key", 0)) for it in written] for written in transactions]
    assert len(transactions) == 2
    assert all(len(it) <= MAX_OPERATIONS for it in transactions)
    assert all(len(set(it)) >= len(it) - 1 for it in keys), "an item is written once, but for the one that is put"
    assert standing() == due([wide])


@pytest.mark.parametrize("failure", [reason_at(1, "TransactionConflict"), failing("ThrottlingException")])
def test_conflicts_and_throttling_pass(orders: list[Order], failure: Callable[[Call], Exception]) -> None:
    with intercepted(refuse("TransactWriteItems", failure, times=3)):
        assert aggregate(told_of(orders)[:10]) == []

    assert standing()


def test_a_lost_answer_is_not_added_again(orders: list[Order]) -> None:
    with intercepted(lose_answer("TransactWriteItems")):
        assert aggregate(told_of(orders)) == []

    assert standing() == due(orders)


def test_f13_another_worker_that_was_faster_makes_it_look_again(orders: list[Order]) -> None:
    order = widest(orders)
    assert order.version > 1
    older, newer = told_of([order])[0], told_of([order])[-1]
    waiting = [newer]

    def plan(call: Call) -> Any:
        if call.operation == "TransactWriteItems" and waiting:
            assert aggregate([waiting.pop()]) == []
        return call.send()

    with intercepted(plan):
        assert aggregate([older]) == []

    assert standing() == due([order])


def test_f16_what_can_never_be_added_up_comes_back_alone(orders: list[Order]) -> None:
    good, bad = told_of(orders[:2]), told_of(orders[2:3])[-1]
    wrong = [
        "no event",
        {},
        bad | {"type": "stock.low"},
        bad | {"data": bad["data"] | {"status": "lost"}},
        bad | {"data": bad["data"] | {"total": "1.234"}},
        {"type": "user.role_changed", "sequence": 2, "data": {"id": "u", "role": "king"}},
    ]

    back = aggregate([*wrong, *good])

    assert back == [str(place) for place in range(len(wrong))]
    assert standing() == due(orders[:2])


# ---- users ----------------------------------------------------------------------------------------------------------


def user_event(user_id: str, version: int, role: str) -> Told:
    kind = "user.registered" if version == 1 else "user.role_changed"
    return {"type": kind, "sequence": version, "data": {"id": user_id, "role": role, "status": "active"}}


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_f14_users_count_once_with_the_role_they_have(no_sleep: list[float], cloud: None, data: st.DataObject) -> None:
    forget()
    ways = data.draw(st.lists(st.lists(st.sampled_from(user_sums.ROLES), min_size=1, max_size=4), max_size=5))
    events = [user_event(f"u{n}", version, role) for n, way in enumerate(ways) for version, role in enumerate(way, 1)]
    arriving = data.draw(st.permutations(events * 2), label="arriving")

    for batch in batched(arriving, 3, strict=False):
        assert aggregate(batch) == []

    roles = [way[-1] for way in ways]
    expected = {role: roles.count(role) for role in user_sums.ROLES if role in roles}
    assert standing() == ({user_sums.USERS: expected} if expected else {})
    assert all(CountedUser.from_event(it).role in user_sums.ROLES for it in events)
