"""No request, and no step of a background function, reads more as the shop grows: at 1,000 orders and at ten times as
many. `make growth` does so for more, and writes the table.

Left out are the functions whose work is to read everything, in steps: exports, the stock check, the audit check.
"""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from aggregator import handler as aggregator
from bookkeeper import handler as bookkeeper
from dispatcher import handler as dispatcher
from feeder import handler as feeder
from notifier import handler as notifier
from oms.core import clock
from oms.orders import service as order_service
from oms.orders.offers import OfferCache
from oms.webhooks import deliveries, sending
from oms.webhooks.models import Delivery
from oms.webhooks.post import PostResponse
from sealer import handler as sealer
from sender import handler as sender
from sweeper import handler as sweeper
from sweeper import worker as expirer
from tests.support import mail
from tests.support.aws_calls import Call, intercepted
from tests.support.budgets import (
    AUDIT,
    BUDGETS,
    CHECK,
    FEED,
    ORDERS,
    PRODUCTS,
    USERS,
    WEBHOOKS,
    WarmApi,
    warm,
)
from tests.support.database import DATABASE, table
from tests.support.event_bus import published
from tests.support.exports import request_export
from tests.support.gateway import call
from tests.support.growth import Spent, grow, metered
from tests.support.invocation import Context
from tests.support.streams import Record, run_finder, streamed
from tests.support.webhooks import subscribe

__all__ = ["warm"]

ROOT = Path(__file__).parents[2]
SIZES = tuple(int(size) for size in os.environ.get("GROWTH_SIZES", "1000,10000").split(","))
# A repair follows a whole stock check, and the copies have no ledger that one could check.
LEFT_OUT = {f"POST {CHECK}/repair"}
TABLES = ("identity", "inventory", "orders", "audit", "events", "reports", "search", "webhooks")

pytestmark = [pytest.mark.filterwarnings("ignore:No application metrics to publish"), pytest.mark.timeout(3600)]


type Step = Callable[[], object]
type Prepare = Callable[[WarmApi, str], Step]
"""Prepares a step of a background function; the text is the id of the subscription."""


def a_grown_shop(warm: WarmApi, orders: int) -> str:
    """Lets one order pass through all functions, and fills the tables with copies. Returns the subscription's id."""
    subscription = subscribe()
    request_export(warm.shop.manager)
    with streamed(*TABLES) as records:
        path = warm.shop.ready_for("deliver", {warm.product: 1})
        warm.shop.manage("PATCH", f"products/{warm.product}/stock", {"adjustment": 1, "reason": "found"})
    events = [event for event in published(records) if event["type"].startswith("order.")]
    write_ledger(records)
    run_finder([record for record in records if "id" in record["dynamodb"]["Keys"]])
    for function in (feeder, aggregator, dispatcher):
        consume(function, events)
    grow(orders, order=path.rpartition("/")[2], product=warm.product, subscription=subscription.id)
    return subscription.id


def consume(function: ModuleType, contents: Sequence[Any]) -> None:
    """Gives a function these messages of its queue, as one batch."""
    attributes = {"ApproximateReceiveCount": "1", "SentTimestamp": str(int(clock.now().timestamp() * 1000))}
    source = {"eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:deliveries"}
    messages = [
        {"messageId": str(place), "body": json.dumps(content), "attributes": attributes, **source}
        for place, content in enumerate(contents)
    ]
    answer = function.lambda_handler({"Records": messages}, Context(900_000))
    assert answer == {"batchItemFailures": []}, answer


def write_ledger(records: list[Record]) -> None:
    stock = [record for record in records if record["dynamodb"]["Keys"].get("sk") == {"S": "stock"}]
    assert stock
    bookkeeper.lambda_handler({"Records": stock}, Context())


def an_order(warm: WarmApi) -> tuple[list[Record], list[Any]]:
    """Returns the records and the events of a new order."""
    with streamed(*TABLES) as records:
        warm.order()
    return records, published(records)


def publishing(warm: WarmApi, _: str) -> Step:
    records, _events = an_order(warm)
    return lambda: published(records)


def bookkeeping(warm: WarmApi, _: str) -> Step:
    records, _events = an_order(warm)
    return lambda: write_ledger(records)


def finding(warm: WarmApi, _: str) -> Step:
    records, _events = an_order(warm)
    return lambda: run_finder([record for record in records if "id" in record["dynamodb"]["Keys"]])


def consuming(function: ModuleType) -> Prepare:
    def prepare(warm: WarmApi, _: str) -> Step:
        _records, events = an_order(warm)
        return lambda: consume(function, events)

    return prepare


def sending_one(warm: WarmApi, subscription: str) -> Step:
    _records, (event,) = an_order(warm)
    consume(dispatcher, [event])
    delivery = deliveries.delivery_id(subscription, event["id"])
    item = table("webhooks").get(*Delivery.key(subscription, delivery))
    assert item
    due_at = int(item["due_at"]["N"])
    return lambda: consume(sender, [{"subscription": subscription, "delivery": delivery, "due_at": due_at}])


def sealing(warm: WarmApi, _: str) -> Step:
    with streamed("audit") as records:
        warm.shop.manage("PATCH", f"products/{warm.product}", {"price": 11})
    assert records
    return lambda: sealer.lambda_handler({"Records": records}, Context())


def sweeping(_warm: WarmApi, _: str) -> Step:
    return lambda: sweeper.lambda_handler({}, Context())


def expiring(_warm: WarmApi, _: str) -> Step:
    return lambda: consume(expirer, [{"shard": 0}])


