"""F13, F14: with lost, repeated or reordered events, the sums end equal to the orders and users."""

import json
from collections.abc import Callable, Iterable
from datetime import date
from itertools import batched, count
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oms.orders.models import Order
from oms.reports import order_sums, sums, user_sums
from oms.reports.order_sums import CountedOrder
from oms.reports.sum_keys import SHARDS, SumKey
from oms.reports.sums import MAX_OPERATIONS, SumAmounts, amounts_in
from oms.reports.user_sums import CountedUser
from tests.support.aws_calls import Call, intercepted
from tests.support.database import table
from tests.support.earlier_sums import store_as_earlier
from tests.support.examples import examples
from tests.support.faults import crashes, failing, lose_answer, reason_at, refuse
from tests.support.invocation import Person
from tests.support.open_order_counts import QueuedEvent, aggregate, counted, forget, set_count
from tests.support.past_orders import Past
from tests.support.past_sales import events_of_orders, widen

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

LAST = date(2028, 3, 1)


@pytest.fixture
def orders(customer: Person, no_sleep: list[float]) -> list[Order]:
    """A few orders of three days, one of them with the maximum number of products and categories."""
    past = Past(number=9, days=3, last=LAST, customers=[customer.id], seed=7)
    found = [*past.orders()]
    widen(max(found, key=lambda it: it.version))
    return found


def widest(orders: list[Order]) -> Order:
    return max(orders, key=lambda it: len(it.lines))


def stored_sums() -> SumAmounts:
    """Returns the stored sums, without those of users."""
    return sums.total({shard.whole: amounts} for shard, amounts in stored_shards().items())


def stored_shards() -> dict[SumKey, dict[str, int]]:
    found = table("reports").items()
    return {SumKey(it["pk"]["S"], it["sk"]["S"]): amounts_in(it) for it in found if it["kind"]["S"] == "sum"}


