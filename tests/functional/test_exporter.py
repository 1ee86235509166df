"""The exporter: the rows of a file, and the fields of the finished export."""

import gzip
import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from oms.core import aws, clock
from oms.core.clock import random_id
from oms.core.dynamodb import update_item
from oms.core.settings import settings
from oms.exports import files as s3_files
from oms.exports import parts, sources
from oms.exports.columns import COLUMNS
from oms.inventory.models import Product
from tests.support.aws_calls import intercepted
from tests.support.aws_client import aws_client
from tests.support.exports import (
    an_order,
    content,
    exported,
    now,
    process_once,
    process_until_finished,
    request_export,
    uploads,
)
from tests.support.gateway import call
from tests.support.invocation import Person
from tests.support.open_order_counts import aggregate, order_events
from tests.support.past_orders import Past
from tests.support.past_sales import events_of_orders
from tests.support.streams import streamed

pytestmark = [
    pytest.mark.usefixtures("files"),
    pytest.mark.filterwarnings("ignore:No application metrics to publish"),
]


# ---- orders ---------------------------------------------------------------------------------------------------------


def test_a_row_has_the_product_and_its_order(manager: Person) -> None:
    order = an_order({"name": 'Säge "Fein", 2 m', "quantity": 3, "unit_price": 1050})

    (row,) = exported(manager)

    assert row == {
        "order_id": order.id,
        "order_number": order.number,
        "status": "shipped",
        "created_at": order.created_at,
        "customer_id": "C1",
        "line": "1",
        "product_id": "PRODUCT0000000000001",
        "sku": "SKU-1",
        "name": 'Säge "Fein", 2 m',
        "category": "Tools",
        "quantity": "3",
        "unit_price": "10.50",
        "line_total": "31.50",
        "shipping_cost": "4.90",
        "order_total": "36.40",
        "currency": "EUR",
    }


@pytest.mark.parametrize("shards", [1, 3])
def test_the_lines_of_all_orders_come_by_their_time_over_pages_batches_and_shards(
    manager: Person, monkeypatch: pytest.MonkeyPatch, shards: int
) -> None:
    monkeypatch.setattr(sources, "settings", lambda: replace(settings(), order_shards=shards))
    orders = [an_order(*[{}] * 3, shard=number % shards) for number in range(17)]

    rows = exported(manager)

    assert [(it["order_id"], it["line"]) for it in rows] == [(it.id, str(n)) for it in orders for n in (1, 2, 3)]


