"""The finder: after any changes, in any order, the stored search terms are those of the orders."""

import random
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

import pytest

from oms.core import clock, pseudonyms
from oms.core.settings import settings
from oms.events import streams
from oms.orders.models import Order, OrderLine, Shipment
from oms.search.terms import TermKind, partitions, terms_of
from tests.support.aws_calls import Call, intercepted
from tests.support.aws_client import aws_client
from tests.support.database import table
from tests.support.past_orders import Past
from tests.support.streams import Record, record, run_finder, streamed

pytestmark = [
    pytest.mark.usefixtures("cloud"),
    pytest.mark.filterwarnings("ignore:No application metrics to publish"),
]


def orders(number: int = 1) -> list[Order]:
    return list(Past(number=number, days=3, last=date(2026, 1, 10), lines=3).orders())


def stored_terms() -> set[tuple[str, str]]:
    return {(item["pk"]["S"], item["sk"]["S"]) for item in table("search").items()}


def current_terms() -> set[tuple[str, str]]:
    return {term.key for item in table("orders").items() for term in terms_of(Order.from_raw_data(item))}


def tracking(number: str) -> str:
    (partition,) = partitions(TermKind.TRACKING, number, 1)
    return partition


def put(order: Order) -> None:
    table("orders").put(order.serialize())


def of_changes(*versions: dict[str, Any] | None) -> list[Record]:
    """Returns the records of an item's versions, in order."""
    return [record(old, new, of="orders") for old, new in pairwise(versions)]


def versions_of(order: Order) -> list[dict[str, Any] | None]:
    """Returns an order's raw item when it was placed, after it got another line, and after it was shipped."""
    order.shipment = None
    placed = order.serialize()
    order.lines = [*order.lines[1:], OrderLine(**{**order.lines[0].attribute_values, "sku": "Other-1"})]
    edited = order.serialize()
    order.shipment = Shipment(carrier="DHL", tracking_number="JD 01-40", shipped_at=order.updated_at)
    return [None, placed, edited, order.serialize()]


def test_a_new_order_gets_its_terms() -> None:
    (order,) = orders()
    order.shipment = Shipment(carrier="DHL", tracking_number="JD 01-40", shipped_at=order.updated_at)
    order.lines[0].sku = "Saw#1"
    put(order)

    run_finder(of_changes(None, order.serialize()))

    assert stored_terms() == current_terms()
    place, found = order.created_key, {pk for pk, _ in stored_terms()}
    assert {sk for _, sk in stored_terms()} == {place}
    assert {f"find#number#{order.number.lower()}", tracking("JD-0140"), "find#sku#saw#1#0"} <= found
    assert len(found) == 2 + len({line.sku for line in order.lines})


def test_a_move_without_a_new_term_makes_no_call() -> None:
    (order,) = orders()
    before = order.serialize()
    order.status, order.version = "confirmed", order.version + 1
    put(order)

    with intercepted() as calls:
        run_finder(of_changes(before, order.serialize()))

    assert calls == []


def test_a_shipment_writes_its_tracking_number_alone() -> None:
    (order,) = orders()
    *_, edited, shipped = versions_of(order)
    put(order)

    with intercepted() as calls:
        run_finder(of_changes(edited, shipped))

    assert [call.operation for call in calls] == ["BatchWriteItem", "BatchGetItem"]
    assert {pk for pk, _ in stored_terms()} == {tracking("jd0140")}


@pytest.mark.parametrize("seed", range(20))
def test_f14_any_order_of_the_changes_leaves_the_terms_of_the_orders(seed: int) -> None:
    """Batches are cut, repeated and reordered at random; the last processing of each record is after all writes."""
    chance = random.Random(seed)
    records: list[Record] = []
    for order in orders(5):
        versions = versions_of(order)
        put(order)
        records += of_changes(*versions)
    chance.shuffle(records)
    repeated = records + chance.sample(records, 5)

    while repeated:
        size = chance.randint(1, 6)
        run_finder(repeated[:size])
        repeated = repeated[size:]

    assert stored_terms() == current_terms()


