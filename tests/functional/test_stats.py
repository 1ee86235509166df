"""The statistics for admins, compared with the orders, users, products, deliveries and queues."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import batched
from typing import Any

import pytest

from oms.core import clock, queues
from oms.core.money import to_text
from oms.core.settings import WatchedQueue, read, settings
from oms.orders.states import OrderStatus
from oms.reports import statistics
from oms.webhooks import outcomes
from tests.support.aws_client import aws_client
from tests.support.gateway import call
from tests.support.invocation import Person
from tests.support.open_order_counts import aggregate, order_events
from tests.support.past_orders import Past
from tests.support.past_sales import Sold, events_of_orders, store
from tests.support.shop import Shop
from tests.support.streams import run_bookkeeper, streamed

STATS = "/api/v1/admin/stats"


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Fixes the clock, so that no day ends during a test."""
    moment = clock.now()
    monkeypatch.setattr(clock, "now", lambda: moment)
    return moment


@pytest.fixture
def stats(admin: Person) -> Callable[[], Any]:
    def get() -> Any:
        answer = call("GET", STATS, token=admin.token)
        assert answer.status == 200, answer.text
        return answer.json

    return get


def test_of_a_new_system_everything_is_there_and_nothing_counted(stats: Callable[[], Any]) -> None:
    assert stats() == {
        "users": {"customer": 0, "manager": 0, "admin": 0},
        "products": 0,
        "low_stock": 0,
        "out_of_stock": 0,
        "orders": {status.value: 0 for status in OrderStatus},
        "revenue": {"currency": "EUR", "today": "0.00", "last_7_days": "0.00", "last_30_days": "0.00"},
        "deliveries": {"delivered": 0, "failed": 0, "paused": 0, "retried": 0},
        "queues": [],
    }


def test_orders_and_revenue_are_those_of_the_orders(stats: Callable[[], Any], now: datetime) -> None:
    today = now.date()
    orders = list(Past(number=400, days=40, last=today).orders())
    store(orders)
    for batch in batched(events_of_orders(orders), 50, strict=False):
        assert aggregate(batch) == []

    shown = stats()

    assert shown["orders"] == dict.fromkeys(map(str, OrderStatus), 0) | Counter(order.status for order in orders)
    assert all(shown["orders"].values()), "there are some of each"
    for name, days in (("today", 1), ("last_7_days", 7), ("last_30_days", 30)):
        sold = Sold(orders, today - timedelta(days=days - 1), today).good
        assert shown["revenue"][name] == to_text(sum(order.total for order in sold)), name
    revenues = [shown["revenue"][name] for name in ("today", "last_7_days", "last_30_days")]
    assert len({*revenues, to_text(sum(order.total for order in Sold(orders, today.replace(year=1), today).good))}) == 4


def test_users_count_by_their_current_role(
    stats: Callable[[], Any], person: Callable[..., Person], admin: Person
) -> None:
    with streamed("identity") as records:
        people = [person(role) for role in ("customer", "customer", "customer", "manager", "admin")]
        changed = call("PATCH", f"/api/v1/admin/users/{people[0].id}/role", {"role": "manager"}, token=admin.token)
        assert changed.status == 200, changed.text
    events = [it for it in order_events(records) if it["type"] in ("user.registered", "user.role_changed")]
    assert aggregate(events) == []

    assert stats()["users"] == {"customer": 2, "manager": 2, "admin": 1}


def test_products_are_those_on_sale(stats: Callable[[], Any], customer: Person, manager: Person) -> None:
    shop = Shop(customer, manager)
    with streamed() as records:
        for number, stock in enumerate((0, 1, 2, 9)):
            text = {"sku": f"SKU-{number}", "name": "A", "category": "A", "price": 1, "low_stock_threshold": 2}
            shop.manage("POST", "products", text | {"stock": stock})
    run_bookkeeper(records)

    shown = stats()

    assert (shown["products"], shown["low_stock"], shown["out_of_stock"]) == (4, 2, 1)


def test_deliveries_are_those_of_seven_days(
    stats: Callable[[], Any], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count(outcome: str, *, days_ago: int) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(clock, "now", lambda: now - timedelta(days=days_ago))
            outcomes.count(outcome, "D1")

    for outcome, days in {"delivered": (0, 0, 6), "failed": (1,), "retried": (5, 6), "paused": (0,)}.items():
        for days_ago in (*days, 7, 8):
            count(outcome, days_ago=days_ago)

    assert stats()["deliveries"] == {"delivered": 3, "failed": 1, "retried": 2, "paused": 1}


def test_queues_show_waiting_running_and_failed_messages(
    stats: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sqs = aws_client("sqs")
    urls = {name: sqs.create_queue(QueueName=f"{name}-{clock.random_id()}")["QueueUrl"] for name in ("a", "b", "c")}
    for name, messages in {"a": 4, "b": 2, "c": 1}.items():
        for _ in range(messages):
            sqs.send_message(QueueUrl=urls[name], MessageBody="x")
    sqs.receive_message(QueueUrl=urls["a"], MaxNumberOfMessages=1)
    sqs.receive_message(QueueUrl=urls["b"], MaxNumberOfMessages=1)
    named = {name: url.rpartition("/")[2] for name, url in urls.items()}
    watched = (WatchedQueue("Feed", named["a"], named["b"]), WatchedQueue("Publisher", None, named["c"]))
    monkeypatch.setattr(statistics, "settings", lambda: replace(settings(), queues=watched))
    monkeypatch.setattr(queues, "settings", lambda: replace(settings(), stock_check_queue_url=urls["a"]))

    assert stats()["queues"] == [
        {"name": "Feed", "waiting": 3, "in_flight": 1, "dead_letters": 2},
        {"name": "Publisher", "waiting": None, "in_flight": None, "dead_letters": 1},
    ]


def test_the_queues_are_named_by_the_environment() -> None:
    named = [["Feed", "oms-feed", "oms-feed-failures"], ["Publisher", "", "oms-poison"]]

    assert read({"OMS_QUEUES": ";".join(map(",".join, named))}).queues == (
        WatchedQueue("Feed", "oms-feed", "oms-feed-failures"),
        WatchedQueue("Publisher", None, "oms-poison"),
    )
    assert read({}).queues == ()
