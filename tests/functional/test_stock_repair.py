"""The repair of what a check of the stock book has found: on moto."""

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
from oms.stock_ledger.reader import lines_after
from oms.stock_ledger.repair import Repair
from tests.support.aws_calls import Call, intercepted
from tests.support.bookkeeping import Bookkeeping, codes, difference, mend, raw_item, trade
from tests.support.database import table
from tests.support.faults import crashes, failing, refuse
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Answer, Person
from tests.support.shop import stock_of


def test_f24_a_repair_mends_once_and_leaves_a_movement_and_the_next_check_is_clean(books: Bookkeeping) -> None:
    first, _ = trade(books)
    books.tamper_stock(first, available=7, reserved=-1)
    books.check()
    tampered = stock_of(first)

    planned = mend(books, first, dry_run=True)

    assert (planned.before, planned.after, planned.repaired_at) == ((30, 1), (23, 2), None)
    assert stock_of(first).version == tampered.version, "a dry run writes nothing"
    made = mend(books, first)
    assert replace(made, repaired_at=None) == planned
    stock = stock_of(first)
    assert (stock.available, stock.reserved, stock.version) == (23, 2, tampered.version + 1)
    assert books.drifts()[first].repaired_at == made.repaired_at is not None
    with pytest.raises(NothingToRepairError):
        mend(books, first)
    books.keep()
    line = raw_item("inventory", stock.pk, Movement.sort_key(stock.version))
    assert (line["cause"]["S"], line["actor"]["S"]) == ("repaired", books.shop.manager.id)
    assert books.check().drifted == 0
    assert books.check(full=True).drifted == 0
    entries = [it["action"]["S"] for it in table("audit").items()]
    assert entries == ["stock.repaired"]


def test_orders_that_came_after_the_check_are_kept_by_the_repair(books: Bookkeeping) -> None:
    first, _ = trade(books)
    books.tamper_stock(first, available=7)
    books.check()
    order = books.order(**{first: 6})
    books.keep()

    made = mend(books, first)

    assert (made.before, made.after) == ((24, 8), (17, 8))
    books.shop.post(f"/api/v1/orders/{order}/cancel")
    books.keep()
    assert books.check().drifted == 0


def test_a_repair_after_a_tampered_order_and_movement_is_lasting(books: Bookkeeping) -> None:
    first, second = trade(books)
    order = books.order(**{first: 2})
    books.keep()
    books.tamper_order(order, 5)
    books.tamper_movement(second, 2, actor="eve")
    books.check()

    made = [mend(books, product_id) for product_id in (first, second)]

    assert [it.after.available - it.before.available for it in made] == [-3, 0]
    books.keep()
    for full in (False, True):
        assert books.check(full=full).drifted == 0
    books.adjust(first, 1)
    books.keep()
    assert books.check(full=True).drifted == 0


def test_a_repair_waits_for_a_book_that_lags(
    books: Bookkeeping, monkeypatch: pytest.MonkeyPatch, time_machine: Callable[[timedelta], None]
) -> None:
    first, _ = trade(books)
    books.tamper_stock(first, available=7)
    books.check()
    books.order(**{first: 1})
    time_machine(timedelta(minutes=2))
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        books.keep()

    monkeypatch.setattr(clock, "sleep", nap)

    assert mend(books, first).after == (22, 3)
    assert naps


def test_nothing_is_repaired_that_no_check_has_found(books: Bookkeeping) -> None:
    first, _ = trade(books)
    with pytest.raises(NothingToRepairError):
        mend(books, first)
    books.check()

    with pytest.raises(NothingToRepairError):
        mend(books, first)
    with pytest.raises(NotFoundError):
        mend(books, "nothing")


def test_units_that_never_were_and_are_sold_are_not_repaired_below_zero(books: Bookkeeping) -> None:
    first, _ = trade(books)
    books.tamper_stock(first, available=7)
    books.check()
    books.order(**{first: 25})
    books.keep()

    with pytest.raises(InsufficientStockError, match="leave -2 available"):
        mend(books, first)


def test_a_repair_that_cannot_be_is_refused_with_its_reason(books: Bookkeeping, admin: Person) -> None:
    def ask(product_id: str) -> Answer:
        return call("POST", "/api/v1/admin/stock-check/repair", {"product_id": product_id}, token=admin.token)

    first, second = trade(books)
    books.tamper_stock(first, available=7)
    books.check()
    books.order(**{first: 25})
    books.keep()

    assert_problem(ask(first), 409, "insufficient-stock")
    assert_problem(ask(second), 409, "nothing-to-repair")
    assert_problem(ask("nothing"), 404, "not-found")


def test_a_stock_that_was_tampered_with_again_is_checked_again_before_it_is_repaired(books: Bookkeeping) -> None:
    first, _ = trade(books)
    books.tamper_stock(first, available=7)
    books.check()
    books.tamper_stock(first, available=1)

    with pytest.raises(ConflictError, match="run the check again"):
        mend(books, first)

    books.check()
    assert mend(books, first).after == (23, 2)


def test_an_order_between_read_and_write_of_a_repair_makes_it_look_again(books: Bookkeeping) -> None:
    first, _ = trade(books)
    books.tamper_stock(first, available=7)
    books.check()
    interfered: list[str] = []

    def interfere(call: Any) -> Any:
        if call.operation == "TransactWriteItems" and not interfered:
            interfered.append("now")
            books.order(**{first: 1})
            books.keep()
        return call.send()

    with intercepted(interfere):
        made = mend(books, first)

    assert interfered
    assert made.after == (22, 3)
    assert (stock_of(first).available, stock_of(first).reserved) == (22, 3)


