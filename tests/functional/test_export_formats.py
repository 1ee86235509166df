"""Formats for people: workbooks, CSV with a byte-order mark, and the columns that a request names."""

import gzip
import io
import re
import zipfile
from collections.abc import Callable
from datetime import datetime
from typing import Any

import openpyxl
import pytest

from oms.core.dynamodb import get_item, put_item, update_item
from oms.core.settings import settings
from oms.exports import files as s3_files
from oms.exports import sharing, xlsx_file
from oms.exports.columns import COLUMNS
from oms.exports.models import Export
from oms.exports.schemas import ExportOrdersQuery
from oms.orders.models import Order, Shipment
from oms.schedules import runs
from oms.schedules import service as schedules
from oms.schedules.models import Schedule
from oms.schedules.schemas import CreateScheduleRequest
from tests.support.aws_client import aws_client
from tests.support.exports import (
    ADDRESS,
    an_order,
    content,
    exported,
    now,
    process_once,
    process_until_finished,
    request_export,
    rows_of,
)
from tests.support.fixtures import files
from tests.support.gateway import call, places
from tests.support.invocation import Person
from tests.support.schedules import addressed

__all__ = ["files"]

EXPORTS, EXPORT_ORDERS = "/api/v1/reports/exports", "/api/v1/reports/export/orders"
# Texts that a spreadsheet converts to numbers or dates, runs as formulas, or cannot have in XML.
TEXTS = ["00123", "4006381333931", "123456789012345678", "3/4", "1E5", "1:30", "Mar-1", "=1+1", "'-5mm", "-5 mm"]
ODD = ['a & <b> "c"', "two\nlines", "\t tab ", "cr\rlf", "nul\0 bell\x07", "_x0041_", "\ufffe", "😀" * 100]

pytestmark = [
    pytest.mark.usefixtures("files"),
    pytest.mark.filterwarnings("ignore:No application metrics to publish"),
]


def file_of(by: Person, **fields: Any) -> bytes:
    export = request_export(by, **fields)
    process_until_finished(export)
    assert now(export).status == "done", now(export).failure
    return content(export) or b""


def workbook_of(data: bytes) -> Any:
    return openpyxl.load_workbook(io.BytesIO(data))


def said(text: str) -> str:
    """Decodes the escapes of ECMA-376, 22.9.2.19, as spreadsheets do; openpyxl leaves that to its users."""
    return re.sub("_x([0-9A-F]{4})_", lambda it: chr(int(it[1], 16)), text)


# ---- workbooks ------------------------------------------------------------------------------------------------------


def test_a_workbook_has_numbers_times_and_texts_as_such(manager: Person) -> None:
    order = an_order({"sku": "00123", "name": "3/4", "quantity": 3, "unit_price": 1050})

    sheet = workbook_of(file_of(manager, format="xlsx")).active

    head, row = sheet.iter_rows()
    assert [it.value for it in head] == list(COLUMNS["orders"].default)
    cells = dict(zip(COLUMNS["orders"].default, row, strict=True))
    assert {name: it.value for name, it in cells.items()} == {
        "order_id": order.id,
        "order_number": order.number,
        "status": "shipped",
        "created_at": datetime.fromisoformat(order.created_at).replace(tzinfo=None),
        "customer_id": "C1",
        "line": 1,
        "product_id": "PRODUCT0000000000001",
        "sku": "00123",
        "name": "3/4",
        "category": "Tools",
        "quantity": 3,
        "unit_price": 10.5,
        "line_total": 31.5,
        "shipping_cost": 4.9,
        "order_total": 36.4,
        "currency": "EUR",
    }
    assert cells["unit_price"].number_format == "0.00"
    assert cells["created_at"].is_date
    assert cells["sku"].number_format == "@", "it stays text when a person edits it"
    assert sheet.freeze_panes == "A2"


