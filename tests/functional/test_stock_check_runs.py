"""A check over several workers: handed over, cut off and requested twice, without losing a result."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from oms.core.dynamodb import put_item
from oms.core.errors import UnavailableError
from oms.stock_ledger import check as stock_check
from oms.stock_ledger.models import CheckProgress
from tests.support.aws_calls import Call, Plan, intercepted
from tests.support.database import table
from tests.support.faults import Crash, failing, lose_answer, refuse
from tests.support.ledger_shop import LedgerShop, difference, trade


def crash_once(number: int) -> Plan:
    """Crashes after the n-th of all calls under this plan, which is the same as before the next one."""
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


def test_a_run_that_gets_a_page_or_a_product_at_a_time_finds_the_same(ledger_shop: LedgerShop) -> None:
    first, _ = trade(ledger_shop)
    ledger_shop.tamper_stock(first, available=7)
    calls = iter(range(10_000))

    run = ledger_shop.check(time_left=lambda: 900_000 if next(calls) % 2 == 0 else 0)

    assert (run.status, run.step, run.orders, run.products, run.drifted) == ("done", 3, 3, 2, 1)
    assert difference(ledger_shop.drifts()[first]) == (7, 0)
    left = [it["sk"]["S"] for it in table("inventory").items()]
    assert not [sort_key for sort_key in left if sort_key.startswith("progress#")]


def test_a_run_whose_time_ends_inside_a_page_stops_after_the_current_product(ledger_shop: LedgerShop) -> None:
    trade(ledger_shop)
    run = stock_check.start()
    calls = iter([True, True, False, False])

    handed = stock_check.continue_run(run.id, 0, has_time=lambda: next(calls))

    assert handed
    assert (handed.step, handed.orders, handed.products) == (1, 3, 1)
    ledger_shop.drain()
    assert stock_check.last_run()[0].products == 2  # type: ignore[union-attr]


@pytest.mark.timeout(400)  # a whole run for each of its calls
def test_f24_a_crash_between_any_two_calls_of_a_run_and_the_message_again_find_the_same(
    ledger_shop: LedgerShop, time_machine: Callable[[timedelta], None]
) -> None:
    first, _ = trade(ledger_shop)
    ledger_shop.tamper_stock(first, available=7)

    def a_page_at_a_time() -> Callable[[], int]:
        calls = iter(range(10_000))
        return lambda: 900_000 if next(calls) % 2 == 0 else 0

    def work_through(plan: Plan) -> bool:
        """Whether there was a crash. An unfinished message is delivered again after its worker's lease."""
        waiting, crashed = ledger_shop.messages(), False
        while waiting:
            try:
                with intercepted(plan):
                    assert ledger_shop.deliver(waiting[0], a_page_at_a_time()) == []
            except Crash:
                crashed = True
                time_machine(timedelta(minutes=17))
            else:
                del waiting[0]
            waiting += ledger_shop.messages()
        return crashed

    for number in range(1, 100):
        stock_check.start()
        if not work_through(crash_once(number)):
            assert number > 20
            return

        run, _ = stock_check.last_run()
        assert run
        assert (run.status, run.orders, run.products, run.drifted) == ("done", 3, 2, 1)
        assert {it: difference(drift) for it, drift in ledger_shop.drifts().items()} == {first: (7, 0)}
    raise AssertionError("the run does not end")


def test_one_run_at_a_time(ledger_shop: LedgerShop, time_machine: Callable[[timedelta], None]) -> None:
    trade(ledger_shop)
    run = stock_check.start()

    again = stock_check.start()

    assert again.id == run.id
    assert [message["run"] for message in ledger_shop.messages()] == [run.id, run.id], "the first is not received yet"
    time_machine(timedelta(minutes=21))
    replaced = stock_check.start()
    assert replaced.id != run.id
    assert ledger_shop.deliver({"run": run.id, "step": 0}) == []
    assert stock_check.last_run()[0].status == "running", "the message of the abandoned run does nothing"  # type: ignore[union-attr]


