"""The repair of a product's stock by the findings of a stock check."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from oms.core import clock
from oms.core.dynamodb import ConditionFailedError
from oms.core.errors import ConflictError, InsufficientStockError, NotFoundError, NothingToRepairError
from oms.inventory.models import StockItem
from oms.stock_ledger import check as stock_check
from oms.stock_ledger.models import CheckRun, Movement
from oms.stock_ledger.reader import movements_after
from oms.stock_ledger.repair import Repair
from tests.support.aws_calls import Call, intercepted
from tests.support.database import table
from tests.support.faults import crashes, failing, refuse
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Answer, Person
from tests.support.ledger_shop import LedgerShop, codes, difference, raw_item, repair_stock, trade
from tests.support.shop import stock_of


def test_f24_a_repair_corrects_once_and_adds_a_movement_and_the_next_check_is_clean(ledger_shop: LedgerShop) -> None:
    first, _ = trade(ledger_shop)
    ledger_shop.tamper_stock(first, available=7, reserved=-1)
    ledger_shop.check()
    tampered = stock_of(first)

    planned = repair_stock(ledger_shop, first, dry_run=True)

    assert (planned.before, planned.after, planned.repaired_at) == ((30, 1), (23, 2), None)
    assert stock_of(first).version == tampered.version, "a dry run writes nothing"
    made = repair_stock(ledger_shop, first)
    assert replace(made, repaired_at=None) == planned
    stock = stock_of(first)
    assert (stock.available, stock.reserved, stock.version) == (23, 2, tampered.version + 1)
    assert ledger_shop.drifts()[first].repaired_at == made.repaired_at is not None
    with pytest.raises(NothingToRepairError):
        repair_stock(ledger_shop, first)
    ledger_shop.run_bookkeeper()
    line = raw_item("inventory", stock.pk, Movement.sort_key(stock.version))
    assert (line["cause"]["S"], line["actor"]["S"]) == ("repaired", ledger_shop.shop.manager.id)
    assert ledger_shop.check().drifted == 0
    assert ledger_shop.check(full=True).drifted == 0
    entries = [it["action"]["S"] for it in table("audit").items()]
    assert entries == ["stock.repaired"]


def test_orders_that_came_after_the_check_are_kept_by_the_repair(ledger_shop: LedgerShop) -> None:
    first, _ = trade(ledger_shop)
    ledger_shop.tamper_stock(first, available=7)
    ledger_shop.check()
    order = ledger_shop.order(**{first: 6})
    ledger_shop.run_bookkeeper()

    made = repair_stock(ledger_shop, first)

    assert (made.before, made.after) == ((24, 8), (17, 8))
    ledger_shop.shop.post(f"/api/v1/orders/{order}/cancel")
    ledger_shop.run_bookkeeper()
    assert ledger_shop.check().drifted == 0


def test_a_repair_after_a_tampered_order_and_movement_is_lasting(ledger_shop: LedgerShop) -> None:
    first, second = trade(ledger_shop)
    order = ledger_shop.order(**{first: 2})
    ledger_shop.run_bookkeeper()
    ledger_shop.tamper_order(order, 5)
    ledger_shop.tamper_movement(second, 2, actor="eve")
    ledger_shop.check()

    made = [repair_stock(ledger_shop, product_id) for product_id in (first, second)]

    assert [it.after.available - it.before.available for it in made] == [-3, 0]
    ledger_shop.run_bookkeeper()
    for full in (False, True):
        assert ledger_shop.check(full=full).drifted == 0
    ledger_shop.adjust(first, 1)
    ledger_shop.run_bookkeeper()
    assert ledger_shop.check(full=True).drifted == 0


def test_a_repair_waits_for_a_ledger_that_lags(
    ledger_shop: LedgerShop, monkeypatch: pytest.MonkeyPatch, time_machine: Callable[[timedelta], None]
) -> None:
    first, _ = trade(ledger_shop)
    ledger_shop.tamper_stock(first, available=7)
    ledger_shop.check()
    ledger_shop.order(**{first: 1})
    time_machine(timedelta(minutes=2))
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        ledger_shop.run_bookkeeper()

    monkeypatch.setattr(clock, "sleep", nap)

    assert repair_stock(ledger_shop, first).after == (22, 3)
    assert naps


def test_nothing_is_repaired_that_no_check_has_found(ledger_shop: LedgerShop) -> None:
    first, _ = trade(ledger_shop)
    with pytest.raises(NothingToRepairError):
        repair_stock(ledger_shop, first)
    ledger_shop.check()

    with pytest.raises(NothingToRepairError):
        repair_stock(ledger_shop, first)
    with pytest.raises(NotFoundError):
        repair_stock(ledger_shop, "nothing")


def test_units_that_never_were_and_are_sold_are_not_repaired_below_zero(ledger_shop: LedgerShop) -> None:
    first, _ = trade(ledger_shop)
    ledger_shop.tamper_stock(first, available=7)
    ledger_shop.check()
    ledger_shop.order(**{first: 25})
    ledger_shop.run_bookkeeper()

    with pytest.raises(InsufficientStockError, match="leave -2 available"):
        repair_stock(ledger_shop, first)


def test_a_repair_that_cannot_be_is_refused_with_its_reason(ledger_shop: LedgerShop, admin: Person) -> None:
    def ask(product_id: str) -> Answer:
        return call("POST", "/api/v1/admin/stock-check/repair", {"product_id": product_id}, token=admin.token)

    first, second = trade(ledger_shop)
    ledger_shop.tamper_stock(first, available=7)
    ledger_shop.check()
    ledger_shop.order(**{first: 25})
    ledger_shop.run_bookkeeper()

    assert_problem(ask(first), 409, "insufficient-stock")
    assert_problem(ask(second), 409, "nothing-to-repair")
    assert_problem(ask("nothing"), 404, "not-found")


def test_a_stock_that_was_tampered_with_again_is_checked_again_before_it_is_repaired(ledger_shop: LedgerShop) -> None:
    first, _ = trade(ledger_shop)
    ledger_shop.tamper_stock(first, available=7)
    ledger_shop.check()
    ledger_shop.tamper_stock(first, available=1)

    with pytest.raises(ConflictError, match="Start another check"):
        repair_stock(ledger_shop, first)

    ledger_shop.check()
    assert repair_stock(ledger_shop, first).after == (23, 2)


def test_an_order_between_read_and_write_of_a_repair_makes_it_look_again(ledger_shop: LedgerShop) -> None:
    first, _ = trade(ledger_shop)
    ledger_shop.tamper_stock(first, available=7)
    ledger_shop.check()
    interfered: list[str] = []

    def interfere(call: Any) -> Any:
        if call.operation == "TransactWriteItems" and not interfered:
            interfered.append("now")
            ledger_shop.order(**{first: 1})
            ledger_shop.run_bookkeeper()
        return call.send()

    with intercepted(interfere):
        made = repair_stock(ledger_shop, first)

    assert interfered
    assert made.after == (22, 3)
    assert (stock_of(first).available, stock_of(first).reserved) == (22, 3)


def test_f24_a_crash_before_or_after_any_call_of_a_repair_and_its_retry_repair_once(ledger_shop: LedgerShop) -> None:
    def begin() -> str:
        product_id = ledger_shop.create()
        ledger_shop.order(**{product_id: 2})
        ledger_shop.run_bookkeeper()
        ledger_shop.tamper_stock(product_id, available=3)
        ledger_shop.check()
        return product_id

    crashed = 0
    for name, product_id in crashes(begin, lambda it: repair_stock(ledger_shop, it)):
        crashed += 1
        version = stock_of(product_id).version

        if version == 2:
            repair_stock(ledger_shop, product_id)
        else:
            with pytest.raises(NothingToRepairError):
                repair_stock(ledger_shop, product_id)

        stock = stock_of(product_id)
        assert (stock.available, stock.reserved, stock.version) == (18, 2, 3), name
        ledger_shop.run_bookkeeper()
        assert ledger_shop.check().drifted == 0, name
    assert crashed >= 10


def test_a_product_in_demand_is_repaired_although_its_ledger_is_always_behind(ledger_shop: LedgerShop) -> None:
    first, _ = trade(ledger_shop)
    ledger_shop.tamper_stock(first, available=7)
    ledger_shop.check()
    ledger_shop.order(**{first: 1})
    ledger_shop.run_bookkeeper()
    ledger_shop.order(**{first: 2})  # and this one is not in the ledger yet

    assert repair_stock(ledger_shop, first).after == (20, 5)

    ledger_shop.order(**{first: 1})
    ledger_shop.run_bookkeeper()
    for full in (False, True):
        assert ledger_shop.check(full=full).drifted == 0
    assert (stock_of(first).available, stock_of(first).reserved) == (19, 6)


def test_a_repair_of_a_ledger_that_lost_its_end_lasts_when_the_end_arrives_late(ledger_shop: LedgerShop) -> None:
    first, _ = trade(ledger_shop)
    ledger_shop.order(**{first: 2})
    ledger_shop.check()
    assert "missing-version" in codes(ledger_shop.drifts()[first])
    late = ledger_shop.processed
    ledger_shop.processed = len(ledger_shop.records)

    made = put_right(ledger_shop, first)

    assert made.before == made.after
    ledger_shop.processed = late
    ledger_shop.run_bookkeeper()
    for full in (False, True):
        assert ledger_shop.check(full=full).drifted == 0


def put_right(ledger_shop: LedgerShop, product_id: str) -> Repair:
    made = repair_stock(ledger_shop, product_id)
    ledger_shop.run_bookkeeper()
    return made


def test_a_stock_item_put_back_to_an_older_state_is_repaired_and_its_ledger_continues_after_its_end(
    ledger_shop: LedgerShop,
) -> None:
    first, _ = trade(ledger_shop)
    old = raw_item("inventory", *StockItem.key(first))
    ledger_shop.order(**{first: 2})
    ledger_shop.adjust(first, 3)
    ledger_shop.run_bookkeeper()
    right, end = stock_of(first), stock_of(first).version
    table("inventory").put(old)

    ledger_shop.check()
    made = put_right(ledger_shop, first)

    assert (made.version, made.after) == (end + 1, (right.available, right.reserved))
    ledger_shop.adjust(first, 1)
    ledger_shop.run_bookkeeper()
    for full in (False, True):
        assert ledger_shop.check(full=full).drifted == 0
    versions = [line.version for line in movements_after(right.pk, 0)]
    assert versions == list(range(1, end + 3))


def test_a_stock_item_put_back_to_before_adjustments_alone_is_found_by_a_full_check(ledger_shop: LedgerShop) -> None:
    first, _ = trade(ledger_shop)
    old = raw_item("inventory", *StockItem.key(first))
    ledger_shop.check()
    ledger_shop.adjust(first, 3)
    ledger_shop.adjust(first, -3)
    ledger_shop.run_bookkeeper()
    table("inventory").put(old)

    assert ledger_shop.check(full=True).drifted == 1

    assert difference(ledger_shop.drifts()[first]) == (0, 0), "and yet its next versions are taken"
    assert codes(ledger_shop.drifts()[first]) == ["stock-differs"]


def test_nothing_is_repaired_while_a_check_is_under_way_or_after_it_failed(ledger_shop: LedgerShop) -> None:
    first, _ = trade(ledger_shop)
    ledger_shop.tamper_stock(first, available=7)
    ledger_shop.check()
    stock_check.start()
    (message,) = ledger_shop.messages()

    with pytest.raises(ConflictError, match="is running"):
        repair_stock(ledger_shop, first)

    with intercepted(refuse("BatchGetItem", failing("AccessDeniedException"))), pytest.raises(ClientError):
        ledger_shop.deliver(message)
    with pytest.raises(ConflictError, match="failed"):
        repair_stock(ledger_shop, first)
    ledger_shop.check()
    assert repair_stock(ledger_shop, first).after == (23, 2)


def test_a_check_that_begins_between_read_and_write_of_a_repair_stops_it(ledger_shop: LedgerShop) -> None:
    first, _ = trade(ledger_shop)
    ledger_shop.tamper_stock(first, available=7)
    ledger_shop.check()

    def begin(call: Call) -> Any:
        if call.operation == "TransactWriteItems":
            stock_check.start()
        return call.send()

    with intercepted(begin), pytest.raises(ConflictError, match="is running"):
        repair_stock(ledger_shop, first)

    assert stock_of(first).available == 30, "else the check could report the repaired drift again"
    ledger_shop.drain()
    assert repair_stock(ledger_shop, first).after == (23, 2)


def test_a_late_worker_does_not_report_a_repaired_drift_again(ledger_shop: LedgerShop) -> None:
    first, _ = trade(ledger_shop)
    ledger_shop.tamper_stock(first, available=7)
    run = stock_check.start()
    ledger_shop.messages()
    repaired: list[str] = []

    def repair_first(call: Call) -> Any:
        finding = call.operation == "PutItem" and "drift#" in str(call.parameters["Item"]["sk"])
        if finding and not repaired:
            repaired.append(first)
            end_the_lease()
            stock_check.continue_run(run.id, 0, has_time=lambda: True)
            repair_stock(ledger_shop, first)
        return call.send()

    def end_the_lease() -> None:
        item = raw_item("inventory", *CheckRun.key())
        table("inventory").put(item | {"lease_until": {"S": "2000-01-01T00:00:00.000Z"}})

    with intercepted(repair_first), pytest.raises(ConditionFailedError):
        stock_check.continue_run(run.id, 0, has_time=lambda: True)

    assert repaired
    with pytest.raises(NothingToRepairError):
        repair_stock(ledger_shop, first)
    assert stock_of(first).available == 23


def test_a_stock_item_that_cannot_be_read_is_a_conflict(ledger_shop: LedgerShop) -> None:
    first, _ = trade(ledger_shop)
    item = raw_item("inventory", *StockItem.key(first))
    del item["version"]
    table("inventory").put(item)
    ledger_shop.check()

    with pytest.raises(ConflictError, match="unreadable"):
        repair_stock(ledger_shop, first)
