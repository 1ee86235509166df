"""The check of the stock book as a job, and the repair: on moto, one worker at a time."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto.dynamodb.models.dynamo_type import DynamoType

from oms import clock, dynamodb, settings
from oms.errors import ConflictError, InsufficientStockError, NotFoundError, NothingToRepairError, UnavailableError
from oms.inventory import accounts, stock_check
from oms.inventory.models import Adjustment, Movement, StockItem
from oms.inventory.stock_repair import Repair, repair
from tests.faults.injector import Call, Crash, Plan, crashes, failing, faults, refuse
from tests.faults.shop import Shop, stock_of, table
from tests.functional.bookkeeping import Bookkeeping, codes, difference, raw_item
from tests.functional.harness import Person
from tests.functional.stream import streamed


@pytest.fixture
def settle(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Sets how old something must be to be compared. Below zero, all that is there is old enough."""

    def set_to(time: timedelta) -> None:
        url = stock_check.settings().stock_check_queue_url
        changed = replace(settings.settings(), stock_check_queue_url=url, settle=time)
        monkeypatch.setattr(stock_check, "settings", lambda: changed)

    return set_to


@pytest.fixture
def books(
    customer: Person, manager: Person, settle: Callable[[timedelta], None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bookkeeping]:
    url = boto3.client("sqs").create_queue(QueueName=f"check-{clock.random_id()}")["QueueUrl"]
    changed = replace(settings.settings(), stock_check_queue_url=url)
    monkeypatch.setattr(stock_check, "settings", lambda: changed)
    settle(timedelta(seconds=-60))
    monkeypatch.setitem(accounts.settled.__kwdefaults__, "sleep", lambda _: None)
    with streamed() as records:
        yield Bookkeeping(Shop(customer, manager), records, url)


def trade(books: Bookkeeping) -> tuple[str, str]:
    """Two products that were adjusted, ordered, cancelled, shipped and returned; their book is kept."""
    first, second = books.create(), books.create()
    books.adjust(first, 5)
    books.order(**{first: 2, second: 1})
    books.order("cancel", **{first: 3})
    books.order("confirm", "ship", "deliver", "return", **{second: 4})
    books.keep()
    return first, second


def mend(books: Bookkeeping, product_id: str, *, dry_run: bool = False) -> Repair:
    return repair(product_id, dry_run=dry_run, by=books.shop.manager, address="198.51.100.1")


def crash_once(number: int) -> Plan:
    """After the n-th call, counted over all that is done with this plan: as good as before the next one."""
    seen = 0

    def plan(call: Call) -> Any:
        nonlocal seen
        seen += 1
        crashes_here = seen == number  # other threads count on meanwhile
        answer = call.send()
        if crashes_here:
            raise Crash
        return answer

    return plan


def test_books_that_are_right_are_found_right(books: Bookkeeping) -> None:
    trade(books)

    run = books.check()

    assert (run.status, run.products, run.orders, run.unsettled, run.drifted) == ("done", 2, 3, 0, 0)
    assert run.finished_at
    assert books.drifts() == {}


def test_the_next_check_reads_no_movement_again(books: Bookkeeping) -> None:
    first, _ = trade(books)
    books.check()
    books.adjust(first, -1)
    books.keep()

    with faults() as calls:
        assert books.check().drifted == 0

    read = [
        it.parameters["ExpressionAttributeValues"]
        for it in calls
        if it.operation == "Query" and "IndexName" not in it.parameters
    ]
    values = [value["S"] for parameters in read for value in parameters.values() if value["S"].startswith("movement")]
    assert len(values) == 2, "one query, of the one product that moved"
    assert min(values) == Movement.sort_key(stock_of(first).version)


def test_f24_a_stock_item_that_was_tampered_with_is_named_with_the_difference(books: Bookkeeping) -> None:
    first, _ = trade(books)
    books.check()
    books.tamper_stock(first, available=7, reserved=-1)

    run = books.check()

    assert (run.drifted, run.unsettled) == (1, 0)
    (drift,) = books.drifts().values()
    assert (drift.product_id, difference(drift), codes(drift)) == (first, (7, -1), ["stock-differs"])
    assert (drift.available, drift.reserved) == (30, 1)


def test_f24_an_order_that_was_tampered_with_is_named_with_the_difference(books: Bookkeeping) -> None:
    first, _ = trade(books)
    order = books.order(**{first: 2})
    books.keep()
    books.check()
    books.tamper_order(order, 5)

    books.check()

    (drift,) = books.drifts().values()
    assert (drift.product_id, difference(drift), codes(drift)) == (first, (3, -3), ["differing-movement"])
    assert (drift.findings[0]["ref"], drift.findings[0]["ref_version"]) == (order, 1)
    assert (drift.findings[0]["recorded"], drift.findings[0]["expected"]) == ([-2, 2], [-5, 5])


def test_f24_a_movement_that_was_tampered_with_is_named_and_a_closed_one_by_a_full_check(books: Bookkeeping) -> None:
    first, _ = trade(books)
    books.tamper_movement(first, 2, actor="eve")

    books.check()

    (drift,) = books.drifts().values()
    assert (drift.product_id, difference(drift), codes(drift)) == (first, (0, 0), ["differing-movement"])
    books.tamper_movement(first, 2, actor=books.shop.manager.id)
    books.check()
    books.tamper_movement(first, 2, actor="eve")
    assert books.check().drifted == 0
    assert books.check(full=True).drifted == 1
    assert books.drifts()[first].findings[0]["version"] == 2


def test_f24_a_movement_that_was_removed_is_named_and_the_stock_is_right(books: Bookkeeping) -> None:
    first, second = trade(books)
    for product_id, version in ((first, 2), (second, 1)):
        table("inventory").delete_item(
            DynamoType({"S": StockItem.key(product_id)[0]}), DynamoType({"S": Movement.sort_key(version)})
        )

    books.check()

    assert {product_id: difference(drift) for product_id, drift in books.drifts().items()} == {
        first: (0, 0),
        second: (0, 0),
    }
    assert all("missing-version" in codes(drift) for drift in books.drifts().values())


def test_f24_an_adjustment_that_was_tampered_with_is_named_with_the_difference(books: Bookkeeping) -> None:
    first, _ = trade(books)
    ref = raw_item("inventory", StockItem.key(first)[0], Movement.sort_key(2))["ref"]["S"]
    table("inventory").put_item(raw_item("inventory", *Adjustment.key(ref)) | {"adjustment": {"N": "9"}})

    books.check()

    (drift,) = books.drifts().values()
    assert (drift.product_id, difference(drift)) == (first, (-4, 0))


def test_an_order_or_an_item_that_cannot_be_read_is_named_and_stops_nothing(books: Bookkeeping) -> None:
    first, second = trade(books)
    order = books.order(**{first: 2})
    books.keep()
    broken = raw_item("orders", order)
    del broken["lines"]
    table("orders").put_item(broken)
    stock = raw_item("inventory", *StockItem.key(second))
    del stock["version"]
    table("inventory").put_item(stock)

    run = books.check()

    assert (run.status, run.drifted) == ("done", 2)
    assert difference(books.drifts()[first]) == (-2, 2)
    assert "missing-stock-item" in codes(books.drifts()[second])


def test_a_product_whose_stream_lags_is_unsettled_and_no_drift(
    books: Bookkeeping, settle: Callable[[timedelta], None]
) -> None:
    first, _ = trade(books)
    settle(timedelta(minutes=15))
    books.adjust(first, 1)

    run = books.check()

    assert (run.products, run.unsettled, run.drifted) == (2, 1, 0)
    books.keep()
    assert books.check().unsettled == 0


def test_what_is_newer_than_the_cut_is_not_compared_yet(
    books: Bookkeeping, settle: Callable[[timedelta], None]
) -> None:
    first, _ = trade(books)
    settle(timedelta(minutes=15))
    order = books.order(**{first: 2})
    books.keep()
    books.tamper_order(order, 5)

    assert books.check().drifted == 0

    settle(timedelta(seconds=-60))
    assert books.check().drifted == 1


# ---- a run in stretches ---------------------------------------------------------------------------------------------


def test_a_run_that_gets_one_page_at_a_time_finds_the_same(books: Bookkeeping) -> None:
    first, _ = trade(books)
    books.tamper_stock(first, available=7)
    looks = iter(range(10_000))

    run = books.check(time_left=lambda: 900_000 if next(looks) % 2 == 0 else 0)

    assert (run.status, run.step, run.orders, run.products, run.drifted) == ("done", 2, 3, 2, 1)
    assert difference(books.drifts()[first]) == (7, 0)
    left = [it.to_json()["Attributes"]["sk"]["S"] for it in table("inventory").all_items()]
    assert not [sort_key for sort_key in left if sort_key.startswith("progress#")]


def test_a_crash_between_any_two_calls_of_a_run_and_the_message_again_find_the_same(
    books: Bookkeeping, time_machine: Callable[[timedelta], None]
) -> None:
    first, _ = trade(books)
    books.tamper_stock(first, available=7)

    def a_page_at_a_time() -> Callable[[], int]:
        looks = iter(range(10_000))
        return lambda: 900_000 if next(looks) % 2 == 0 else 0

    def work_through(plan: Plan) -> bool:
        """Whether there was a crash. A message that is not finished comes again, once its worker's lease is over."""
        waiting, crashed = books.messages(), False
        while waiting:
            try:
                with faults(plan):
                    assert books.deliver(waiting[0], a_page_at_a_time()) == []
            except Crash:
                crashed = True
                time_machine(timedelta(minutes=17))
            else:
                del waiting[0]
            waiting += books.messages()
        return crashed

    for number in range(1, 100):
        stock_check.start()
        if not work_through(crash_once(number)):
            assert number > 20
            return

        run, _ = stock_check.last()
        assert run
        assert (run.status, run.orders, run.products, run.drifted) == ("done", 3, 2, 1)
        assert {it: difference(drift) for it, drift in books.drifts().items()} == {first: (7, 0)}
    raise AssertionError("the run does not end")


def test_one_run_at_a_time(books: Bookkeeping, time_machine: Callable[[timedelta], None]) -> None:
    trade(books)
    run = stock_check.start()

    again = stock_check.start()

    assert again.id == run.id
    assert [message["run"] for message in books.messages()] == [run.id, run.id], "nobody has the first message yet"
    time_machine(timedelta(minutes=21))
    replaced = stock_check.start()
    assert replaced.id != run.id
    assert books.deliver({"run": run.id, "step": 0}) == []
    assert stock_check.last()[0].status == "running", "the message of the abandoned run does nothing"  # type: ignore[union-attr]


def test_a_message_that_comes_twice_at_once_comes_back_while_the_first_is_at_work(books: Bookkeeping) -> None:
    trade(books)
    run = stock_check.start()
    message = {"run": run.id, "step": 0}

    def meanwhile() -> bool:
        with pytest.raises(UnavailableError):
            stock_check.work(run.id, 0, has_time=lambda: True)
        return True

    stock_check.work(run.id, 0, has_time=meanwhile)

    assert stock_check.last()[0].status == "done"  # type: ignore[union-attr]
    assert books.deliver(message) == [], "the same message once more does nothing"


def test_a_run_that_cannot_go_on_has_failed_and_the_next_one_may_begin(books: Bookkeeping) -> None:
    trade(books)
    run = stock_check.start()
    (message,) = books.messages()

    with faults(refuse("BatchGetItem", failing("AccessDeniedException"))):
        assert books.deliver(message) == ["message"]

    failed, _ = stock_check.last()
    assert failed
    assert (failed.id, failed.status) == (run.id, "failed")
    assert books.deliver(message) == []
    assert books.check().status == "done"


def test_the_schedule_asks_for_a_run(books: Bookkeeping) -> None:
    trade(books)

    for start, full in (("new", False), ("full", True)):
        assert books.deliver({"start": start}) == []
        books.drain()

        run, _ = stock_check.last()
        assert run
        assert (run.status, run.full, run.products) == ("done", full, 2)


# ---- repair ---------------------------------------------------------------------------------------------------------


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
    entries = [it.to_json()["Attributes"]["action"]["S"] for it in table("audit").all_items()]
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


def test_a_repair_waits_for_a_book_that_lags(books: Bookkeeping, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = trade(books)
    books.tamper_stock(first, available=7)
    books.check()
    books.order(**{first: 1})
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        books.keep()

    monkeypatch.setitem(dynamodb.retrying.__kwdefaults__, "sleep", nap)

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

    with faults(interfere):
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
