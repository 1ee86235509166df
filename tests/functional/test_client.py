"""The Python client on the real handlers: orders, lists, versions, errors and the feed."""

from collections.abc import Callable
from datetime import UTC, timedelta
from decimal import Decimal
from itertools import islice

import anyio
import httpx
import pytest

from oms_client import RetryPolicy, models, problems
from oms_client.models import OrderItem, StockRow
from tests.support.client import Functions, async_client_of, client_of, without_waiting
from tests.support.feed import an_event, feed_in, ids
from tests.support.invocation import Person
from tests.support.orders import Make
from tests.support.service_keys import a_key

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

type TimeMachine = Callable[[timedelta], None]


def test_an_order_is_placed_moved_and_found(customer: Person, manager: Person, product: Make) -> None:
    buyer, shop = client_of(customer), client_of(manager)
    bought = product(price="19.99")

    quote = buyer.orders.quote_order(items=[OrderItem(product_id=bought, quantity=2)])
    placed = buyer.orders.create_order(
        items=[OrderItem(product_id=bought, quantity=2)], shipping_cost=Decimal("4.90"), expected_total=Decimal("44.88")
    )
    confirmed = shop.orders.confirm_order(placed.id, if_match=placed)
    shipped = shop.orders.ship_order(placed.id, carrier="DHL", tracking_number="1", if_match=confirmed)

    assert (quote.total, placed.total) == (Decimal("39.98"), Decimal("44.88"))
    assert placed.created_at.tzinfo is UTC or placed.created_at.utcoffset() == timedelta(0)
    assert placed.response
    assert (placed.response.status, placed.response.etag) == (201, '"1"')
    assert shipped.status == "shipped"
    assert isinstance(shipped, models.ManagedOrderResponse)
    assert [it.id for it in shop.orders.iter_orders(status=["shipped", "delivered"])] == [placed.id]


def test_a_stale_version_is_an_error_and_a_repeated_key_is_a_replay(customer: Person, product: Make) -> None:
    buyer = client_of(customer)
    items = [OrderItem(product_id=product(), quantity=1)]
    first, again = (buyer.orders.create_order(items=items, idempotency_key="one") for _ in range(2))

    assert first.id == again.id
    assert first.response
    assert again.response
    assert (first.response.replayed, again.response.replayed) == (False, True)
    with pytest.raises(problems.StaleVersionError) as caught:
        buyer.orders.cancel_order(first.id, if_match=7)
    assert caught.value.status == 412


def test_errors_have_typed_members(customer: Person, product: Make) -> None:
    buyer, scarce = client_of(customer), product(stock=1)

    with pytest.raises(problems.InsufficientStockError) as short:
        buyer.orders.create_order(items=[OrderItem(product_id=scarce, quantity=3)])
    with pytest.raises(problems.ValidationFailedError) as invalid:
        buyer.orders.create_order(items=[OrderItem(product_id=scarce, quantity=0)])
    with pytest.raises(problems.InsufficientScopeError) as scope:
        client_of(a_key("events:read").text).orders.list_orders()

    shortfalls = short.value.shortfalls
    assert shortfalls
    assert [(it.product_id, it.requested, it.available) for it in shortfalls] == [(scarce, 3, 1)]
    assert [it.pointer for it in invalid.value.errors] == ["#/items/0/quantity"]
    assert scope.value.scope == "orders:read"
    assert short.value.request_id


def test_a_list_is_iterated_over_its_pages(manager: Person, product: Make) -> None:
    made = {product() for _ in range(5)}
    functions = Functions()

    found = [it.id for it in client_of(manager, functions).inventory.iter_products(limit=2, sort="created_at")]

    assert set(found) == made
    assert len(functions.sent) == 3


def test_stock_is_counted_by_a_service_key(manager: Person, product: Make) -> None:
    counted, key = product(stock=3), a_key("stock:write", "catalogue:read").text

    outcomes = client_of(key).inventory.change_stocks(
        items=[
            StockRow(product_id=counted, on_hand=5, reason="Count"),
            StockRow(product_id="none", on_hand=5, reason="Count"),
        ]
    )

    assert [(it.status, it.code, it.on_hand) for it in outcomes.items] == [
        ("changed", None, 5),
        ("failed", "not-found", None),
    ]


def test_the_asynchronous_client_does_the_same(customer: Person, product: Make) -> None:
    bought = product()

    async def order() -> list[str]:
        async with async_client_of(customer) as buyer:
            for _ in range(3):
                await buyer.orders.create_order(items=[OrderItem(product_id=bought, quantity=1)])
            return [it.status async for it in buyer.orders.iter_orders(limit=2)]

    assert anyio.run(order) == ["pending"] * 3


# ---- the feed -------------------------------------------------------------------------------------------------------


def test_the_feed_is_followed_in_order_and_resumed_by_id(manager: Person) -> None:
    events = [an_event() for _ in range(5)]
    feed_in(*events)
    feed = client_of(manager).events

    first = [it.id for it in islice(feed.follow(), 3)]
    rest = [it.id for it in feed.follow(first[-1], wait=False)]

    assert first + rest == ids(events)


def test_the_feed_is_polled_for_further_events(manager: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    old, *new = [an_event() for _ in range(4)]
    feed_in(old)
    policy, slept = without_waiting(monkeypatch)
    waiting = iter([[new[0]], [], new[1:]])

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        feed_in(*next(waiting))

    monkeypatch.setattr("oms_client.sending.time.sleep", sleep)
    feed = client_of(manager, retries=policy).events.follow("latest", poll_seconds=7)

    assert [it.id for it in islice(feed, 3)] == ids(new)
    assert slept == [7, 7, 7]


def test_latest_of_an_empty_feed_leaves_no_event_out(manager: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    event = an_event()
    monkeypatch.setattr("oms_client.sending.time.sleep", lambda _: feed_in(event))

    (found,) = islice(client_of(manager).events.follow("latest"), 1)

    assert found.id == event["id"]


def test_a_place_before_the_feed_is_reported_and_the_oldest_event_comes_next(
    manager: Person, time_machine: TimeMachine
) -> None:
    lost = an_event()
    feed_in(lost)
    time_machine(timedelta(days=91))
    kept = an_event()
    feed_in(kept)
    gaps: list[str | None] = []

    # The session of the fixture has ended meanwhile.
    key = a_key("events:read").text
    found = list(client_of(key).events.follow(lost["id"], on_gap=gaps.append, wait=False))

    assert [it.id for it in found] == [kept["id"]]
    assert gaps == [lost["id"]]


def test_the_feed_is_followed_through_an_outage(manager: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    event = an_event()
    feed_in(event)
    without_waiting(monkeypatch)
    functions = Functions()
    outage = iter([httpx.ConnectError("refused"), httpx.ReadTimeout("late"), 503, 429, 502] * 3)

    def answer(request: httpx.Request) -> httpx.Response:
        failure = next(outage, None)
        if isinstance(failure, Exception):
            raise failure
        if failure:
            return httpx.Response(failure, json={"message": "Service Unavailable"})
        return functions.handle_request(request)

    client = client_of(manager, httpx.MockTransport(answer), retries=RetryPolicy(attempts=2))

    assert [it.id for it in islice(client.events.follow(), 1)] == [event["id"]]


def test_an_unknown_event_ends_the_following(manager: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    feed_in(an_event())
    without_waiting(monkeypatch)

    with pytest.raises(problems.NotFoundError):
        list(client_of(manager).events.follow("1JE5K7M20C8Z4V6T2R9QKX1M"))