BACKGROUND: dict[str, Prepare] = {
    "publisher, an order": publishing,
    "bookkeeper, a change of stock": bookkeeping,
    "finder, a new order": finding,
    "feeder, an event": consuming(feeder),
    "aggregator, an event": consuming(aggregator),
    "dispatcher, an event": consuming(dispatcher),
    "notifier, an event": consuming(notifier),
    "sender, an attempt": sending_one,
    "sealer, an entry": sealing,
    "sweeper, each minute": sweeping,
    "sweeper, overdue orders of a shard": expiring,
}


# Further lists, long ones and those in which nothing is found: the route, a name, the path, the role of the reader.
LISTS = [
    ("GET /orders", "all, none found", f"{ORDERS}?status=expired", "manager"),
    ("GET /orders", "own, none found", f"{ORDERS}?status=expired", "customer"),
    ("GET /orders", "all of a time", f"{ORDERS}?from=2020-01-01&to=2020-02-01", "manager"),
    ("GET /inventory/products", "none found", f"{PRODUCTS}?q=none", "customer"),
    ("GET /inventory/products", "low stock, none found", f"{PRODUCTS}?low_stock=true", "manager"),
    ("GET /inventory/products/{product_id}/movements", "100", f"{PRODUCTS}/{{product}}/movements?limit=100", "manager"),
    ("GET /admin/users", "none found", f"{USERS}?q=none", "admin"),
    ("GET /admin/users", "of a role, none found", f"{USERS}?role=manager&q=none", "admin"),
    ("GET /admin/audit", "none found", f"{AUDIT}?actor=ada&action=register", "admin"),
    ("GET /events", "none found", f"{FEED}?type=webhook.disabled", "manager"),
    ("GET /webhooks/{webhook_id}/deliveries", "of a busy one", f"{WEBHOOKS}/{{subscription}}/deliveries", "admin"),
]


def listing(path: str, role: str) -> Prepare:
    def prepare(warm: WarmApi, subscription: str) -> Step:
        token = {"admin": warm.admin, "manager": warm.shop.manager, "customer": warm.shop.customer}[role].token
        filled = path.format(product=warm.product, subscription=subscription)
        return lambda: call("GET", filled, token=token)

    return prepare


def without_queues(call: Call) -> Any:
    return {"Successful": [], "Failed": []} if call.operation.startswith("SendMessage") else call.send()


def spent_by_all(warm: WarmApi, orders: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, Spent]:
    """Returns the calls and units of each request and each step in a shop of this size."""
    with intercepted(without_queues):
        subscription = a_grown_shop(warm, orders)
        steps: dict[str, Callable[[], Step]] = {
            f"{shown(route)} {variant}".rstrip(): lambda prepare=prepare: prepare(warm)
            for route, variant, _calls, prepare in BUDGETS
            if route not in LEFT_OUT
        }
        lists = {f"{route} {variant}": listing(path, role) for route, variant, path, role in LISTS}
        for name, prepare in (lists | BACKGROUND).items():
            steps[name] = lambda prepare=prepare: prepare(warm, subscription)
        spent = {}
        for name, prepared in steps.items():
            mark = DATABASE.snapshot()
            monkeypatch.setattr(order_service, "OFFERS", OfferCache())
            step = prepared()
            with metered() as spent[name]:
                answer = step()
            assert getattr(answer, "status", 200) < 304, f"{name}: {answer}"
            DATABASE.restore(mark)
    return spent


def shown(route: str) -> str:
    """Returns a route of the budgets as the table names it."""
    return route.replace("/api/v1", "").replace("<", "{").replace(">", "}")


def table_of(found: dict[int, dict[str, Spent]]) -> str:
    """Returns a table of the calls and units at each size, without the rows of requests without calls."""
    sizes = list(found)
    lines = [
        f"| request or step | {' | '.join(f'{size:,} orders' for size in sizes)} |",
        "|---" * (len(sizes) + 1) + "|",
    ]
    for name in (name for name, spent in found[sizes[0]].items() if spent.calls):
        cells = [f"{found[size][name].calls} / {found[size][name].units:g}" for size in sizes]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def test_the_page_has_a_row_for_each_route_that_reads_or_writes() -> None:
    document = json.loads((ROOT / "functions/docs/openapi.json").read_text())
    routes = {shown(f"{method.upper()} {path}") for path, methods in document["paths"].items() for method in methods}
    without_calls = {shown(route) for route, _variant, calls, _prepare in BUDGETS if not calls}

    rows = (ROOT / "docs/operate/growth.md").read_text().split("\n| ")
    missing = [
        route
        for route in routes - without_calls - {shown(it) for it in LEFT_OUT}
        if not any(f"{row} ".startswith(f"{route} ") for row in rows)
    ]

    assert missing == []


def test_no_request_and_no_step_spends_more_as_the_shop_grows(
    cloud: None, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail.set_up(monkeypatch)
    monkeypatch.setattr(sending, "post", lambda *_, **__: PostResponse(204, None, b""))
    # One moment for all: no minute of a rate limit and no hour of a reader begins in between.
    moment = clock.now()
    monkeypatch.setattr(clock, "now", lambda: moment)
    warm_api: WarmApi = request.getfixturevalue("warm")
    empty = DATABASE.state()

    found: dict[int, dict[str, Spent]] = {}
    for size in SIZES:
        DATABASE.become(empty)
        found[size] = spent_by_all(warm_api, size, monkeypatch)

    if "GROWTH_TABLE" in os.environ:
        Path(os.environ["GROWTH_TABLE"]).write_text(table_of(found))
    least, *larger = SIZES
    grown = {
        name: [(found[size][name].calls, found[size][name].units) for size in SIZES]
        for name, spent in found[least].items()
        if any(found[size][name].calls > spent.calls or found[size][name].units > spent.units for size in larger)
    }
    assert grown == {}, f"calls and units at {SIZES} orders"
