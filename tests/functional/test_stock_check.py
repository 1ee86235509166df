"""The findings of a stock check, and the states that it must not report: one worker at a time."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from oms.core import clock
from oms.inventory.models import Adjustment, Product, StockItem
from oms.orders import models as orders
from oms.stock_ledger import check as stock_check
from oms.stock_ledger.models import Movement
from tests.support.aws_calls import Call, intercepted
from tests.support.database import table
from tests.support.ledger_shop import LedgerShop, codes, difference, raw_item, repair_stock, trade
from tests.support.shop import stock_of


def test_a_correct_ledger_has_no_findings(ledger_shop: LedgerShop) -> None:
    trade(ledger_shop)

    run = ledger_shop.check()

    assert (run.status, run.products, run.orders, run.unsettled, run.drifted) == ("done", 2, 3, 0, 0)
    assert run.finished_at
    assert ledger_shop.drifts() == {}


def test_the_next_check_reads_no_movement_again(ledger_shop: LedgerShop) -> None:
    first, _ = trade(ledger_shop)
    ledger_shop.check()
    ledger_shop.adjust(first, -1)
    ledger_shop.run_bookkeeper()

    with intercepted() as calls:
        assert ledger_shop.check().drifted == 0

    read = [
        it.parameters["ExpressionAttributeValues"]
        for it in calls
        if it.operation == "Query" and "IndexName" not in it.parameters
    ]
    values = [value["S"] for parameters in read for value in parameters.values() if value["S"].startswith("movement")]
    assert len(values) == 2, "one query, of the one product that moved"
    assert min(values) == Movement.sort_key(stock_of(first).version)


def test_f24_a_stock_item_that_was_tampered_with_is_named_with_the_difference(ledger_shop: LedgerShop) -> None:
    first, _ = trade(ledger_shop)
    ledger_shop.check()
    ledger_shop.tamper_stock(first, available=7, reserved=-1)

    run = ledger_shop.check()

    assert (run.drifted, run.unsettled) == (1, 0)
    (drift,) = ledger_shop.drifts().values()
    assert (drift.product_id, difference(drift), codes(drift)) == (first, (7, -1), ["stock-differs"])
    assert (drift.available, drift.reserved) == (30, 1)


def test_f24_an_order_that_was_tampered_with_is_named_with_the_difference(ledger_shop: LedgerShop) -> None:
    first, _ = trade(ledger_shop)
    order = ledger_shop.order(**{first: 2})
    ledger_shop.run_bookkeeper()
    ledger_shop.check()
    ledger_shop.tamper_order(order, 5)

    ledger_shop.check()

    (drift,) = ledger_shop.drifts().values()
    assert (drift.product_id, difference(drift), codes(drift)) == (first, (3, -3), ["differing-movement"])
    assert (drift.findings[0]["ref"], drift.findings[0]["ref_version"]) == (order, 1)
    assert (drift.findings[0]["recorded"], drift.findings[0]["expected"]) == ([-2, 2], [-5, 5])


def test_f24_a_changed_movement_is_named_and_a_closed_one_by_a_full_check(
    ledger_shop: LedgerShop,
) -> None:
    first, _ = trade(ledger_shop)
    ledger_shop.tamper_movement(first, 2, actor="eve")

    ledger_shop.check()

    (drift,) = ledger_shop.drifts().values()
    assert (drift.product_id, difference(drift), codes(drift)) == (first, (0, 0), ["differing-movement"])
    ledger_shop.tamper_movement(first, 2, actor=ledger_shop.shop.manager.id)
    ledger_shop.check()
    ledger_shop.tamper_movement(first, 2, actor="eve")
    assert ledger_shop.check().drifted == 0
    assert ledger_shop.check(full=True).drifted == 1
    assert ledger_shop.drifts()[first].findings[0]["version"] == 2


def test_f24_a_movement_that_was_removed_is_named_and_the_stock_is_right(ledger_shop: LedgerShop) -> None:
    first, second = trade(ledger_shop)
    for product_id, version in ((first, 2), (second, 1)):
        table("inventory").delete(StockItem.key(product_id)[0], Movement.sort_key(version))

    ledger_shop.check()

    assert {product_id: difference(drift) for product_id, drift in ledger_shop.drifts().items()} == {
        first: (0, 0),
        second: (0, 0),
    }
    assert all("missing-version" in codes(drift) for drift in ledger_shop.drifts().values())


def test_f24_an_adjustment_that_was_tampered_with_is_named_with_the_difference(ledger_shop: LedgerShop) -> None:
    first, _ = trade(ledger_shop)
    ref = raw_item("inventory", StockItem.key(first)[0], Movement.sort_key(2))["ref"]["S"]
    table("inventory").put(raw_item("inventory", *Adjustment.key(ref)) | {"adjustment": {"N": "9"}})

    ledger_shop.check()

    (drift,) = ledger_shop.drifts().values()
    assert (drift.product_id, difference(drift)) == (first, (-4, 0))


def test_an_order_or_an_item_that_cannot_be_read_is_named_and_stops_nothing(ledger_shop: LedgerShop) -> None:
    first, second = trade(ledger_shop)
    order = ledger_shop.order(**{first: 2})
    ledger_shop.run_bookkeeper()
    broken = raw_item("orders", order)
    del broken["lines"]
    table("orders").put(broken)
    stock = raw_item("inventory", *StockItem.key(second))
    del stock["version"]
    table("inventory").put(stock)

    run = ledger_shop.check()

    assert (run.status, run.drifted) == ("done", 2)
    assert difference(ledger_shop.drifts()[first]) == (-2, 2)
    assert "missing-stock-item" in codes(ledger_shop.drifts()[second])


def test_a_product_whose_stream_lags_is_unsettled_and_no_drift(
    ledger_shop: LedgerShop, settle: Callable[[timedelta], None]
) -> None:
    first, _ = trade(ledger_shop)
    settle(timedelta(minutes=15))
    ledger_shop.adjust(first, 1)

    run = ledger_shop.check()

    assert (run.products, run.unsettled, run.drifted) == (2, 1, 0)
    ledger_shop.run_bookkeeper()
    assert ledger_shop.check().unsettled == 0


def test_a_movement_that_arrives_during_a_pause_settles_its_product(
    ledger_shop: LedgerShop, settle: Callable[[timedelta], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = trade(ledger_shop)
    settle(timedelta(minutes=15))
    ledger_shop.adjust(first, 1)
    monkeypatch.setattr(clock, "sleep", lambda _: ledger_shop.run_bookkeeper())

    run = ledger_shop.check()

    assert (run.products, run.unsettled, run.drifted) == (2, 0, 0)


def test_a_movement_newer_than_the_cut_is_not_compared_yet(
    ledger_shop: LedgerShop, settle: Callable[[timedelta], None]
) -> None:
    first, _ = trade(ledger_shop)
    settle(timedelta(minutes=15))
    order = ledger_shop.order(**{first: 2})
    ledger_shop.run_bookkeeper()
    ledger_shop.tamper_order(order, 5)

    assert ledger_shop.check().drifted == 0

    settle(timedelta(seconds=-60))
    assert ledger_shop.check().drifted == 1


# ---- clocks, lagging indexes, and what is not there -----------------------------------------------------------------


def test_an_order_whose_cancelling_is_older_than_its_creation_is_no_drift(
    ledger_shop: LedgerShop, settle: Callable[[timedelta], None], time_machine: Callable[[timedelta], None]
) -> None:
    first, _ = trade(ledger_shop)
    settle(timedelta(minutes=15))
    time_machine(timedelta(minutes=1))
    order = ledger_shop.order(**{first: 2})
    time_machine(timedelta(seconds=-10))
    ledger_shop.shop.post(f"/api/v1/orders/{order}/cancel")
    ledger_shop.run_bookkeeper()
    time_machine(timedelta(minutes=15, seconds=5))

    run = ledger_shop.check()

    assert (run.orders, run.drifted) == (4, 0)
    cut, created = stock_check.last_run()[0].cut, raw_item("orders", order)["created_at"]["S"]  # type: ignore[union-attr]
    assert cut < created, "the cut is between the two"


def test_a_run_with_a_longer_wait_does_not_cut_before_the_last_one(
    ledger_shop: LedgerShop, settle: Callable[[timedelta], None]
) -> None:
    trade(ledger_shop)
    cut = ledger_shop.check().cut
    settle(timedelta(minutes=15))

    run = ledger_shop.check()

    assert (run.cut, run.drifted) == (cut, 0)


def test_a_time_in_the_future_hides_nothing(ledger_shop: LedgerShop, settle: Callable[[timedelta], None]) -> None:
    first, second = trade(ledger_shop)
    settle(timedelta(minutes=15))
    ledger_shop.tamper_movement(first, 2, at="9999-01-01T00:00:00.000Z")
    item = raw_item("inventory", *StockItem.key(second))
    item["last"]["M"]["at"] = {"S": "9999-01-01T00:00:00.000Z"}
    item["version"] = {"N": "10000000"}
    table("inventory").put(item)

    run = ledger_shop.check()

    assert (run.drifted, run.unsettled) == (2, 0)
    assert "differing-movement" in codes(ledger_shop.drifts()[first])
    drift = ledger_shop.drifts()[second]
    (gap,) = (found for found in drift.findings if found["code"] == "missing-version")
    assert (gap["version"], gap["last_version"]) == (6, 10_000_000)


@pytest.mark.parametrize("with_stock", [True, False])
def test_a_product_that_is_gone_is_named_when_orders_name_it(ledger_shop: LedgerShop, *, with_stock: bool) -> None:
    first, second = trade(ledger_shop)
    keys = [Product.key(first)] if with_stock else [Product.key(first), StockItem.key(first)]
    for partition, sort in keys:
        table("inventory").delete(partition, sort)

    run = ledger_shop.check()

    assert (run.products, run.drifted) == (1, 1)
    assert second not in ledger_shop.drifts()
    assert (
        codes(ledger_shop.drifts()[first])[:2][: 2 - with_stock]
        == ["missing-product", "missing-stock-item"][: 2 - with_stock]
    )


def test_an_adjustment_put_there_past_the_api_is_named_by_a_full_check_and_puts_nothing_on_sale(
    ledger_shop: LedgerShop,
) -> None:
    first, _ = trade(ledger_shop)
    ref = raw_item("inventory", StockItem.key(first)[0], Movement.sort_key(2))["ref"]["S"]
    made = raw_item("inventory", *Adjustment.key(ref))
    put = {"pk": {"S": "adjustment#forged"}, "id": {"S": "forged"}, "adjustment": {"N": "50"}}
    table("inventory").put(made | put)

    assert ledger_shop.check().drifted == 0
    assert ledger_shop.check(full=True).drifted == 1

    drift = ledger_shop.drifts()[first]
    assert (codes(drift), difference(drift)) == (["unexplained-adjustment"], (0, 0))
    assert (drift.findings[0]["ref"], drift.findings[0]["recorded"]) == ("forged", [50, 0])
    made_repair = repair_stock(ledger_shop, first)
    assert made_repair.before == made_repair.after
    ledger_shop.run_bookkeeper()
    assert ledger_shop.check(full=True).drifted == 0


@pytest.mark.parametrize("times", [1, 10])
def test_an_order_that_the_index_does_not_show_yet_makes_no_drift(ledger_shop: LedgerShop, times: int) -> None:
    trade(ledger_shop)
    left = times

    def overlook(call: Call) -> Any:
        nonlocal left
        answer = call.send()
        if call.parameters.get("IndexName") == orders.BY_CREATED.name and call.parameters["TableName"] == "orders":
            answer["Items"] = answer["Items"][1:] if left > 0 else answer["Items"]
            left -= 1
        return answer

    with intercepted(overlook):
        run = ledger_shop.check()

    assert left < times
    assert (run.status, run.drifted, run.unsettled) == ("done", 0, 0)
    assert ledger_shop.drifts() == {}
