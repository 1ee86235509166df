"""Exports over HTTP, through stream, bus, queue, exporter and S3, to the file."""

import csv
import gzip
import hashlib
import io
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pytest

from local.demo import SERVICE_KEY
from local.system import LocalSystem
from tests.support.local_cloud.shop import WAIT_SECONDS, create_product, order_of, read, wait_until

EXPORTS, EXPORT_ORDERS = "/api/v1/reports/exports", "/api/v1/reports/export/orders"
FINISHED = ("done", "failed", "cancelled")
README = Path(__file__).parents[2] / "README.md"


def finished(manager: httpx.Client, export_id: str) -> Any:
    path = f"{EXPORTS}/{export_id}"
    return wait_until(lambda: read(manager, path), lambda it: it["status"] in FINISHED)


def rows_in(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline=""), strict=True))


def fetch(url: str) -> httpx.Response:
    """Fetches the file with nothing but the link."""
    return httpx.get(url, trust_env=False, timeout=WAIT_SECONDS)


def events_of(manager: httpx.Client, export_id: str) -> list[Any]:
    events = read(manager, "/api/v1/events", type="report.ready", limit=100)["items"]
    return [it for it in events if it["data"]["id"] == export_id]


@pytest.fixture
def orders(signed_in: Callable[[str], httpx.Client]) -> list[Any]:
    manager, alice = signed_in("manager"), signed_in("alice")
    products = [create_product(manager, stock=100) for _ in range(2)]
    body = order_of(*((it, 3) for it in products)) | {"shipping_cost": "4.90"}
    return [alice.post("/api/v1/orders", json=body).json() for _ in range(5)]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_curl_gets_the_orders_by_the_line_that_the_readme_has(
    system: LocalSystem, orders: list[Any], tmp_path: Path
) -> None:
    (line,) = (it for it in README.read_text().splitlines() if it.startswith("curl -L"))
    api = f"http://localhost:{system.front_door.port}/api/v1"
    names = {"API": api, "SERVICE_KEY": SERVICE_KEY, "no_proxy": "*"}

    def ask() -> bytes:
        subprocess.run(line, shell=True, env=os.environ | names, cwd=tmp_path, check=True)  # noqa: S602
        return (tmp_path / "orders.csv").read_bytes()

    # After tests with many orders it may take longer than 20 s: a repeated request shares the running export.
    data = wait_until(ask, lambda it: not it.startswith(b"{"))

    assert line in (README.parent / "docs" / "integrate" / "exports.md").read_text()
    rows = [it for it in rows_in(data) if it["order_id"] in {order["id"] for order in orders}]
    assert [(it["order_id"], it["sku"], it["quantity"], it["line_total"], it["order_total"]) for it in rows] == [
        (order["id"], item["sku"], str(item["quantity"]), item["line_total"], order["total"])
        for order in orders
        for item in order["items"]
    ]


def test_an_export_is_done_within_seconds_with_a_true_file_and_an_event_without_a_link(
    signed_in: Callable[[str], httpx.Client], orders: list[Any]
) -> None:
    manager = signed_in("manager")
    made = manager.post(EXPORTS, json={"report": "orders", "gzip": True})
    assert (made.status_code, made.headers["Location"]) == (202, f"{EXPORTS}/{made.json()['id']}")

    done = finished(manager, made.json()["id"])
    answer = fetch(done["url"])

    assert (done["status"], done["progress"]) == ("done", 100)
    assert answer.status_code == 200, answer.text
    assert hashlib.sha256(answer.content).hexdigest() == done["sha256"]
    assert len(answer.content) == done["size"]
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="orders_')
    assert "Content-Encoding" not in answer.headers
    rows = rows_in(gzip.decompress(answer.content))
    assert len(rows) == done["rows"]
    assert {order["id"] for order in orders} <= {it["order_id"] for it in rows}
    (event,) = wait_until(lambda: events_of(manager, done["id"]), bool)
    assert event["data"] == {name: value for name, value in done.items() if not name.startswith("url")}


@pytest.mark.full
def test_a_workbook_has_the_requested_columns(signed_in: Callable[[str], httpx.Client], orders: list[Any]) -> None:
    manager = signed_in("manager")
    body = {"report": "orders", "format": "xlsx", "columns": "order_id,sku,customer_email,line_total"}
    done = finished(manager, manager.post(EXPORTS, json=body).json()["id"])

    answer = fetch(done["url"])

    assert answer.headers["Content-Type"] == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    head, *rows = openpyxl.load_workbook(io.BytesIO(answer.content)).active.iter_rows(values_only=True)
    assert list(head) == body["columns"].split(",")
    assert len(rows) == done["rows"]
    assert {
        (order["id"], item["sku"], "alice@demo.example", float(item["line_total"]))
        for order in orders
        for item in order["items"]
    } <= set(rows)


@pytest.mark.full
def test_the_other_reports_come_too(signed_in: Callable[[str], httpx.Client]) -> None:
    manager = signed_in("manager")
    asked = [manager.post(EXPORTS, json={"report": report}).json()["id"] for report in ("inventory", "sales")]

    for done in (finished(manager, it) for it in asked):
        assert len(rows_in(fetch(done["url"]).content)) == done["rows"] > 0


@pytest.mark.full
def test_a_head_is_refused_and_begins_nothing(signed_in: Callable[[str], httpx.Client]) -> None:
    manager = signed_in("manager")
    before = manager.get(EXPORTS).json()["items"][:1]

    answer = manager.head(EXPORT_ORDERS)

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
    assert manager.get(EXPORTS).json()["items"][:1] == before


def test_a_requested_export_is_cancelled_or_done_and_a_link_fetches_only_the_latter(
    signed_in: Callable[[str], httpx.Client],
) -> None:
    manager = signed_in("manager")
    made = manager.post(EXPORTS, json={"report": "orders"}).json()

    cancelled = manager.delete(f"{EXPORTS}/{made['id']}").status_code

    end = finished(manager, made["id"])
    assert (cancelled, end["status"], end["url"] is None) in [(204, "cancelled", True), (409, "done", False)]
