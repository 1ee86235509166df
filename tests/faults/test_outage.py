"""F26: after an outage there are 180,000 overdue holds, simulated with a table in memory and calls of 10 ms each."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from oms.core import clock
from oms.orders import expiry
from oms.orders.expiry import SweepResult
from oms.orders.models import HistoryEntry, Order, OrderLine
from tests.support.aws_calls import Call, intercepted
from tests.support.big_table import BigTable, RawItem
from tests.support.faults import Reason, cancelled, conflicted

HOLDS = 180_000
PAGE = 100
# Of 10 ms each: the number of calls in a worker's minute.
CALLS = 6_000


def overdue(count: int) -> list[RawItem]:
    """Returns pending orders, 100 of them placed in each second, the youngest an hour ago."""
    first = clock.now() - timedelta(hours=1, milliseconds=10 * count)
    pattern = an_order().serialize()
    made = []
    for number in range(count):
        order_id = f"{number:020d}"
        at = {"S": clock.timestamp(first + timedelta(milliseconds=10 * number))}
        created_key = {"S": f"{at['S']}#{order_id}"}
        made.append({**pattern, "id": {"S": order_id}, "created_at": at, "expires_at": at, "created_key": created_key})
    return made


def an_order() -> Order:
    at = clock.timestamp(clock.now())
    entry = HistoryEntry(to="pending", at=at, actor_id="c", actor_role="customer", key="k", request_hash="h")
    line = {"product_id": "P", "sku": "P", "name": "Saw", "quantity": 1, "unit_price": 5}
    return Order(
        id="-",
        number="-",
        customer_id="c",
        status="pending",
        lines=[OrderLine(**line, drawn=[{"shard": 0, "quantity": 1}])],
        subtotal=5,
        shipping_cost=0,
        total=5,
        currency="EUR",
        created_at=at,
        updated_at=at,
        expires_at=at,
        version=1,
        history=[entry],
        request_hash="none",
        created_key=at,
        shard="all#0",
        status_shard="pending#0",
        customer_status="c#pending",
    )


@dataclass
class Outage:
    """The orders table of a shop that was down, seen through an index that lags two reads (a page of holds) behind."""

    holds: int
    ended: list[str] = field(default_factory=list)
    made: Counter[str] = field(default_factory=Counter)
    before_write: Callable[[int], None] = lambda _: None
    contended: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.orders = BigTable("orders", overdue(self.holds), lag=2)

    def plan(self, call: Call) -> Any:
        self.made[call.operation] += 1
        if call.operation == "TransactWriteItems":
            return self._expire(call)
        if call.operation == "GetItem":
            return {"Item": self.orders.get(call.parameters["Key"]["id"]["S"])}
        return self.orders.plan(call)

    def _expire(self, call: Call) -> Any:
        update, *stock = [operation["Update"] for operation in call.parameters["TransactItems"]]
        order_id = update["Key"]["id"]["S"]
        if order_id in self.contended:
            raise conflicted(call)
        self.before_write(len(self.ended))
        order = self.orders.get(order_id)
        if order["status"]["S"] != "pending":
            raise cancelled([Reason("ConditionalCheckFailed"), *(Reason() for _ in stock)])
        self.ended.append(order_id)
        closed = {name: value for name, value in order.items() if name != "expires_at"}
        changed = {"status": {"S": "expired"}, "version": {"N": "2"}, "open_shard": {"S": "expired#0"}}
        self.orders.put({**closed, **changed})
        return {}

    def work(self, calls: int, *, waited: Callable[[], float] = lambda: 0.0) -> SweepResult:
        """One invocation of the worker, with time for this many calls."""
        end = self.made.total() + calls

        def has_time() -> bool:
            return self.made.total() + waited() * 100 < end

        with intercepted(self.plan):
            return expiry.sweep(0, has_time=has_time)


def ids(count: int, *, start: int = 0) -> list[str]:
    return [f"{number:020d}" for number in range(start, start + count)]


def test_f26_each_minute_continues_where_the_last_one_ended(cloud: None) -> None:
    outage = Outage(HOLDS)

    swept = [outage.work(1_000).expired for _ in range(4)]

    assert outage.ended == ids(sum(swept)), "the oldest first, none twice, none left out"
    assert min(swept) >= 950
    pages = sum(-(-holds // PAGE) + 1 for holds in swept)
    assert outage.made["Query"] <= pages
    assert outage.made["BatchGetItem"] <= pages
    assert outage.made["TransactWriteItems"] == sum(swept)
    assert outage.made["GetItem"] == 0, "an order that the lagging index still shows costs no separate call"
    per_hold = outage.made.total() / sum(swept)
    assert per_hold < 1.04
    assert HOLDS * per_hold * 0.010 < 31 * 60, "at 10 ms a call one shard is finished in half an hour"


def test_f26_the_drain_ends_with_the_last_hold_that_is_due(cloud: None) -> None:
    outage = Outage(1_250)

    assert outage.work(CALLS) == SweepResult(expired=1_250)
    assert outage.ended == ids(1_250)
    assert outage.work(CALLS) == SweepResult()
    assert outage.made["Query"] == 13 + 1


@pytest.mark.parametrize("every", [7, 150])
def test_f26_two_workers_at_the_same_holds_end_each_once(cloud: None, no_sleep: list[float], every: int) -> None:
    """Between two writes of one worker, the other ends holds at the head of the index, which the first has read."""
    outage, other, turn = Outage(3_000), [], every

    def interleave(number: int) -> None:
        nonlocal turn
        if number >= turn:
            outage.before_write = lambda _: None
            other.append(outage.work(5 + every // 3).expired)
            outage.before_write = interleave
            turn = len(outage.ended) + every

    outage.before_write = interleave
    first = outage.work(1_000).expired

    assert len(other) > 2
    assert first > 0
    assert len(outage.ended) == first + sum(other)
    assert sorted(outage.ended) == ids(len(outage.ended)), "none twice, none left out"
    late = [place - int(order_id) for place, order_id in enumerate(outage.ended)]
    assert max(map(abs, late)) <= PAGE, "the oldest first, except those that are read together"


def test_f26_holds_in_contention_do_not_keep_the_others_waiting(
    cloud: None, no_sleep: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The product of the forty oldest is in such demand that no transaction with it succeeds."""
    outage = Outage(5_000, contended=set(ids(40)))
    monkeypatch.setattr(clock, "monotonic", lambda: outage.made.total() / 100 + sum(no_sleep))

    swept = outage.work(5_000, waited=lambda: sum(no_sleep))

    assert swept.failed == 40
    assert swept.expired > 500
    assert outage.ended == ids(swept.expired, start=40)