def test_from_is_within_and_to_and_the_time_of_asking_are_not(manager: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = [an_order({}) for _ in range(5)]
    bounds = {"from": orders[1].created_at, "to": orders[4].created_at}

    span = exported(manager, **bounds)
    monkeypatch.setattr(clock, "now", lambda: clock.instant(orders[3].created_at))
    before = exported(manager, **bounds)

    assert [it["order_id"] for it in span] == [it.id for it in orders[1:4]]
    assert [it["order_id"] for it in before] == [it.id for it in orders[1:3]]


def test_the_status_is_the_orders_own_where_the_index_lags(manager: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    pending, shipped, lagging = an_order({}, status="pending"), an_order({}), an_order({})
    real = sources.reading.decode_found

    def decoded(*arguments: Any) -> Any:
        found = real(*arguments)
        for raw_order in found.values():
            raw_order["status"] = {"S": "delivered"} if raw_order["id"]["S"] == lagging.id else raw_order["status"]
        return found

    monkeypatch.setattr(sources.reading, "decode_found", decoded)

    assert [it["order_id"] for it in exported(manager, status="shipped")] == [shipped.id]
    assert [it["order_id"] for it in exported(manager, status="pending,shipped")] == [pending.id, shipped.id]


def test_without_orders_there_is_a_file_with_the_head_alone(manager: Person) -> None:
    export = request_export(manager)

    process_until_finished(export)

    assert content(export) == (",".join(COLUMNS["orders"].default) + "\r\n").encode()
    assert (now(export).rows, now(export).status) == (0, "done")


# ---- inventory ------------------------------------------------------------------------------------------------------


def test_the_inventory_has_every_product_archived_ones_too(
    manager: Person, product: Callable[..., str], order: Callable[..., Any], customer: Person
) -> None:
    first = product(stock=7, price="12.00", low_stock_threshold=3, name="Axe")
    product(stock=0, category="Garden")
    order(customer)

    rows = exported(manager, report="inventory")

    assert len(rows) == 3
    assert rows[0] == {
        "product_id": first,
        "sku": "SKU-1",
        "name": "Axe",
        "category": "Tools",
        "status": "active",
        "price": "12.00",
        "currency": "EUR",
        "on_hand": "7",
        "available": "7",
        "reserved": "0",
        "low_stock_threshold": "3",
        "created_at": rows[0]["created_at"],
    }
    assert (rows[2]["on_hand"], rows[2]["available"], rows[2]["reserved"]) == ("10", "8", "2")
    assert (rows[1]["category"], rows[1]["low_stock_threshold"]) == ("Garden", "")


@pytest.mark.parametrize(("before", "after"), [("active", "archived"), ("archived", "active")])
def test_a_product_that_changes_its_list_while_the_inventory_is_read_is_in_it_once(
    manager: Person, product: Callable[..., str], before: str, after: str
) -> None:
    ids = [product() for _ in range(16)]
    for number, it in enumerate(ids):
        set_status(it, after if number < 2 else before)
    moved = iter([True])

    def move(call: Any) -> Any:
        answer = call.send()
        if call.operation == "BatchGetItem" and next(moved, False):
            set_status(ids[-1], after)
        return answer

    with intercepted(move):
        rows = exported(manager, report="inventory")

    assert next(moved, None) is None
    assert [it["product_id"] for it in rows] == ids


def set_status(product_id: str, status: str) -> None:
    update_item(Product(*Product.key(product_id)), [Product.status.set(status), Product.listing.set(status)])


# ---- sales ----------------------------------------------------------------------------------------------------------


def test_sales_have_a_line_for_each_day_as_the_report_has(
    manager: Person, customer: Person, order: Callable[..., Any]
) -> None:
    with streamed("orders") as records:
        order(customer, shipping_cost="4.90")
        kept = order(customer).json["id"]
    aggregate(order_events(records))
    today = f"{clock.now():%Y-%m-%d}"

    rows = exported(manager, report="sales")
    report = call("GET", "/api/v1/reports/sales", token=manager.token).json

    assert len(rows) == 30
    assert [(it["date"], it["orders"], it["units"], it["revenue"]) for it in rows] == [
        (it["key"], str(it["orders"]), str(it["units"]), it["revenue"]) for it in report["series"]
    ]
    (day,) = (it for it in rows if it["date"] == today)
    assert (day["orders"], day["units"], day["revenue"], day["shipping"]) == ("2", "4", "84.86", "4.90"), kept
    assert (day["pending"], day["cancelled"], day["returned"], day["currency"]) == ("2", "0", "0", "EUR")


def test_sales_count_excluded_orders_as_the_report_does_expired_ones_too(manager: Person) -> None:
    orders = list(Past(number=60, days=20, last=clock.now().date(), customers=["C"]).orders())
    assert {it.status for it in orders} >= {"cancelled", "expired", "returned", "pending"}
    aggregate(events_of_orders(orders))

    rows = exported(manager, report="sales")
    totals = call("GET", "/api/v1/reports/sales", token=manager.token).json["totals"]

    for name in ("cancelled", "returned", "pending"):
        assert sum(int(row[name]) for row in rows) == totals[name] > 0


def ten_orders() -> None:
    """Orders with enough incompressible characters that zlib, which buffers, returns bytes after every few of them."""
    for _ in range(10):
        an_order({"name": random_id(5000)}, {})


# ---- the file -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
def test_an_export_describes_its_file_truly(manager: Person, compressed: bool) -> None:
    ten_orders()
    export = request_export(manager, gzip=compressed)

    process_until_finished(export)

    done, data = now(export), content(export)
    assert data is not None
    assert done.sha256 == hashlib.sha256(data).hexdigest()
    assert (done.size, done.rows, done.progress, done.status) == (len(data), 20, 100, "done")
    assert len(done.parts) > 1
    assert uploads() == []
    plain = gzip.decompress(data) if compressed else data
    assert plain.count(b"\r\n") == 21


def test_compressed_parts_are_members_of_one_file_that_say_no_time(manager: Person) -> None:
    ten_orders()
    export = request_export(manager, gzip=True)

    process_until_finished(export)

    members = (content(export) or b"").split(b"\x1f\x8b\x08\x00\x00\x00\x00\x00")
    assert len(members) - 1 == len(now(export).parts) > 1


def test_parts_are_signed_with_their_content_and_have_no_checksum_which_would_forbid_gaps(manager: Person) -> None:
    an_order()
    export, sent = request_export(manager), []
    events = aws.s3_client().meta.events

    def note(request: Any, **_: Any) -> None:
        sent.append({name.lower(): value for name, value in request.headers.items()})

    events.register("before-send.s3.UploadPart", note)
    process_until_finished(export)
    events.unregister("before-send.s3.UploadPart", note)

    (headers,) = sent
    assert [it for it in headers if "checksum" in it or it == "x-amz-trailer"] == []
    assert headers["x-amz-content-sha256"] == hashlib.sha256(content(export) or b"").hexdigest().encode()


def test_the_file_is_saved_under_a_name_that_describes_it(manager: Person) -> None:
    export = request_export(manager, gzip=True, **{"from": "2026-01-05", "to": "2026-01-31"})
    process_until_finished(export)

    head = aws_client("s3").head_object(Bucket=settings().exports_bucket, Key=s3_files.key_of(export))

    assert head["ContentDisposition"] == 'attachment; filename="orders_2026-01-05_2026-01-31.csv.gz"'
    assert head["ContentType"] == "application/gzip"


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "orders_2026-03-01T101500Z.csv"),
        ({"to": "2026-01-31"}, "orders_until_2026-01-31.csv"),
        ({"from": "2026-02-01"}, "orders_2026-02-01_2026-03-01.csv"),
        ({"to": "2026-01-31T00:00:00Z"}, "orders_until_2026-01-30.csv"),
        ({"report": "inventory"}, "inventory_2026-03-01T101500Z.csv"),
        ({"report": "sales", "from": "2026-02-01", "to": "2026-02-28"}, "sales_2026-02-01_2026-02-28.csv"),
    ],
)
def test_the_name_has_the_days(manager: Person, monkeypatch: pytest.MonkeyPatch, fields: Any, name: str) -> None:
    monkeypatch.setattr(clock, "now", lambda: clock.instant("2026-03-01T10:15:00+00:00"))

    assert s3_files.file_name(request_export(manager, **fields)) == name


def test_a_part_is_closed_at_the_end_of_an_order(manager: Person) -> None:
    for _ in range(20):
        an_order(*[{}] * 5)
    export = request_export(manager)
    sizes: list[int] = []

    def note(call: Any) -> Any:
        if call.operation == "UploadPart":
            assert call.parameters["Body"].count(b"\r\n") % 5 == (1 if not sizes else 0)
            sizes.append(len(call.parameters["Body"]))
        return call.send()

    with intercepted(note):
        process_once(export)

    assert all(parts.FULL_PART_BYTES <= it < parts.FULL_PART_BYTES + 1000 for it in sizes[:-1])
    assert len(sizes) > 3