def test_f24_a_crash_before_or_after_any_call_of_a_repair_and_the_same_again_mend_once(books: Bookkeeping) -> None:
    def begin() -> str:
        product_id = books.create()
        books.order(**{product_id: 2})
        books.keep()
        books.tamper_stock(product_id, available=3)
        books.check()
        return product_id

    crashed = 0
    for name, product_id in crashes(begin, lambda it: mend(books, it)):
        crashed += 1
        version = stock_of(product_id).version

        if version == 2:
            mend(books, product_id)
        else:
            with pytest.raises(NothingToRepairError):
                mend(books, product_id)

        stock = stock_of(product_id)
        assert (stock.available, stock.reserved, stock.version) == (18, 2, 3), name
        books.keep()
        assert books.check().drifted == 0, name
    assert crashed >= 10


def test_a_product_in_demand_is_repaired_although_its_book_is_always_a_moment_behind(books: Bookkeeping) -> None:
    first, _ = trade(books)
    books.tamper_stock(first, available=7)
    books.check()
    books.order(**{first: 1})
    books.keep()
    books.order(**{first: 2})  # and the book has not got this one

    assert mend(books, first).after == (20, 5)

    books.order(**{first: 1})
    books.keep()
    for full in (False, True):
        assert books.check(full=full).drifted == 0
    assert (stock_of(first).available, stock_of(first).reserved) == (19, 6)


def test_a_repair_of_a_book_that_has_lost_its_end_lasts_when_the_end_comes_after_all(books: Bookkeeping) -> None:
    first, _ = trade(books)
    books.order(**{first: 2})
    books.check()
    assert "missing-version" in codes(books.drifts()[first])
    late = books.kept
    books.kept = len(books.records)

    made = put_right(books, first)

    assert made.before == made.after
    books.kept = late
    books.keep()
    for full in (False, True):
        assert books.check(full=full).drifted == 0


def put_right(books: Bookkeeping, product_id: str) -> Repair:
    made = mend(books, product_id)
    books.keep()
    return made


def test_a_stock_item_put_back_to_an_older_state_is_mended_and_its_book_goes_on_after_its_end(
    books: Bookkeeping,
) -> None:
    first, _ = trade(books)
    old = raw_item("inventory", *StockItem.key(first))
    books.order(**{first: 2})
    books.adjust(first, 3)
    books.keep()
    right, end = stock_of(first), stock_of(first).version
    table("inventory").put(old)

    books.check()
    made = put_right(books, first)

    assert (made.version, made.after) == (end + 1, (right.available, right.reserved))
    books.adjust(first, 1)
    books.keep()
    for full in (False, True):
        assert books.check(full=full).drifted == 0
    versions = [line.version for line in lines_after(right.pk, 0)]
    assert versions == list(range(1, end + 3))


def test_a_stock_item_put_back_to_before_adjustments_alone_is_found_by_a_full_check(books: Bookkeeping) -> None:
    first, _ = trade(books)
    old = raw_item("inventory", *StockItem.key(first))
    books.check()
    books.adjust(first, 3)
    books.adjust(first, -3)
    books.keep()
    table("inventory").put(old)

    assert books.check(full=True).drifted == 1

    assert difference(books.drifts()[first]) == (0, 0), "and yet its next versions are taken"
    assert codes(books.drifts()[first]) == ["stock-differs"]


def test_nothing_is_repaired_while_a_check_is_under_way_or_after_it_failed(books: Bookkeeping) -> None:
    first, _ = trade(books)
    books.tamper_stock(first, available=7)
    books.check()
    stock_check.start()
    (message,) = books.messages()

    with pytest.raises(ConflictError, match="under way"):
        mend(books, first)

    with intercepted(refuse("BatchGetItem", failing("AccessDeniedException"))), pytest.raises(ClientError):
        books.deliver(message)
    with pytest.raises(ConflictError, match="failed"):
        mend(books, first)
    books.check()
    assert mend(books, first).after == (23, 2)


def test_a_check_that_begins_between_read_and_write_of_a_repair_stops_it(books: Bookkeeping) -> None:
    first, _ = trade(books)
    books.tamper_stock(first, available=7)
    books.check()

    def begin(call: Call) -> Any:
        if call.operation == "TransactWriteItems":
            stock_check.start()
        return call.send()

    with intercepted(begin), pytest.raises(ConflictError, match="under way"):
        mend(books, first)

    assert stock_of(first).available == 30, "else the check could find, after the repair, what it has mended"
    books.drain()
    assert mend(books, first).after == (23, 2)


def test_what_is_repaired_is_not_found_again_by_a_worker_that_comes_late(books: Bookkeeping) -> None:
    first, _ = trade(books)
    books.tamper_stock(first, available=7)
    run = stock_check.start()
    books.messages()
    mended: list[str] = []

    def overtake(call: Call) -> Any:
        finding = call.operation == "PutItem" and "drift#" in str(call.parameters["Item"]["sk"])
        if finding and not mended:
            mended.append(first)
            end_the_lease()
            stock_check.work(run.id, 0, has_time=lambda: True)
            mend(books, first)
        return call.send()

    def end_the_lease() -> None:
        item = raw_item("inventory", *CheckRun.key())
        table("inventory").put(item | {"lease_until": {"S": "2000-01-01T00:00:00.000Z"}})

    with intercepted(overtake), pytest.raises(ConditionFailedError):
        stock_check.work(run.id, 0, has_time=lambda: True)

    assert mended
    with pytest.raises(NothingToRepairError):
        mend(books, first)
    assert stock_of(first).available == 23


def test_a_stock_item_that_cannot_be_read_is_a_conflict(books: Bookkeeping) -> None:
    first, _ = trade(books)
    item = raw_item("inventory", *StockItem.key(first))
    del item["version"]
    table("inventory").put(item)
    books.check()

    with pytest.raises(ConflictError, match="cannot be read"):
        mend(books, first)