def test_text_stays_text_to_the_letter_and_nothing_is_a_formula(manager: Person) -> None:
    an_order(*({"sku": it, "name": it} for it in (*TEXTS, *ODD)))

    data = file_of(manager, format="xlsx")

    column = COLUMNS["orders"].default.index("name") + 1
    cells = [row[column - 1] for row in workbook_of(data).active.iter_rows(min_row=2)]
    assert [said(it.value) for it in cells] == [*TEXTS, *ODD]
    assert {it.data_type for it in cells} == {"s"}, "as text: other programs would not read it as a string"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert b"<f" not in archive.read("xl/worksheets/sheet1.xml")


def test_a_time_has_all_digits_of_the_number_that_a_spreadsheet_makes_of_it(manager: Person) -> None:
    """With fewer, LibreOffice shows the second before."""
    order = an_order({})

    with zipfile.ZipFile(io.BytesIO(file_of(manager, format="xlsx", columns="created_at"))) as archive:
        (written,) = re.findall("<v>([^<]*)</v>", archive.read("xl/worksheets/sheet1.xml").decode())

    days = (datetime.fromisoformat(order.created_at) - datetime.fromisoformat("1899-12-30T00:00:00Z")).total_seconds()
    assert float(written) == days / 86_400


def test_the_other_reports_are_workbooks_too(manager: Person, product: Callable[..., str]) -> None:
    made = product(sku="007", stock=5)

    inventory = rows_of(file_of(manager, report="inventory", format="xlsx"))
    sales = rows_of(file_of(manager, report="sales", format="xlsx"))

    (row,) = (dict(zip(inventory[0], it, strict=True)) for it in inventory if made in it)
    assert (row["sku"], row["on_hand"], row["low_stock_threshold"]) == ("007", 5, None)
    assert len(sales) == 31
    assert isinstance(sales[1][0], datetime)
    assert sales[1][1:3] == [0, 0]


def test_rows_that_do_not_fit_on_a_sheet_continue_on_a_further_one(
    manager: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xlsx_file, "MAX_ROWS", 6)
    orders = [an_order({}, {}) for _ in range(5)]

    workbook = workbook_of(file_of(manager, format="xlsx"))

    assert workbook.sheetnames == ["orders", "orders 2", "orders 3"]
    ids = [[row[0] for row in sheet.iter_rows(values_only=True)] for sheet in workbook]
    made = [it.id for it in orders]
    assert [it[0] for it in ids] == ["order_id"] * 3
    assert [it[1:] for it in ids] == [[made[0]] * 2 + [made[1]] * 2, [made[2]] * 2 + [made[3]] * 2, [made[4]] * 2]


@pytest.mark.parametrize("text", ["x" * 32_768, "😀" * 16_384])
def test_a_text_too_long_for_a_cell_fails_the_export(manager: Person, text: str) -> None:
    an_order({"name": text})
    export = request_export(manager, format="xlsx")

    assert process_once(export)

    assert (now(export).status, now(export).failure) == ("failed", "too-large")


def test_a_workbook_without_orders_has_its_head(manager: Person) -> None:
    assert rows_of(file_of(manager, format="xlsx")) == [list(COLUMNS["orders"].default)]


def test_a_workbook_is_saved_as_one(manager: Person) -> None:
    export = request_export(manager, format="xlsx", **{"from": "2026-01-05", "to": "2026-01-31"})
    process_until_finished(export)

    s3, bucket = aws_client("s3"), settings().exports_bucket
    (key,) = (it["Key"] for it in s3.list_objects_v2(Bucket=bucket)["Contents"])
    head = s3.head_object(Bucket=bucket, Key=key)

    assert key == f"{export.id}.xlsx"
    assert head["ContentDisposition"] == 'attachment; filename="orders_2026-01-05_2026-01-31.xlsx"'
    assert head["ContentType"] == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


# ---- CSV ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
def test_a_byte_order_mark_is_at_the_very_beginning_and_nowhere_else(manager: Person, compressed: bool) -> None:
    for _ in range(10):
        an_order({"name": "Säge" * 50})

    data = file_of(manager, bom=True, gzip=compressed)
    plain = file_of(manager, gzip=compressed)

    with_mark, without = (gzip.decompress(it) if compressed else it for it in (data, plain))
    assert with_mark == b"\xef\xbb\xbf" + without
    assert b"\xef\xbb\xbf" not in without