@pytest.fixture
def spread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt draws from as many shards as its batch has contributions."""
    monkeypatch.setattr(sums, "_CONTRIBUTIONS_PER_SHARD", 1)


def due(orders: Iterable[Order]) -> SumAmounts:
    chunks = [chunk for it in orders for chunk in order_sums.contribution(CountedOrder.of(it))]
    return {key: it for key, it in sums.total(chunk.amounts for chunk in chunks).items() if not key.is_of_user}


@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_f14_doubled_shuffled_and_late_events_give_the_same_sums(
    orders: list[Order], customer: Person, data: st.DataObject
) -> None:
    forget(customer)
    events = events_of_orders(orders)
    again = data.draw(st.lists(st.sampled_from(events), max_size=len(events)), label="doubled")
    arriving = data.draw(st.permutations(events + again), label="arriving")
    size = data.draw(st.integers(1, 100), label="batch size")

    for batch in batched(arriving, size, strict=False):
        assert aggregate(batch) == []

    assert stored_sums() == due(orders)
    assert counted(customer) == sum(it.status in ("pending", "confirmed") for it in orders)


def test_f14_an_event_and_its_order_say_the_same(orders: list[Order]) -> None:
    for order in orders:
        latest = events_of_orders([order])[-1]

        assert CountedOrder.from_event(latest) == CountedOrder.of(order)


@pytest.mark.usefixtures("spread")
def test_f13_a_crash_at_any_call_and_the_batch_again_add_up_once(orders: list[Order], customer: Person) -> None:
    events = events_of_orders(orders)
    wide = widest(orders).id
    earlier = [it for it in events if it["sequence"] == 1 and it["data"]["id"] != wide]
    latest = [it for it in events if it not in earlier]

    def begin() -> list[QueuedEvent]:
        forget(customer)
        assert aggregate(earlier) == []
        return latest

    points = 0
    for name, batch in crashes(begin, aggregate):
        points += 1
        aggregate(batch)
        aggregate(earlier)
        assert stored_sums() == due(orders), name
    assert points >= 6, "a read and two transactions at least"
    assert stored_sums() == due(orders), "the last run made all its calls"


def test_a_batch_is_one_read_and_few_transactions(orders: list[Order]) -> None:
    small = [it for it in orders if len(it.lines) < 90]
    with intercepted() as calls:
        assert aggregate(events_of_orders(small)) == []

    assert [it.operation for it in calls] == ["BatchGetItem", "TransactWriteItems"]


def test_the_widest_order_goes_in_transactions_that_dynamodb_takes(orders: list[Order]) -> None:
    wide = widest(orders)

    with intercepted() as calls:
        assert aggregate(events_of_orders([wide])) == []

    transactions = [it.parameters["TransactItems"] for it in calls if it.operation == "TransactWriteItems"]
    keys = [[json.dumps(next(iter(it.values())).get("Key", 0)) for it in written] for written in transactions]
    assert len(transactions) == 2
    assert all(len(it) <= MAX_OPERATIONS for it in transactions)
    assert all(len(set(it)) >= len(it) - 1 for it in keys), "an item is written once, except the one that is put"
    assert stored_sums() == due([wide])


@pytest.mark.parametrize("failure", [reason_at(1, "TransactionConflict"), failing("ThrottlingException")])
def test_conflicts_and_throttling_pass(orders: list[Order], failure: Callable[[Call], Exception]) -> None:
    with intercepted(refuse("TransactWriteItems", failure, times=3)):
        assert aggregate(events_of_orders(orders)[:10]) == []

    assert stored_sums()


@pytest.mark.usefixtures("spread")
def test_a_lost_answer_is_not_added_again(orders: list[Order]) -> None:
    with intercepted(lose_answer("TransactWriteItems")):
        assert aggregate(events_of_orders(orders)) == []

    assert stored_sums() == due(orders)


@pytest.mark.usefixtures("spread")
def test_f13_another_worker_that_was_faster_makes_it_look_again(orders: list[Order]) -> None:
    order = widest(orders)
    assert order.version > 1
    older, newer = events_of_orders([order])[0], events_of_orders([order])[-1]
    waiting = [newer]

    def plan(call: Call) -> Any:
        if call.operation == "TransactWriteItems" and waiting:
            assert aggregate([waiting.pop()]) == []
        return call.send()

    with intercepted(plan):
        assert aggregate([older]) == []

    assert stored_sums() == due([order])


def test_f16_a_message_that_can_never_be_added_up_is_returned_alone(orders: list[Order]) -> None:
    good, bad = events_of_orders(orders[:2]), events_of_orders(orders[2:3])[-1]
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
    assert stored_sums() == due(orders[:2])


# ---- shards ---------------------------------------------------------------------------------------------------------


def shard_of(key: SumKey) -> int:
    return next(number for number in range(SHARDS) if key.whole.in_shard(number) == key)


def test_a_conflict_is_followed_by_another_draw_of_a_shard(
    orders: list[Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = [3, 5]
    monkeypatch.setattr("random.randrange", lambda most: draws.pop(0) if most == SHARDS else 0)
    many = [it for it in events_of_orders(orders) if it["sequence"] == 1] * 10
    monkeypatch.setattr(sums, "_CONTRIBUTIONS_PER_SHARD", 1)

    with intercepted(refuse("TransactWriteItems", reason_at(1, "TransactionConflict"), times=1)):
        assert aggregate(many) == []

    assert draws == []
    assert {shard_of(key) for key in stored_shards()} == {5}


def test_a_small_batch_writes_shard_0(orders: list[Order]) -> None:
    for batch in batched(events_of_orders(orders), 19, strict=False):
        assert aggregate(batch) == []

    assert {shard_of(key) for key in stored_shards()} == {0}


@pytest.mark.usefixtures("spread")
def test_a_product_or_category_is_in_shards_of_its_day_alone(
    orders: list[Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report reads the days first, and then the products in the same shards."""
    turn = count()
    monkeypatch.setattr(sums, "random", SimpleNamespace(randrange=lambda shards: next(turn) % shards))
    for batch in batched(events_of_orders(orders), 7, strict=False):
        assert aggregate(batch) == []

    stored = stored_shards()
    of_days = {key: day.in_shard(shard_of(key)) for key in stored if (day := key.whole.sum_of_day)}
    assert len({shard_of(key) for key in of_days}) > 1
    assert set(of_days.values()) <= stored.keys()


@pytest.mark.usefixtures("spread")
def test_f14_sums_of_an_earlier_version_continue(orders: list[Order], customer: Person) -> None:
    events = events_of_orders(orders)
    earlier = [it for it in events if it["sequence"] <= 2]
    newest = {it["data"]["id"]: CountedOrder.from_event(it) for it in earlier}
    forget(customer)
    store_as_earlier(chunk for it in newest.values() for chunk in order_sums.contribution(it))
    set_count(customer, sum(it.status in ("pending", "confirmed") for it in newest.values()))

    for batch in batched(events, 7, strict=False):
        assert aggregate(batch) == []

    assert stored_sums() == due(orders)
    assert counted(customer) == sum(it.status in ("pending", "confirmed") for it in orders)


# ---- users ----------------------------------------------------------------------------------------------------------


def user_event(user_id: str, version: int, role: str) -> QueuedEvent:
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
    assert stored_sums() == ({user_sums.USERS: expected} if expected else {})
    assert all(CountedUser.from_event(it).role in user_sums.ROLES for it in events)
