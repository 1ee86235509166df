"""The stock ledger: what the bookkeeper writes from the stream, and how managers read it."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from oms.core import clock, settings
from oms.core.errors import UnavailableError
from oms.events import streams
from tests.support.aws_calls import intercepted
from tests.support.aws_client import aws_client
from tests.support.database import table
from tests.support.faults import Crash, crash_after, crash_before, failing, refuse
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Person
from tests.support.shop import Shop
from tests.support.streams import Record, run_bookkeeper, streamed

PRODUCTS = "/api/v1/inventory/products"


@pytest.fixture
def shop(customer: Person, manager: Person) -> Shop:
    return Shop(customer, manager)


@pytest.fixture
def poison(cloud: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Any]]:
    """The messages that wait in the poison queue."""
    sqs = aws_client("sqs")
    url = sqs.create_queue(QueueName=f"poison-{clock.random_id()}")["QueueUrl"]
    monkeypatch.setattr(streams, "settings", lambda: replace(settings.settings(), poison_queue_url=url))

    def read() -> list[Any]:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    return read


def movements(shop: Shop, product_id: str) -> list[Any]:
    """Oldest first."""
    shown = call("GET", f"{PRODUCTS}/{product_id}/movements?limit=100", token=shop.manager.token)
    assert shown.status == 200, shown.text
    return list(reversed(shown.json["items"]))


def ledger_items() -> list[Any]:
    items = table("inventory").items()
    return sorted(
        (it for it in items if it["kind"]["S"] in ("movement", "crossing")),
        key=lambda it: (it["pk"]["S"], it["sk"]["S"]),
    )


def create(shop: Shop, stock: int = 10, threshold: int | None = None) -> str:
    body = {"sku": "SKU-1", "name": "Saw", "category": "Tools", "price": 5, "stock": stock}
    made = shop.manage("POST", "products", body | ({"low_stock_threshold": threshold} if threshold is not None else {}))
    assert made.status == 201, made.text
    return str(made.json["id"])


def adjust(shop: Shop, product_id: str, units: int) -> None:
    adjusted = shop.manage("PATCH", f"products/{product_id}/stock", {"adjustment": units, "reason": "counted"})
    assert adjusted.status == 200, adjusted.text


def a_days_work(shop: Shop) -> tuple[str, list[Record]]:
    """Returns a product that was created, adjusted, ordered, cancelled and ordered again, and the stream of it."""
    with streamed() as records:
        product_id = create(shop)
        adjust(shop, product_id, -4)
        order = shop.buy({product_id: 3}).json["id"]
        shop.post(f"/api/v1/orders/{order}/cancel")
        shop.buy({product_id: 6})
    return product_id, records


def test_the_ledger_has_units_cause_and_both_balances_of_each_movement(shop: Shop) -> None:
    product_id, records = a_days_work(shop)

    run_bookkeeper(records)

    lines = movements(shop, product_id)
    assert [line["version"] for line in lines] == [1, 2, 3, 4, 5]
    assert [line["cause"] for line in lines] == [
        "product-created",
        "adjusted",
        "order-created",
        "order-cancelled",
        "order-created",
    ]
    assert [line["actor"] for line in lines] == [shop.manager.id, shop.manager.id] + [shop.customer.id] * 3
    assert [line["available"]["after"] for line in lines] == [10, 6, 3, 6, 0]
    assert [line["reserved"]["after"] for line in lines] == [0, 0, 3, 0, 6]
    assert lines[0]["available"]["before"] == lines[0]["reserved"]["before"] == 0
    for earlier, later in pairwise(lines):
        assert all(later[units]["before"] == earlier[units]["after"] for units in ("available", "reserved"))
    assert lines[2]["ref"] == lines[3]["ref"] != lines[4]["ref"]


def test_newest_first_page_by_page(shop: Shop) -> None:
    product_id, records = a_days_work(shop)
    run_bookkeeper(records)

    versions, path = [], f"{PRODUCTS}/{product_id}/movements?limit=2"
    cursor = None
    while True:
        page = call("GET", path + (f"&cursor={cursor}" if cursor else ""), token=shop.manager.token).json
        versions += [line["version"] for line in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert versions == [5, 4, 3, 2, 1]


def test_a_product_without_movements_yet_has_an_empty_list_and_an_unknown_product_is_not_found(shop: Shop) -> None:
    product_id = create(shop)

    assert movements(shop, product_id) == []
    assert_problem(call("GET", f"{PRODUCTS}/nothing/movements", token=shop.manager.token), 404, "not-found")


def test_a_batch_that_is_repeated_in_any_order_changes_nothing(shop: Shop) -> None:
    _, records = a_days_work(shop)
    run_bookkeeper(records)
    first = ledger_items()

    run_bookkeeper(records)
    for one in reversed(records):
        run_bookkeeper([one])

    assert ledger_items() == first


def test_f14_a_written_entry_stays_and_another_one_of_its_version_is_quarantined(
    shop: Shop, poison: Callable[[], list[Any]]
) -> None:
    _, records = a_days_work(shop)
    run_bookkeeper(records)
    first = ledger_items()
    image = records[1]["dynamodb"]["NewImage"] | {"available": {"N": "99"}}
    other = {**records[1], "dynamodb": {**records[1]["dynamodb"], "NewImage": image}}

    run_bookkeeper([records[1], other, records[2]])

    assert ledger_items() == first
    assert [message["record"] for message in poison()] == [other]


def test_f13_a_crash_before_or_after_any_call_of_the_bookkeeper_and_the_batch_again_give_the_same_ledger(
    shop: Shop,
) -> None:
    _, records = a_days_work(shop)
    with intercepted() as calls:
        run_bookkeeper(records)
    whole, crashed = ledger_items(), 0
    for number in range(1, len(calls) + 1):
        for plan in (crash_before(number), crash_after(number)):
            for entry in ledger_items():
                table("inventory").delete(entry["pk"]["S"], entry["sk"]["S"])
            table("reports").clear()

            with pytest.raises(Crash), intercepted(plan):
                run_bookkeeper(records)
            crashed += 1
            assert len(ledger_items()) < len(whole) or number >= len(records)
            run_bookkeeper(records)

            assert ledger_items() == whole

    assert crashed == 2 * (len(records) + 2) == 14, "and the read and the transaction of the sums"


def test_the_crossings_of_the_threshold_are_in_the_ledger(shop: Shop) -> None:
    with streamed() as records:
        product_id = create(shop, stock=10, threshold=3)
        for units in (-6, -1, -1, -2, 1, 8):
            adjust(shop, product_id, units)
        text = {"sku": "SKU-1", "name": "Saw", "category": "Tools", "price": "5.00", "status": "active"}
        for threshold in (20, 30, 2):
            shop.manage("PUT", f"products/{product_id}", text | {"low_stock_threshold": threshold})

    run_bookkeeper(records)

    of_movements = [it.get("crossing", {}).get("S") for it in ledger_items() if it["kind"]["S"] == "movement"]
    assert of_movements == [None, None, "low", None, "out", "low", "replenished"]
    of_edits = [it["crossing"]["S"] for it in ledger_items() if it["kind"]["S"] == "crossing"]
    assert of_edits == ["low", "replenished"]


def broken(record: Record) -> Record:
    image = {name: value for name, value in record["dynamodb"]["NewImage"].items() if name != "last"}
    return {**record, "dynamodb": {**record["dynamodb"], "NewImage": image}}


def test_f15_an_undecodable_record_is_quarantined_whole_and_its_neighbours_are_written(
    shop: Shop, poison: Callable[[], list[Any]]
) -> None:
    product_id, records = a_days_work(shop)
    records[1] = broken(records[1])
    nonsense = {"eventID": "event-0", "eventName": "MODIFY", "dynamodb": {}}

    run_bookkeeper([nonsense, *records])

    assert [line["version"] for line in movements(shop, product_id)] == [1, 3, 4, 5]
    aside = poison()
    assert [message["record"] for message in aside] == [nonsense, records[1]]
    assert all(message["cause"] for message in aside)


@pytest.mark.parametrize("part", ["cause", "actor", "ref", "ref_version", "at"])
def test_f15_an_incomplete_movement_is_quarantined_and_does_not_hold_up_the_others(
    shop: Shop, poison: Callable[[], list[Any]], part: str
) -> None:
    product_id, records = a_days_work(shop)
    last = {name: value for name, value in records[1]["dynamodb"]["NewImage"]["last"]["M"].items() if name != part}
    image = records[1]["dynamodb"]["NewImage"] | {"last": {"M": last}}
    records[1] = {**records[1], "dynamodb": {**records[1]["dynamodb"], "NewImage": image}}

    run_bookkeeper(records)

    assert [line["version"] for line in movements(shop, product_id)] == [1, 3, 4, 5]
    assert [message["record"] for message in poison()] == [records[1]]


def test_f15_a_record_with_any_characters_is_quarantined(shop: Shop, poison: Callable[[], list[Any]]) -> None:
    _, records = a_days_work(shop)
    strange = "".join(map(chr, (0, 8, 31, 127, 0xFFFD, 0xFFFE, 0xFFFF, 0x1F600))) + '"\\'
    image = records[1]["dynamodb"]["NewImage"] | {"name": {"S": strange}, "last": {"M": {}}}
    records[1] = {**records[1], "dynamodb": {**records[1]["dynamodb"], "NewImage": image}}

    with intercepted() as calls:
        run_bookkeeper(records)

    (sent,) = [call.parameters["MessageBody"] for call in calls if call.operation == "SendMessage"]
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html: characters that a body
    # may have.
    assert re.fullmatch("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*", sent)
    assert [message["record"] for message in poison()] == [records[1]]


def test_f15_a_write_that_dynamodb_calls_invalid_is_quarantined_too(
    shop: Shop, poison: Callable[[], list[Any]]
) -> None:
    product_id, records = a_days_work(shop)

    with intercepted(refuse("PutItem", failing("ValidationException"), times=1)):
        run_bookkeeper(records)

    assert [line["version"] for line in movements(shop, product_id)] == [2, 3, 4, 5]
    assert [message["record"] for message in poison()] == [records[0]]


def test_a_temporary_failure_raises_so_that_the_batch_is_retried(
    shop: Shop, poison: Callable[[], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, records = a_days_work(shop)

    for failure in ("ProvisionedThroughputExceededException", "AccessDeniedException"):
        with intercepted(refuse("PutItem", failing(failure))), pytest.raises(Exception) as raised:  # noqa: PT011
            run_bookkeeper(records)
        assert isinstance(raised.value, UnavailableError) or failure in str(raised.value)

    assert ledger_items() == []
    assert poison() == []


def test_a_poison_queue_that_refuses_a_record_lets_the_batch_be_retried(
    shop: Shop, poison: Callable[[], list[Any]]
) -> None:
    _, records = a_days_work(shop)

    with intercepted(refuse("SendMessage", failing("ServiceUnavailable"))), pytest.raises(Exception, match="Service"):
        run_bookkeeper([broken(records[0])])
