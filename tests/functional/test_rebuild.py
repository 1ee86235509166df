"""`make rebuild-reports`: finds each difference between the sums and their contributors, names it and repairs it."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, cast

import pytest

from oms.commands import rebuild_reports as rebuild
from oms.commands import stacks
from oms.core import clock
from oms.core.settings import settings
from oms.identity.models import User, user_key
from oms.inventory.models import StockItem
from oms.orders.models import HistoryEntry, Order
from oms.reports import order_sums, stock_sums, user_sums
from oms.reports.order_sums import CountedOrder
from oms.reports.sum_keys import DAYS
from oms.reports.user_sums import CountedUser
from tests.support.aws_calls import Call, intercepted
from tests.support.database import DATABASE, table
from tests.support.earlier_sums import store_as_earlier
from tests.support.open_order_counts import aggregate
from tests.support.past_sales import events_of_orders, store
from tests.support.shop import stock_of
from tests.support.stock_sums import assert_summed_up, raw_items
from tests.support.streams import record, run_bookkeeper
from tests.support.tampered_sums import (
    DAY,
    TAMPERING,
    PastSums,
    applied,
    change,
    count_of,
    day_of,
    forget_count,
    items,
    make,
    put_bogus,
    rewrite,
    without_zeros,
)

NOT_COMPARED = "totals of orders, open orders: not compared, because a day was omitted or is wrong"


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """The state that `sums` creates once."""
    return {}


@pytest.fixture
def sums(
    cloud: None, made: dict[str, Any], request: pytest.FixtureRequest, time_machine: Callable[[timedelta], None]
) -> PastSums:
    """Made once, and taken back for each test to how it was."""
    if made:
        DATABASE.become(made["state"])
    else:
        made["sums"] = make(request.getfixturevalue("customer"), request.getfixturevalue("manager"))
        made["state"] = DATABASE.state()
    time_machine(timedelta(hours=1))  # the events of the users and the product would have arrived
    return cast(PastSums, made["sums"])


def test_untouched_sums_have_no_difference(sums: PastSums) -> None:
    before = items()

    assert sums.rebuild() == []
    assert sums.rebuild(fix=True) == []

    assert items() == before


def test_sums_of_an_earlier_version_have_no_difference(sums: PastSums) -> None:
    stocks = [StockItem.from_raw_data(it) for it in raw_items("inventory", "stock")]
    users = [User.from_raw_data(it) for it in raw_items("identity", "user")]
    parts = [
        *(order_sums.contribution(CountedOrder.of(it)) for it in sums.orders),
        *map(stock_sums.contribution, stocks),
        *(user_sums.contribution(CountedUser.of(it)) for it in users),
    ]
    table("reports").clear()
    store_as_earlier(chunk for chunks in parts for chunk in chunks)
    before = table("reports").items()

    assert sums.rebuild(fix=True) == []
    assert table("reports").items() == before


@pytest.mark.parametrize("tamper", TAMPERING.values(), ids=TAMPERING)
def test_f24_tampering_is_named_and_repaired(sums: PastSums, tamper: Callable[[PastSums], str]) -> None:
    before, open_orders = items(), count_of(sums)
    where = tamper(sums)
    tampered = items(), count_of(sums)

    said = sums.rebuild()
    assert (items(), count_of(sums)) == tampered, "reading changes nothing"
    repaired = sums.rebuild(fix=True)

    assert any(f": {where} " in it for it in said), said
    assert all(it.endswith("; repaired") for it in repaired), repaired
    assert sums.rebuild() == []
    assert (without_zeros(items()), count_of(sums)) == (without_zeros(before), open_orders)


def test_totals_and_open_orders_are_left_alone_where_a_day_is_not_read(sums: PastSums) -> None:
    pk, day = day_of(sums)
    change(pk, day, "pending", 7)
    rewrite(*applied(sums.order("confirmed")), amounts={"S": "{}"})
    tampered = items(), count_of(sums)

    said = sums.rebuild(only=sums.first - DAY, fix=True)

    assert said == [NOT_COMPARED]
    assert (items(), count_of(sums)) == tampered


def test_totals_and_open_orders_are_not_compared_with_days_that_are_wrong(sums: PastSums) -> None:
    day = change(*day_of(sums), "pending", 7)
    total = change("totals#0", "orders", "pending", 2)

    said = sums.rebuild()
    repaired = sums.rebuild(fix=True)

    assert [day in it for it in said] == [True, False], said
    assert said[-1] == NOT_COMPARED
    assert [day in repaired[0], total in repaired[1]] == [True, True], repaired


# ---- while orders move ----------------------------------------------------------------------------------------------


def moved(order: Order, status: str, at: str) -> Order:
    """Returns the order after one more move, in the tables."""
    order = Order.from_raw_data(order.serialize())
    entry = HistoryEntry(
        from_=order.status, to=status, at=at, actor_id="m", actor_role="manager", key=clock.random_id(), request_hash=""
    )
    order.history.append(entry)
    order.status, order.updated_at, order.version = status, at, order.version + 1
    store([order])
    return order


def test_an_event_that_is_on_its_way_is_no_difference(sums: PastSums) -> None:
    moved(sums.order("confirmed"), "cancelled", clock.timestamp(clock.now()))

    assert sums.rebuild() == []


def test_an_event_that_never_came_is_named_and_counted(sums: PastSums) -> None:
    order = moved(sums.order("confirmed"), "cancelled", clock.timestamp(clock.now() - timedelta(hours=1)))
    expected = f": {'/'.join(applied(order))} is behind: version {order.version - 1} is counted, not {order.version}"

    said, not_compared = sums.rebuild()
    (repaired,) = sums.rebuild(fix=True)

    assert said.endswith(expected)
    assert not_compared == NOT_COMPARED
    assert repaired == f"{said}; repaired"
    assert aggregate(events_of_orders([order])) == [], "and should it come after all, it changes nothing"
    assert sums.rebuild() == []


def test_a_contribution_that_an_event_is_about_to_replace_is_right_after_the_event(sums: PastSums) -> None:
    order = sums.order("confirmed")
    key = DAYS, order.created_at[:10]
    before = revenue_of(*key)
    rewrite(*applied(order), amounts={"S": "{}"})
    later = moved(order, "cancelled", clock.timestamp(clock.now()))

    sums.rebuild(fix=True)
    assert aggregate(events_of_orders([later])) == []
    sums.rebuild(fix=True)

    assert sums.rebuild() == []
    assert revenue_of(*key) == before - order.total


def revenue_of(pk: str, sk: str) -> int:
    return int(items()[pk, sk]["revenue"]["N"])


def test_an_order_that_moves_while_it_is_read_is_no_difference(sums: PastSums) -> None:
    waiting = [it for it in sums.orders if it.status == "confirmed"][:3]

    def plan(call: Call) -> Any:
        """Before each of the first reads of applied contributions, another order moves and is counted."""
        if waiting and call.operation == "BatchGetItem" and "reports" in call.parameters["RequestItems"]:
            order = moved(waiting.pop(), "cancelled", clock.timestamp(clock.now()))
            assert aggregate(events_of_orders([order])) == []
        return call.send()

    said: list[str] = []
    with intercepted(plan):
        rebuild.rebuild(None, None, shards=1, fix=True, say=said.append)

    assert said == ["All sums are right."]
    assert not waiting


def test_an_item_that_moved_since_it_was_read_is_left_alone_and_reported(sums: PastSums) -> None:
    order = sums.order("confirmed")
    where = change(DAYS, order.created_at[:10], "revenue", 1)
    waiting = [order]

    def plan(call: Call) -> Any:
        if call.operation == "TransactWriteItems" and waiting:
            assert aggregate(events_of_orders([moved(waiting.pop(), "cancelled", clock.timestamp(clock.now()))])) == []
        return call.send()

    said: list[str] = []
    with intercepted(plan):
        rebuild.rebuild(None, None, shards=1, fix=True, say=said.append)

    assert any(where in it and it.endswith("; it changed meanwhile, so run this command again") for it in said), said
    assert said[-1] == "1 differences are left."
    assert [it.endswith("; repaired") for it in sums.rebuild(fix=True)] == [True]
    assert sums.rebuild() == []


def test_an_item_that_moves_at_each_read_is_reported(sums: PastSums) -> None:
    pk, sk = day_of(sums)

    def plan(call: Call) -> Any:
        if call.operation == "Query" and call.parameters["TableName"] == "reports":
            change(pk, sk, "changes", 1)
        return call.send()

    said: list[str] = []
    with intercepted(plan):
        rebuild.rebuild(None, None, shards=1, fix=True, say=said.append)

    where = f"orders of {sk}: {pk}/{sk}"
    moving = f"{where} changed during each read, so it was not compared"
    assert said == [moving, NOT_COMPARED, "1 differences are left."]


def adjust(product_id: str, units: int) -> None:
    """The bookkeeper processes the change too."""
    stock = stock_of(product_id)
    before = stock.serialize()
    stock.available += units
    stock.version, stock.last.at = stock.version + 1, clock.timestamp(clock.now())
    table("inventory").put(stock.serialize())
    run_bookkeeper([record(before, stock.serialize())])


def test_stock_that_is_adjusted_while_it_is_read_is_compared_and_repaired(sums: PastSums) -> None:
    where = change(*stock_sums.STOCK, "value", 7)
    changes = [(sums.low, 5), (sums.sold_out, 2), (sums.low, -9), (sums.low, 3)]
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


def test_an_item_that_an_index_does_not_show_yet_is_no_difference(sums: PastSums) -> None:
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


def test_a_count_of_a_user_deleted_meanwhile_is_not_written(sums: PastSums) -> None:
    where = forget_count(sums)
    pk, sk = user_key(sums.customer.id)

    def plan(call: Call) -> Any:
        if call.operation == "UpdateItem":
            table("identity").delete(pk, sk)
        return call.send()

    said: list[str] = []
    with intercepted(plan):
        rebuild.rebuild(None, None, shards=1, fix=True, say=said.append)

    assert [where in it and it.endswith("; it changed meanwhile, so run this command again") for it in said] == [
        True,
        False,
    ]
    assert table("identity").get(pk, sk) is None


# ---- the command ----------------------------------------------------------------------------------------------------


def test_the_command_looks_from_the_oldest_order_on_and_not_at_days_that_are_not_over(sums: PastSums) -> None:
    span = rebuild.DaySpan.of(None, date(9999, 1, 1), shards=1)

    assert span.start == sums.first
    assert clock.now().date() - span.end in (DAY, 2 * DAY)
    assert span.whole


@pytest.mark.parametrize(
    ("after", "before", "whole"), [(0, 0, True), (-10, 0, True), (1, 0, False), (0, 1, False), (None, 1, False)]
)
def test_the_whole_is_all_days_from_the_oldest_order_on_that_are_over(
    sums: PastSums, after: int | None, before: int, whole: bool
) -> None:
    all_days = rebuild.DaySpan.of(None, None, shards=1)

    first = None if after is None else all_days.start + after * DAY
    span = rebuild.DaySpan.of(first, all_days.end - before * DAY, shards=1)

    assert span.whole == whole


def test_days_that_are_not_over_are_not_too_many(sums: PastSums) -> None:
    """Neither those of orders that an index does not show yet, nor those of a system whose clock is ahead."""
    days = {
        (clock.now() + it).date() for it in (-settings().consistency_grace, timedelta(0), settings().consistency_grace)
    }
    wheres = [put_bogus(DAYS, str(day)) for day in days]

    said = sums.rebuild()

    assert not [it for it in said for where in wheres if where in it]


def test_an_entry_outside_every_day_is_found_on_every_page_of_the_table(sums: PastSums) -> None:
    where = put_bogus(DAYS, str(sums.first - DAY))
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

    assert pages == len(table("reports").items()) // 20 + 1
    assert [where in it for it in said] == [True, False]


def test_the_command_finds_its_tables_by_the_stack_and_fails_while_something_is_left(
    sums: PastSums, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    where = change(*day_of(sums), "units", 1)
    monkeypatch.setattr(stacks, "table_of", lambda stage, domain: {"dev": domain.lower()}[stage])
    monkeypatch.setattr(stacks, "outputs_of", lambda stage: {"dev": {"OrderShards": "1"}}[stage])
    command = ["rebuild", "--stage", "dev", "--from", str(sums.first), "--to", str(sums.last)]

    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as ended:
        rebuild.main()
    assert ended.value.code == 1
    assert where in capsys.readouterr().out

    monkeypatch.setattr("sys.argv", [*command, "--fix"])
    rebuild.main()
    assert capsys.readouterr().out.endswith(f"{NOT_COMPARED}\nThe compared sums are right.\n")