def test_f13_an_order_that_changes_while_its_terms_are_written_has_the_last_ones() -> None:
    (order,) = orders()
    _, placed, edited, shipped = versions_of(order)
    later = [edited, shipped]
    table("orders").put(placed)

    def plan(call: Call) -> Any:
        answer = call.send()
        if call.operation == "BatchWriteItem" and later:
            table("orders").put(later.pop(0))
        return answer

    with intercepted(plan):
        run_finder(of_changes(None, placed))

    assert stored_terms() == current_terms()


def test_f13_a_late_worker_removes_the_term_that_it_wrote_too_late() -> None:
    """Two workers have the record of one order, as during a redrive. The first one writes after the second one."""
    (order,) = orders()
    _, placed, edited, _ = versions_of(order)
    table("orders").put(placed)
    waiting = True

    def plan(call: Call) -> Any:
        nonlocal waiting
        if call.operation == "BatchWriteItem" and waiting:
            waiting = False
            table("orders").put(edited)
            run_finder(of_changes(placed, edited))
        return call.send()

    with intercepted(plan):
        run_finder(of_changes(None, placed))

    assert stored_terms() == current_terms()


def test_a_removed_order_loses_its_terms() -> None:
    (order,) = orders()
    put(order)
    run_finder(of_changes(None, order.serialize()))
    table("orders").clear()

    run_finder(of_changes(order.serialize(), None))

    assert stored_terms() == set()


@pytest.mark.parametrize("number", range(1, 7))
def test_f13_a_crash_at_any_call_is_repaired_by_the_next_delivery(number: int) -> None:
    made = orders(30)
    for order in made:
        put(order)
    records = [record(None, order.serialize(), of="orders") for order in made]
    seen = 0

    def plan(call: Call) -> Any:
        nonlocal seen
        seen += 1
        if seen == number:
            call.send()
            raise RuntimeError("the process died")
        return call.send()

    with intercepted(plan), pytest.raises(RuntimeError):
        run_finder(records)
    run_finder(records)

    assert stored_terms() == current_terms()


def test_writes_that_stay_unprocessed_are_sent_again() -> None:
    (order,) = orders()
    put(order)
    refused = True

    def plan(call: Call) -> Any:
        nonlocal refused
        if call.operation == "BatchWriteItem" and refused:
            refused = False
            ((name, requests),) = call.parameters["RequestItems"].items()
            return {"UnprocessedItems": {name: requests}}
        return call.send()

    with intercepted(plan):
        run_finder(of_changes(None, order.serialize()))

    assert stored_terms() == current_terms()


def test_a_record_that_cannot_be_decoded_is_quarantined_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sqs = aws_client("sqs")
    url = sqs.create_queue(QueueName=f"poison-{clock.random_id()}")["QueueUrl"]
    monkeypatch.setattr(streams, "settings", lambda: replace(settings(), poison_queue_url=url))
    good, bad = orders(2)
    put(good)
    broken = {**bad.serialize(), "lines": {"S": "none"}}

    run_finder([*of_changes(None, broken), *of_changes(None, good.serialize())])

    assert len(sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]) == 1
    assert stored_terms() == current_terms()


def test_terms_of_requests_are_those_of_the_stream(order: Any, customer: Any) -> None:
    with streamed("orders") as records:
        placed = order(customer).json
    run_finder(records)

    assert stored_terms() == current_terms()
    assert (f"find#number#{placed['number'].lower()}", f"{placed['created_at']}#{placed['id']}") in stored_terms()


def test_a_long_tracking_number_is_cut_in_its_key() -> None:
    (order,) = orders()
    order.shipment = Shipment(carrier="DHL", tracking_number="ﷺ" * 500, shipped_at=order.updated_at)
    put(order)
    pseudonyms.KEYS.forget()  # as in a new process, so that the finder reads the key itself

    run_finder(of_changes(None, order.serialize()))

    assert stored_terms() == current_terms()


def test_no_tracking_number_is_stored_in_clear_text() -> None:
    (order,) = orders()
    order.shipment = Shipment(carrier="DHL", tracking_number="JD-4711-0815", shipped_at=order.updated_at)
    put(order)

    run_finder(of_changes(None, order.serialize()))

    assert tracking("jd 4711 0815") in {pk for pk, _ in stored_terms()}
    assert "0815" not in str(stored_terms())