# ---- columns --------------------------------------------------------------------------------------------------------


def sent(order: Order) -> Order:
    address = {"name": "Ada Lovelace", "line1": "12/3 Collins Street", "line2": None, "city": "Melbourne"}
    order.shipping_address = address | {
        "postal_code": "03000",
        "region": "VIC",
        "country": "AU",
        "company": "Ada & Co.",
    }
    order.purchase_order, order.tags = "PO-7", ["gift", "wholesale"]
    order.note = "=leave at the door"
    at = "2026-02-03T04:05:06.000Z"
    order.shipment = Shipment(carrier="DHL", tracking_number="0034043", tracking_url=None, shipped_at=at)
    put_item(order)
    return order


FULFILMENT = (
    *("order_number", "sku", "quantity", "customer_email", "shipping_name", "shipping_line1", "shipping_line2"),
    *("shipping_city", "shipping_postal_code", "shipping_region", "shipping_country", "note"),
    *("carrier", "tracking_number", "tracking_url", "shipped_at"),
    *("shipping_company", "shipping_phone", "purchase_order", "tags"),
)


def test_columns_for_fulfilment_are_there_on_request_in_the_requested_order(
    manager: Person, person: Callable[..., Person]
) -> None:
    customer = person("customer", email="ada@example.com")
    order = an_order({"sku": "007"})
    order.customer_id = customer.id
    sent(order)
    other = an_order({"sku": "008"})  # of a missing customer, without an address

    first, second = exported(manager, columns=",".join(FULFILMENT))

    assert list(first) == list(FULFILMENT)
    assert first == {
        "order_number": order.number,
        "sku": "007",
        "quantity": "1",
        "customer_email": "ada@example.com",
        "shipping_name": "Ada Lovelace",
        "shipping_line1": "12/3 Collins Street",
        "shipping_line2": "",
        "shipping_city": "Melbourne",
        "shipping_postal_code": "03000",
        "shipping_region": "VIC",
        "shipping_country": "AU",
        "note": "'=leave at the door",
        "carrier": "DHL",
        "tracking_number": "0034043",
        "tracking_url": "",
        "shipped_at": "2026-02-03T04:05:06.000Z",
        "shipping_company": "Ada & Co.",
        "shipping_phone": "",
        "purchase_order": "PO-7",
        "tags": "gift, wholesale",
    }
    assert [second[it] for it in FULFILMENT[:2]] == [other.number, "008"]
    assert set(list(second.values())[3:]) == {""}


def test_columns_of_a_workbook_and_of_the_other_reports(manager: Person, product: Callable[..., str]) -> None:
    sent(an_order())
    product(sku="007")

    workbook = rows_of(file_of(manager, format="xlsx", columns="tracking_number,shipped_at,quantity"))
    inventory = rows_of(file_of(manager, report="inventory", columns="sku"))
    sales = rows_of(file_of(manager, report="sales", columns="revenue,date"))

    assert workbook[:2] == [
        ["tracking_number", "shipped_at", "quantity"],
        ["0034043", datetime(2026, 2, 3, 4, 5, 6), 1],  # noqa: DTZ001 - spreadsheets know no zones
    ]
    assert ["007"] in inventory
    assert sales[0] == ["revenue", "date"]


def test_without_a_request_no_file_has_an_address(manager: Person) -> None:
    sent(an_order())

    assert b"Lovelace" not in file_of(manager)


