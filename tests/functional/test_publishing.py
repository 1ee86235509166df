"""The publisher: the events of a batch on the bus, with entries that the bus refuses and crashes at every call."""

import json
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from oms.core import clock
from oms.core.settings import settings
from oms.events import streams
from oms.events.envelope import MAX_EVENT_BYTES
from oms.inventory.models import StockItem
from oms.publishing.bus import NotPublishedError
from tests.support.aws_calls import Call, intercepted
from tests.support.aws_client import aws_client
from tests.support.database import table
from tests.support.event_bus import bus, entries_of, publish, published
from tests.support.faults import crashes, failing, refuse
from tests.support.feed import feed_in
from tests.support.gateway import call
from tests.support.invocation import Person
from tests.support.ledger_shop import raw_item
from tests.support.shop import Shop
from tests.support.streams import Record, record, streamed

TABLES = ("orders", "inventory")
PRODUCT = {"sku": "SKU-1", "name": "Saw", "category": "Tools", "price": 5, "stock": 20, "low_stock_threshold": 5}

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture
def shop(customer: Person, manager: Person) -> Shop:
    return Shop(customer, manager)


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Any]]:
    sqs = aws_client("sqs")
    url = sqs.create_queue(QueueName=f"poison-{clock.random_id()}")["QueueUrl"]
    monkeypatch.setattr(streams, "settings", lambda: replace(settings(), poison_queue_url=url))

    def read() -> list[Any]:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(it["Body"]) for it in messages]

    return read


def trade(shop: Shop, *, orders: int = 1) -> list[Record]:
    """Returns the changes of a day: a product, and orders of which the first is cancelled."""
    with streamed(*TABLES) as records:
        made = shop.manage("POST", "products", PRODUCT | {"sku": clock.random_id()})
        assert made.status == 201, made.text
        placed = [shop.buy({made.json["id"]: 1}).json["id"] for _ in range(orders)]
        shop.move(f"/api/v1/orders/{placed[0]}", "cancel")
    return records


def with_product(records: list[Record], **texts: str) -> list[Record]:
    """Returns the records, with the product of an earlier version, which allowed other characters."""
    images = [it["dynamodb"]["NewImage"] for it in records]
    (product,) = (it for it in images if "attributes" in it)
    product |= {name: {"S": text} for name, text in texts.items()}
    return records


def ids(entries: list[Any]) -> list[str]:
    return [json.loads(it["Detail"])["id"] for it in entries]


# ---- entries that the bus accepts -----------------------------------------------------------------------------------


