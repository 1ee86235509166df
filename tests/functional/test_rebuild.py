"""`make rebuild-reports`: finds each difference between the sums and their contributors, names it and repairs it."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, cast

import pytest

from oms.commands import rebuild_reports as rebuild
from oms.commands import stacks
from oms.core import clock
from oms.core.settings import settings
from oms.identity.models import user_key
from oms.orders.models import HistoryEntry, Order
from oms.reports.order_sums import days_of, shard_of
from tests.support.aws_calls import Call, intercepted
from tests.support.database import DATABASE, table
from tests.support.open_order_counts import aggregate
from tests.support.past_sales import store, told_of
from tests.support.shop import stock_of
from tests.support.stock_sums import assert_summed_up
from tests.support.streams import record, run_bookkeeper
from tests.support.tampered_sums import (
    DAY,
    TAMPERING,
    Shown,
    applied,
    change,
    count_of,
    day_of,
    forget_count,
    items,
    make,
    put_bogus,
    rewrite,
    stock_sum,
    without_zeros,
)

NOT_COMPARED = "totals of orders, open orders: not compared, because a day was left out or is wrong"


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """The state that `shown` creates once."""
    return {}


@pytest.fixture
def shown(
    cloud: None, made: dict[str, Any], request: pytest.FixtureRequest, time_machine: Callable[[timedelta], None]
) -> Shown:
    """Made once, and taken back for each test to how it was."""
    if made:
        DATABASE.become(made["state"])
    else:
        made["shown"] = make(request.getfixturevalue("customer"), request.getfixturevalue("manager"))
        made["state"] = DATABASE.state()
    time_machine(timedelta(hours=1))  # the events of the users and the product would have arrived
    return cast(Shown, made["shown"])


def test_what_nobody_touched_is_as_it_should_be(shown: Shown) -> None:
    before = items()

    assert shown.rebuild() == []
    assert shown.rebuild(fix=True) == []

    assert items() == before


@pytest.mark.parametrize("tamper", TAMPERING.values(), ids=TAMPERING)
def test_f24_what_was_tampered_with_is_named_and_mended(shown: Shown, tamper: Callable[[Shown], str]) -> None:
    before, open_orders = items(), count_of(shown)
    where = tamper(shown)
    tampered = items(), count_of(shown)

    said = shown.rebuild()
    assert (items(), count_of(shown)) == tampered, "looking changes nothing"
    mended = shown.rebuild(fix=True)

    assert any(f": {where} " in it for it in said), said
    assert all(it.endswith("; repaired") for it in mended), mended
    assert shown.rebuild() == []
    assert (without_zeros(items()), count_of(shown)) == (without_zeros(before), open_orders)


def test_totals_and_open_orders_are_left_alone_where_a_day_is_not_looked_at(shown: Shown) -> None:
    pk, day = day_of(shown)
    change(pk, day, "pending", 7)
    rewrite(*applied(shown.order("confirmed")), amounts={"S": "{}"})
    tampered = items(), count_of(shown)

    said = shown.rebuild(only=shown.first - DAY, fix=True)

    assert said == [NOT_COMPARED]
    assert (items(), count_of(shown)) == tampered


def test_totals_and_open_orders_are_not_compared_with_days_that_are_wrong(shown: Shown) -> None:
    day = change(*day_of(shown), "pending", 7)
    total = change("totals#1", "orders", "pending", 2)

    said = shown.rebuild()
    mended = shown.rebuild(fix=True)

    assert [day in it for it in said] == [True, False], said
    assert said[-1] == NOT_COMPARED
    assert [day in mended[0], total in mended[1]] == [True, True], mended


# ---- while orders move ----------------------------------------------------------------------------------------------


def moved(order: Order, status: str, at: str) -> Order:
    """The order after one more move, in the tables."""
    order = Order.from_raw_data(order.serialize())
    entry = HistoryEntry(
        from_=order.status, to=status, at=at, actor_id="m", actor_role="manager", key=clock.random_id(), request_hash=""
    )
    order.history.append(entry)
    order.status, order.updated_at, order.version = status, at, order.version + 1
    store([order])
    return order


def test_an_event_that_is_on_its_way_is_no_difference(shown: Shown) -> None:
    moved(shown.order("confirmed"), "cancelled", clock.timestamp(clock.now()))

    assert shown.rebuild() == []


def test_an_event_that_never_came_is_named_and_counted(shown: Shown) -> None:
    order = moved(shown.order("confirmed"), "cancelled", clock.timestamp(clock.now() - timedelta(hours=1)))
    expected = f": {'/'.join(applied(order))} is behind: version {order.version - 1} is counted, not {order.version}"

    said, not_compared = shown.rebuild()
    (mended,) = shown.rebuild(fix=True)

    assert said.endswith(expected)
    assert not_compared == NOT_COMPARED
    assert mended == f"{said}; repaired"
    assert aggregate(told_of([order])) == [], "and should it come after all, it changes nothing"
    assert shown.rebuild() == []


def test_a_contribution_that_an_event_is_about_to_replace_is_right_after_the_event(shown: Shown) -> None:
    order = shown.order("confirmed")
    key = days_of(shard_of(order.id)), order.created_at[:10]
    before = revenue_of(*key)
    rewrite(*applied(order), amounts={"S": "{}"})
    later = moved(order, "cancelled", clock.timestamp(clock.now()))

    shown.rebuild(fix=True)
    assert aggregate(told_of([later])) == []
    shown.rebuild(fix=True)

    assert shown.rebuild() == []
    assert revenue_of(*key) == before - order.total


def revenue_of(pk: str, sk: str) -> int:
    return int(items()[pk, sk]["revenue"]["N"])


def test_an_order_that_moves_while_it_is_looked_at_is_no_difference(shown: Shown) -> None:
    waiting = [it for it in shown.orders if it.status == "confirmed"][:3]

    def plan(call: Call) -> Any:
        """Before each of the first reads of applied contributions, another order moves and is counted."""
        if waiting and call.operation == "BatchGetItem" and "reports" in call.parameters["RequestItems"]:
            order = moved(waiting.pop(), "cancelled", clock.timestamp(clock.now()))
            assert aggregate(told_of([order])) == []
        return call.send()

    said: list[str] = []
    with intercepted(plan):
        rebuild.rebuild(None, None, shards=1, fix=True, say=said.append)

    assert said == ["All sums are right."]
    assert not waiting


def test_what_moved_since_it_was_looked_at_is_left_alone_and_said(shown: Shown) -> None:
    order = shown.order("confirmed")
    where = change(days_of(shard_of(order.id)), order.created_at[:10], "revenue", 1)
    waiting = [order]

    def plan(call: Call) -> Any:
        if call.operation == "UpdateItem" and waiting:
            assert aggregate(told_of([moved(waiting.pop(), "cancelled", clock.timestamp(clock.now()))])) == []
        return call.send()

    said: list[str] = []
    with intercepted(plan):
        rebuild.rebuild(None, None, shards=1, fix=True, say=said.append)

    assert any(where in it and it.endswith("; it changed meanwhile, so run this again") for it in said), said
    assert said[-1] == "1 differences are left."
    assert [it.endswith("; repaired") for it in shown.rebuild(fix=True)] == [True]
    assert shown.rebuild() == []


def test_what_moves_at_each_look_is_said(shown: Shown) -> None:
    pk, sk = day_of(shown)

    def plan(call: Call) -> Any:
        if call.operation == "Query" and call.parameters["TableName"] == "reports":
            change(pk, sk, "changes", 1)
        return call.send()

    said: list[str] = []
    with intercepted(plan):
        rebuild.rebuild(None, None, shards=1, fix=True, say=said.append)

    where = f"orders of {sk}: {pk}/{sk}"
    moving = f"{where} changed while it was read, each time, and was not compared"
    assert said == [moving, NOT_COMPARED, "1 differences are left."]


def adjust(product_id: str, units: int) -> None:
    """The bookkeeper processes the change too."""
    stock = stock_of(product_id)
    before = stock.serialize()
    stock.available += units
    stock.version, stock.last.at = stock.version + 1, clock.timestamp(clock.now())
    table("inventory").put(stock.serialize())
    run_bookkeeper([record(before, stock.serialize())])


def test_stock_that_is_adjusted_while_it_is_looked_at_is_compared_and_mended(shown: Shown) -> None:
    where = change(*stock_sum(shown), "value", 7)
    changes = [(shown.low, 5), (shown.sold_out, 2), (shown.low, -9), (shown.low, 3)]
    adjusting = False

    def plan(call: Call) -> Any:
        """Before some of the reads of applied contributions, units are added or removed."""
        nonlocal adjusting
        asked = call.parameters["RequestItems"].get("reports") if call.operation == "BatchGetItem" else None
        if changes and asked and asked["Keys"][0]["pk"]["S"].startswith("stock#") and not adjusting:
            adjusting = True
            adjust(*changes.pop())
            adjusting = False
        return call.send()

    said: list[str] = []
    with intercepted(plan):
        rebuild.rebuild(None, None, shards=1, fix=True, say=said.append)

    assert not changes
    assert [it.startswith(f"stock: {where} has: value ") for it in said] == [True, False], said
    assert said[-1] == "All sums are right."
    assert_summed_up()


def test_what_an_index_does_not_show_yet_is_no_difference(shown: Shown) -> None:
    """As right after a product is created, a user registers or an order is placed."""
    hidden = [("inventory", "by_created"), ("identity", "users"), ("orders", "by_customer")]

    def plan(call: Call) -> Any:
        place = (call.parameters.get("TableName"), call.parameters.get("IndexName"))
        if place in hidden:
            hidden.remove(place)
            return {"Items": []}
        return call.send()

    said: list[str] = []
    with intercepted(plan):
        rebuild.rebuild(None, None, shards=1, fix=True, say=said.append)

    assert said == ["All sums are right."]
    assert not hidden


def test_a_count_of_a_user_who_is_gone_meanwhile_is_not_written(shown: Shown) -> None:
    where = forget_count(shown)
    pk, sk = user_key(shown.customer.id)

    def plan(call: Call) -> Any:
        if call.operation == "UpdateItem":
            table("identity").delete(pk, sk)
        return call.send()

    said: list[str] = []
    with intercepted(plan):
        rebuild.rebuild(None, None, shards=1, fix=True, say=said.append)

    assert [where in it and it.endswith("; it changed meanwhile, so run this again") for it in said] == [True, False]
    assert table("identity").get(pk, sk) is None


# ---- the command ----------------------------------------------------------------------------------------------------


def test_the_command_looks_from_the_oldest_order_on_and_not_at_days_that_are_not_over(shown: Shown) -> None:
    span = rebuild.DaySpan.of(None, date(9999, 1, 1), shards=1)

    assert span.start == shown.first
    assert clock.now().date() - span.end in (DAY, 2 * DAY)
    assert span.whole


@pytest.mark.parametrize(
    ("after", "before", "whole"), [(0, 0, True), (-10, 0, True), (1, 0, False), (0, 1, False), (None, 1, False)]
)
def test_the_whole_is_all_days_from_the_oldest_order_on_that_are_over(
    shown: Shown, after: int | None, before: int, whole: bool
) -> None:
    all_days = rebuild.DaySpan.of(None, None, shards=1)

    first = None if after is None else all_days.start + after * DAY
    span = rebuild.DaySpan.of(first, all_days.end - before * DAY, shards=1)

    assert span.whole == whole


def test_days_that_are_not_over_are_not_too_many(shown: Shown) -> None:
    """Neither those of orders that an index does not show yet, nor those of a system whose clock is ahead."""
    days = {
        (clock.now() + it).date() for it in (-settings().consistency_grace, timedelta(0), settings().consistency_grace)
    }
    wheres = [put_bogus(days_of(0), str(day)) for day in days]

    said = shown.rebuild()

    assert not [it for it in said for where in wheres if where in it]


def test_what_is_in_no_day_is_found_on_every_page_of_the_table(shown: Shown) -> None:
    where = put_bogus(days_of(0), str(shown.first - DAY))
    pages = 0

    def plan(call: Call) -> Any:
        nonlocal pages
        if call.operation == "Scan":
            pages += 1
            call.parameters["Limit"] = 20
        return call.send()

    said: list[str] = []
    with intercepted(plan):
        rebuild.rebuild(None, None, shards=1, fix=True, say=said.append)

    assert pages == len(items()) // 20 + 1
    assert [where in it for it in said] == [True, False]


def test_the_command_finds_its_tables_by_the_stack_and_fails_while_something_is_left(
    shown: Shown, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    where = change(*day_of(shown), "units", 1)
    monkeypatch.setattr(stacks, "table_of", lambda stage, domain: {"dev": domain.lower()}[stage])
    monkeypatch.setattr(stacks, "outputs_of", lambda stage: {"dev": {"OrderShards": "1"}}[stage])
    command = ["rebuild", "--stage", "dev", "--from", str(shown.first), "--to", str(shown.last)]

    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as ended:
        rebuild.main()
    assert ended.value.code == 1
    assert where in capsys.readouterr().out

    monkeypatch.setattr("sys.argv", [*command, "--fix"])
    rebuild.main()
    assert capsys.readouterr().out.endswith(f"{NOT_COMPARED}\nThe compared sums are right.\n")