def test_a_duplicate_message_is_retried_while_the_first_is_processed(ledger_shop: LedgerShop) -> None:
    trade(ledger_shop)
    run = stock_check.start()
    message = {"run": run.id, "step": 0}

    def meanwhile() -> bool:
        with pytest.raises(UnavailableError):
            stock_check.continue_run(run.id, 0, has_time=lambda: True)
        return True

    stock_check.continue_run(run.id, 0, has_time=meanwhile)

    assert stock_check.last_run()[0].status == "done"  # type: ignore[union-attr]
    assert ledger_shop.deliver(message) == [], "the same message once more does nothing"


def test_a_run_that_cannot_continue_has_failed_and_the_next_one_may_start(ledger_shop: LedgerShop) -> None:
    trade(ledger_shop)
    run = stock_check.start()
    (message,) = ledger_shop.messages()

    # The error is raised again, so that the function's alarm is raised.
    with intercepted(refuse("BatchGetItem", failing("AccessDeniedException"))), pytest.raises(ClientError):
        ledger_shop.deliver(message)

    failed, _ = stock_check.last_run()
    assert failed
    assert (failed.id, failed.status) == (run.id, "failed")
    assert ledger_shop.deliver(message) == []
    assert ledger_shop.check().status == "done"


def test_the_schedule_starts_a_run(ledger_shop: LedgerShop) -> None:
    trade(ledger_shop)

    for start, full in (("new", False), ("full", True)):
        assert ledger_shop.deliver({"start": start}) == []
        ledger_shop.drain()

        run, _ = stock_check.last_run()
        assert run
        assert (run.status, run.full, run.products) == ("done", full, 2)


def test_a_full_check_starts_after_the_running_one(ledger_shop: LedgerShop) -> None:
    trade(ledger_shop)
    stock_check.start()

    assert ledger_shop.deliver({"start": "full"}) == ["message"], "it is retried"

    ledger_shop.drain()
    assert ledger_shop.deliver({"start": "full"}) == []
    ledger_shop.drain()
    run, _ = stock_check.last_run()
    assert run
    assert (run.status, run.full) == ("done", True)


def test_a_throttled_run_continues_when_its_message_is_delivered_again(
    ledger_shop: LedgerShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    trade(ledger_shop)
    stock_check.start()
    (message,) = ledger_shop.messages()

    with intercepted(refuse("BatchGetItem", failing("ThrottlingException"))):
        assert ledger_shop.deliver(message) == ["message"]

    run, _ = stock_check.last_run()
    assert run
    assert run.status == "running"
    assert run.worker is None
    assert ledger_shop.deliver(message) == []
    run, _ = stock_check.last_run()
    assert run
    assert (run.status, run.orders, run.products) == ("done", 3, 2)


def test_the_metrics_of_a_run_are_sent_again_when_its_last_message_is_delivered_again(
    ledger_shop: LedgerShop, capsys: pytest.CaptureFixture[str]
) -> None:
    first, _ = trade(ledger_shop)
    ledger_shop.tamper_stock(first, available=7)
    run = stock_check.start()
    stock_check.continue_run(run.id, 0, has_time=lambda: True)  # and its worker crashes before the metrics go out
    capsys.readouterr()

    assert ledger_shop.deliver({"run": run.id, "step": 0}) == []

    assert '"StockDrift":[1.0]' in capsys.readouterr().out


def test_a_lost_answer_to_handing_over_loses_no_time(ledger_shop: LedgerShop) -> None:
    trade(ledger_shop)
    run = stock_check.start()
    ledger_shop.messages()
    calls = iter([True, False])

    with intercepted(lose_answer("UpdateItem", after=1)):
        handed = stock_check.continue_run(run.id, 0, has_time=lambda: next(calls))

    assert handed
    assert (handed.status, handed.step) == ("running", 1)
    assert ledger_shop.messages() == [{"run": run.id, "step": 1}]


def test_a_run_removes_the_leftovers_of_older_ones(ledger_shop: LedgerShop) -> None:
    first, _ = trade(ledger_shop)
    ledger_shop.tamper_stock(first, available=7)
    old = ledger_shop.check()
    put_item(CheckProgress(*CheckProgress.key(old.id, 3, 0), data=b"left by a crash"))

    new = ledger_shop.check()

    left = [it["sk"]["S"] for it in table("inventory").items()]
    assert [it for it in left if it.startswith(("drift#", "progress#"))] == [f"drift#{new.id}#{first}"]