def test_f17_the_entries_that_the_bus_refuses_are_sent_again_and_no_others(shop: Shop, no_sleep: list[float]) -> None:
    records = trade(shop, orders=7)
    wanted = ids(entries_of(records))
    times: Counter[str] = Counter()

    def stubborn(entry: Any) -> bool:
        """Returns a bus that refuses every third event, twice."""
        event = json.loads(entry["Detail"])["id"]
        times[event] += 1
        return wanted.index(event) % 3 == 0 and times[event] <= 2

    with bus(stubborn) as taken:
        publish(records)

    assert sorted(ids(taken)) == sorted(wanted)
    assert set(times.values()) == {1, 3}
    assert 0 < len(no_sleep) <= 2 * -(-len(wanted) // 10)


def test_f17_a_bus_that_refuses_at_each_try_lets_the_batch_be_retried(shop: Shop, no_sleep: list[float]) -> None:
    records = trade(shop)
    last = ids(entries_of(records))[-1]

    with bus(lambda entry: last in entry["Detail"]) as taken, pytest.raises(NotPublishedError, match="1 events: Throt"):
        publish(records)

    assert last not in ids(taken)
    assert len(no_sleep) == 4


def test_a_call_that_fails_lets_the_batch_be_retried(shop: Shop) -> None:
    records = trade(shop)

    with (
        bus() as taken,
        intercepted(refuse("PutEvents", failing("InternalFailure"))),
        pytest.raises(Exception, match="Inter"),
    ):
        publish(records)

    assert taken == []


def test_the_orders_that_were_created_and_moved_are_counted(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    records = trade(shop, orders=3)
    capsys.readouterr()

    with bus() as taken:
        publish(records)

    (line,) = (json.loads(it) for it in capsys.readouterr().out.splitlines() if '"EventsPublished"' in it)
    assert (line["OrdersCreated"], line["OrdersCancelled"]) == ([3.0], [1.0])
    assert line["EventsPublished"] == [len(taken)]
    assert "OrdersConfirmed" not in line, "a metric without an occurrence would cost"


def test_a_call_has_ten_entries_and_250_kb_at_most(shop: Shop) -> None:
    attributes = {f"{number:03d}": "x" * 500 for number in range(50)}
    with streamed(*TABLES) as records:
        for number in range(23):
            made = shop.manage("POST", "products", PRODUCT | {"sku": f"S-{number}", "attributes": attributes})
            assert made.status == 201

    with bus() as taken, intercepted() as calls:
        publish(records)

    batches = [it.parameters["Entries"] for it in calls if it.operation == "PutEvents"]
    assert len(taken) == sum(len(it) for it in batches) == 23
    assert max(len(it) for it in batches) < 10, "their size divides these"
    assert all(sum(len(entry["Detail"].encode()) for entry in it) <= 250 * 1024 for it in batches)
    with bus(), intercepted() as calls:
        publish(trade(shop, orders=12))
    assert [len(it.parameters["Entries"]) for it in calls if it.operation == "PutEvents"] == [10, 4]


# ---- events that every bus refuses ----------------------------------------------------------------------------------


def test_a_product_too_large_for_the_bus_is_published_without_its_attributes_and_says_so(shop: Shop) -> None:
    # Each of these characters has six in JSON.
    attributes = {"\x01" * 480 + f"{number:03d}": "\x01" * 480 for number in range(43)}
    with streamed(*TABLES) as records:
        made = shop.manage("POST", "products", PRODUCT)
        assert made.status == 201, made.text
    assert len(json.dumps(attributes)) > MAX_EVENT_BYTES

    (entry,) = entries_of(with_product(records, attributes=json.dumps(attributes)))
    event = json.loads(entry["Detail"])

    assert event["omitted"] == ["attributes"]
    assert event["data"] == made.json | {"attributes": {}}
    assert len(entry["Detail"]) < MAX_EVENT_BYTES


def test_f15_any_other_event_too_large_is_quarantined_and_holds_up_no_other(
    shop: Shop, poison: Callable[[], list[Any]]
) -> None:
    product = shop.product(10)
    order_id = shop.buy({product: 1}).json["id"]
    order = raw_item("orders", order_id)
    huge = record(None, order | {"note": {"S": "x" * MAX_EVENT_BYTES}}, of="orders")

    events = published([huge, record(None, order, of="orders")])

    assert [it["data"]["id"] for it in events] == [order_id]
    (aside,) = poison()
    assert aside["record"] == huge
    assert aside["cause"].startswith("TooLargeError: order.created ")


def test_f15_a_change_of_the_largest_item_is_quarantined_whole(shop: Shop, poison: Callable[[], list[Any]]) -> None:
    order = raw_item("orders", shop.buy({shop.product(5): 1}).json["id"])
    huge = order | {"note": {"S": "ö" * 195 * 1024}}
    change = record(huge, huge | {"version": {"N": "2"}}, of="orders")

    assert published([change]) == []

    (aside,) = poison()
    assert aside["record"] == change


def test_an_event_holds_no_character_that_a_queue_refuses(shop: Shop) -> None:
    name = "Saw \ufffe\uffff\x00\x1f \U0001f600"
    with streamed(*TABLES) as records:
        assert shop.manage("POST", "products", PRODUCT).status == 201

    (entry,) = entries_of(with_product(records, name=name))

    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html: characters that a body
    # may have.
    sent_events = json.loads(entry["Detail"])
    assert sent_events["data"]["name"] == "Saw \ufffd\ufffd\x00\x1f \U0001f600"
    for sent in (entry["Detail"], json.dumps(sent_events, ensure_ascii=False)):  # the bus may encode it again
        assert re.fullmatch("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*", sent)


# ---- records that cannot be decoded ---------------------------------------------------------------------------------


def test_f15_an_undecodable_record_is_quarantined_whole_and_its_neighbours_are_published(
    shop: Shop, poison: Callable[[], list[Any]]
) -> None:
    records = trade(shop)
    good = ids(entries_of(records))
    orders = [place for place, it in enumerate(records) if "/orders/" in it["eventSourceARN"]]
    place = orders[0]
    image = {name: value for name, value in records[place]["dynamodb"]["NewImage"].items() if name != "history"}
    broken = records[place] | {"dynamodb": records[place]["dynamodb"] | {"NewImage": image}}
    stranger = records[place] | {"eventSourceARN": records[place]["eventSourceARN"].replace("/orders/", "/letters/")}
    nonsense = {"eventID": "event-0", "eventName": "MODIFY", "dynamodb": {}}

    sent_events = ids(entries_of([nonsense, *records[:place], broken, stranger, *records[place + 1 :]]))

    assert len(sent_events) == len(good) - 1
    assert set(sent_events) < set(good)
    aside = poison()
    assert [it["record"] for it in aside] == [nonsense, broken, stranger]
    assert all(it["cause"] for it in aside)


def test_f15_a_product_whose_stock_is_missing_is_quarantined(shop: Shop, poison: Callable[[], list[Any]]) -> None:
    records, more = trade(shop), trade(shop)
    pk, sk = (it for it in StockItem.key(published(records)[0]["data"]["id"]))
    table("inventory").delete(pk, sk)

    sent_events = published([*records, *more])

    assert Counter(it["type"] for it in sent_events) == {"product.created": 1, "order.created": 2, "order.cancelled": 2}
    (aside,) = poison()
    assert aside["record"]["dynamodb"]["Keys"]["sk"] == {"S": "product"}


def changed_image(it: Record, **values: Any) -> Record:
    """Returns the record with other values in its new image; None removes a value."""
    image = it["dynamodb"]["NewImage"] | values
    image = {name: value for name, value in image.items() if value is not None}
    return it | {"dynamodb": it["dynamodb"] | {"NewImage": image}}


def product_record(records: list[Record]) -> Record:
    return next(it for it in records if it["dynamodb"]["Keys"].get("sk") == {"S": "product"})


def test_f15_a_product_without_a_valid_event_is_quarantined_and_its_neighbours_are_published(
    shop: Shop, poison: Callable[[], list[Any]]
) -> None:
    records = trade(shop)
    broken = changed_image(product_record(records), status={"S": "half-way"})

    sent_events = published([broken if it is product_record(records) else it for it in records])

    assert [it["type"] for it in sent_events] == ["order.created", "order.cancelled"]
    (aside,) = poison()
    assert aside["record"] == broken
    assert aside["cause"].startswith("ValidationError")


def test_f15_a_product_whose_stock_cannot_be_decoded_is_quarantined(
    shop: Shop, poison: Callable[[], list[Any]]
) -> None:
    records, more = trade(shop), trade(shop)
    stock = raw_item("inventory", *StockItem.key(published(records)[0]["data"]["id"]))
    table("inventory").put(stock | {"available": {"S": "many"}})

    sent_events = published([*records, *more])

    assert Counter(it["type"] for it in sent_events) == {"product.created": 1, "order.created": 2, "order.cancelled": 2}
    (aside,) = poison()
    assert aside["record"] == product_record(records)


def test_a_stock_that_cannot_be_read_for_now_lets_the_batch_be_retried(
    shop: Shop, poison: Callable[[], list[Any]]
) -> None:
    records = trade(shop)

    with (
        bus() as taken,
        intercepted(refuse("BatchGetItem", failing("AccessDeniedException"))),
        pytest.raises(Exception),  # noqa: B017, PT011
    ):
        publish(records)

    assert (taken, poison()) == ([], [])


def test_a_change_from_before_roles_were_stored_has_the_system_as_its_actor(shop: Shop) -> None:
    with streamed(*TABLES) as records:
        product = shop.manage("POST", "products", PRODUCT).json["id"]
        assert shop.manage("PATCH", f"products/{product}/stock", {"adjustment": -15, "reason": "lost"}).status == 200
    made = product_record(records)
    adjusted = next(it for it in records if "OldImage" in it["dynamodb"])
    last = adjusted["dynamodb"]["NewImage"]["last"]["M"]
    anonymous = {"M": {name: value for name, value in last.items() if name != "actor_role"}}

    sent_events = published([changed_image(made, updated_by_role=None), changed_image(adjusted, last=anonymous)])

    assert [it["type"] for it in sent_events] == ["product.created", "stock.adjusted", "stock.low"]
    assert {it["actor"]["id"]: it["actor"]["role"] for it in sent_events} == {shop.manager.id: "system"}


def test_a_poison_queue_that_refuses_a_record_lets_the_batch_be_retried(
    shop: Shop, poison: Callable[[], list[Any]]
) -> None:
    nonsense = {"eventID": "event-0", "eventName": "MODIFY", "dynamodb": {}}

    with intercepted(refuse("SendMessage", failing("ServiceUnavailable"))), pytest.raises(Exception, match="Service"):
        entries_of([nonsense])


# ---- from the change to the feed ------------------------------------------------------------------------------------


def feed(manager: Person) -> list[str]:
    return [it["id"] for it in call("GET", "/api/v1/events?limit=100", token=manager.token).json["items"]]


def test_f13_a_crash_before_or_after_any_call_of_the_publisher_loses_nothing_and_the_feed_has_each_once(
    shop: Shop, poison: Callable[[], list[Any]]
) -> None:
    nonsense = {"eventID": "event-0", "eventName": "MODIFY", "dynamodb": {}}
    points = 0

    with bus() as taken:
        for name, records in crashes(lambda: [nonsense, *trade(shop, orders=12)], publish):
            points += 1
            before = len(taken)
            publish(records)  # the batch is delivered again
            first, again = ids(taken)[:before], ids(taken)[before:]
            feed_in(*(it["Detail"] for it in taken))

            assert len(again) == len(set(again)) == 14, name
            assert set(first) <= set(again), f"{name}: the same events are put again"
            assert sorted(feed(shop.manager)) == sorted(again), name
            taken.clear()
            table("events").clear()

    assert points == 2 * 4, "the poison queue, the stock of products, and the bus twice"


@pytest.mark.parametrize("seed", range(5))
def test_f14_events_doubled_reordered_and_a_day_late_are_the_same_feed(
    shop: Shop, time_machine: Callable[[timedelta], None], seed: int, person: Callable[..., Person]
) -> None:
    records = trade(shop, orders=6)
    on_time = entries_of(records)
    time_machine(timedelta(days=1))
    late = entries_of(records)
    assert late == on_time, "an event is the same when it is published late"
    delivered = [it["Detail"] for it in (*on_time, *on_time, *late)]
    random.Random(seed).shuffle(delivered)

    while delivered:
        size = random.Random(seed).randint(1, 9)
        feed_in(*delivered[:size])
        delivered = delivered[size:]

    assert sorted(feed(person("manager"))) == sorted(ids(on_time))


def test_events_of_a_call_whose_answer_is_lost_are_put_twice_and_are_once_in_the_feed(shop: Shop) -> None:
    records = trade(shop)

    def lose(made: Call) -> Any:
        answer = made.send()
        if made.operation == "PutEvents":
            raise failing("InternalFailure")(made)
        return answer

    with bus() as taken:
        with intercepted(lose), pytest.raises(Exception, match="InternalFailure"):
            publish(records)
        publish(records)
    feed_in(*(it["Detail"] for it in taken))

    assert len(taken) == 2 * len(set(ids(taken)))
    assert sorted(feed(shop.manager)) == sorted(set(ids(taken)))