# ---- valid requests -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"format": "xls"}, {"#/format"}),
        ({"format": "xlsx", "gzip": True}, {"#/gzip"}),
        ({"format": "xlsx", "bom": True}, {"#/bom"}),
        ({"columns": "sku,password"}, {"#/columns"}),
        ({"columns": "sku,sku"}, {"#/columns"}),
        ({"columns": ""}, {"#/columns"}),
        ({"columns": []}, {"#/columns"}),
        ({"columns": ["sku", "sku"]}, {"#/columns"}),
        ({"columns": ["sku", "password", 1]}, {"#/columns/1", "#/columns/2"}),
        ({"report": "inventory", "columns": "sku,customer_email"}, {"#/columns"}),
        ({"report": "sales", "columns": "sku"}, {"#/columns"}),
    ],
)
def test_conflicting_fields_are_refused_at_their_place(manager: Person, fields: Any, wrong: set[str]) -> None:
    assert places(call("POST", EXPORTS, {"report": "orders"} | fields, token=manager.token)) == wrong


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("format=xlsx&bom=true", "?bom"),
        ("columns=on_hand", "?columns"),
        ("columns=x", "?columns"),
        ("columns=sku&columns=sku", "?columns"),
        ("columns=", "?columns"),
        ("format=", "?format"),
    ],
)
def test_so_it_is_in_a_query(manager: Person, query: str, wrong: str) -> None:
    assert places(call("GET", f"{EXPORT_ORDERS}?{query}", token=manager.token)) == {wrong}


@pytest.mark.parametrize("columns", ["sku,note", ["sku", "note"]], ids=type)
def test_an_export_describes_its_file(manager: Person, columns: Any) -> None:
    body = {"report": "orders", "format": "xlsx", "columns": columns}

    made = call("POST", EXPORTS, body, token=manager.token).json
    plain = call("POST", EXPORTS, {"report": "sales"}, token=manager.token).json

    assert (made["format"], made["bom"], made["columns"]) == ("xlsx", False, ["sku", "note"])
    assert (plain["format"], plain["bom"], plain["columns"]) == ("csv", False, list(COLUMNS["sales"].default))


def test_another_format_or_other_columns_are_another_query_that_shares_nothing(manager: Person) -> None:
    queries: list[dict[str, Any]] = [{}, {"format": "xlsx"}, {"columns": "sku"}, {"bom": True}]
    made = [
        sharing.share_export(ExportOrdersQuery.model_validate(it), by=manager, address=ADDRESS).id
        for it in (*queries, *queries)
    ]

    assert len(set(made)) == len(queries)
    assert made[: len(queries)] == made[len(queries) :]


def test_the_runs_of_a_schedule_have_its_format_and_columns(person: Callable[..., Person]) -> None:
    ada = addressed(person("manager", email="ada@example.com"), "ada@example.com")
    body = {"report": "orders", "schedule": "rate(1 hour)", "recipients": ["ada@example.com"]}
    wanted = CreateScheduleRequest.model_validate(body | {"format": "xlsx", "columns": "sku,customer_email"})

    schedule, _ = schedules.create(wanted, by=ada, address=ADDRESS).value
    stored = get_item(Schedule, Schedule.key(schedule.id))
    assert stored is not None
    update_item(stored, [Schedule.covered_until.set("2026-01-01T00:00:00.000Z")])
    export = runs.run(schedule.id, datetime.fromisoformat("2026-01-02T00:00:00+00:00"))
    shown = call("GET", "/api/v1/reports/schedules", token=ada.token).json["items"][0]

    assert export is not None
    assert (export.format, list(export.columns or ())) == ("xlsx", ["sku", "customer_email"])
    assert (shown["format"], shown["bom"], shown["columns"]) == ("xlsx", False, ["sku", "customer_email"])
    wrong = body | {"report": "inventory", "columns": "customer_email"}
    for refused in (wrong, body | {"columns": []}, body | {"columns": ["sku", "sku"]}):
        assert places(call("POST", "/api/v1/reports/schedules", refused, token=ada.token)) == {"#/columns"}


def test_an_export_from_before_there_were_formats_is_read_and_written_as_csv(manager: Person) -> None:
    an_order()
    export = request_export(manager)
    old = Export.from_raw_data({k: v for k, v in export.serialize().items() if k not in ("format", "bom", "columns")})

    assert s3_files.key_of(old) == f"{export.id}.csv"
    put_item(old)
    process_until_finished(old)
    assert rows_of(content(old) or b"")[0] == list(COLUMNS["orders"].default)
    shown = call("GET", f"{EXPORTS}/{old.id}", token=manager.token).json
    assert (shown["format"], shown["bom"], shown["columns"]) == ("csv", False, list(COLUMNS["orders"].default))
