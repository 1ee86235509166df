"""The routes of exports, as in the contract."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from oms.core import clock
from oms.core.dynamodb import update_item
from oms.exports import sharing
from oms.exports.columns import COLUMNS
from oms.exports.models import Export
from tests.support.aws_calls import intercepted
from tests.support.database import table
from tests.support.exports import an_order, content, now, process_once, request_export
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Person

EXPORTS, EXPORT_ORDERS = "/api/v1/reports/exports", "/api/v1/reports/export/orders"

pytestmark = [
    pytest.mark.usefixtures("files"),
    pytest.mark.filterwarnings("ignore:No application metrics to publish"),
]


def audited() -> list[tuple[str, str]]:
    items = table("audit").items()
    return sorted((it["action"]["S"], it["target"]["S"]) for it in items if it["kind"]["S"] == "entry")


def done_export(manager: Person, **fields: Any) -> Export:
    an_order()
    export = request_export(manager, **fields)
    assert process_once(export)
    return now(export)


# ---- POST -----------------------------------------------------------------------------------------------------------


def test_a_new_export_is_accepted_with_its_place_and_has_every_field(manager: Person) -> None:
    body = {"report": "orders", "from": "2026-01-01", "to": "2026-01-31", "status": "shipped,pending", "gzip": True}

    answer = call("POST", EXPORTS, body, token=manager.token)

    assert answer.status == 202
    assert answer.headers["Location"] == f"{EXPORTS}/{answer.json['id']}"
    assert "Idempotency-Replayed" not in answer.headers
    assert answer.json == {
        "id": answer.json["id"],
        "report": "orders",
        "status": "queued",
        "filters": {
            "from": "2026-01-01T00:00:00.000Z",
            "to": "2026-02-01T00:00:00.000Z",
            "status": ["pending", "shipped"],
        },
        "format": "csv",
        "gzip": True,
        "bom": False,
        "columns": list(COLUMNS["orders"].default),
        "rows": 0,
        "progress": 0,
        "sha256": None,
        "size": None,
        "failure": None,
        "created_at": answer.json["created_at"],
        "created_by": manager.id,
        "finished_at": None,
        "url": None,
        "url_expires_at": None,
    }


def test_a_replay_shows_the_export_as_it_is_now(manager: Person) -> None:
    headers = {"Idempotency-Key": "k"}
    made = call("POST", EXPORTS, {"report": "orders"}, token=manager.token, headers=headers).json
    call("DELETE", f"{EXPORTS}/{made['id']}", token=manager.token)

    again = call("POST", EXPORTS, {"report": "orders"}, token=manager.token, headers=headers)
    other = call("POST", EXPORTS, {"report": "inventory"}, token=manager.token, headers=headers)

    assert (again.status, again.headers["Idempotency-Replayed"]) == (202, "true")
    assert again.json == made | {"status": "cancelled", "finished_at": again.json["finished_at"]}
    assert_problem(other, 422, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, {"#/report"}),
        ({"report": "users"}, {"#/report"}),
        ({"report": "orders", "status": "lost"}, {"#/status"}),
        ({"report": "orders", "status": 7}, {"#/status"}),
        ({"report": "orders", "status": []}, {"#/status"}),
        ({"report": "orders", "status": ["lost", "shipped", "x"]}, {"#/status/0", "#/status/2"}),
        ({"report": "orders", "from": "2026-02-01", "to": "2026-01-31"}, {"#/to"}),
        ({"report": "orders", "gzip": "yes"}, {"#/gzip"}),
        ({"report": "orders", "created_by": "x"}, {"#/created_by"}),
        ({"report": "inventory", "status": "pending"}, {"#/status"}),
    ],
)
def test_a_wrong_body_is_refused_at_its_place_and_nothing_is_stored(manager: Person, body: Any, where: Any) -> None:
    assert places(call("POST", EXPORTS, body, token=manager.token)) == where

    assert list(table("reports").items()) == []


def test_commas_are_spoken_of_where_they_were_sent(manager: Person) -> None:
    def detail(status: Any) -> Any:
        answer = call("POST", EXPORTS, {"report": "orders", "status": status}, token=manager.token)
        return answer.json["errors"][0]["detail"]

    assert detail(["lost"]) + ", separated by commas" == detail("lost")


# ---- GET ------------------------------------------------------------------------------------------------------------


def test_a27_a_done_export_has_a_link_that_is_valid_for_a_quarter_of_an_hour_and_its_etag(manager: Person) -> None:
    export = done_export(manager)

    answer = call("GET", f"{EXPORTS}/{export.id}", token=manager.token)

    assert answer.status == 200
    assert answer.headers["ETag"] == f'"{export.version}"'
    query = parse_qs(urlsplit(answer.json["url"]).query)
    assert query["X-Amz-Expires"] == ["900"]
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert (answer.json["size"], answer.json["sha256"]) == (export.size, export.sha256)
    assert answer.json["url_expires_at"] is not None


def test_a27_a_link_is_signed_again_each_time_and_its_reader_is_audited(
    manager: Person, admin: Person, time_machine: Callable[[timedelta], None]
) -> None:
    export = done_export(manager)

    first = call("GET", f"{EXPORTS}/{export.id}", token=manager.token).json
    time_machine(timedelta(minutes=1))
    second = call("GET", f"{EXPORTS}/{export.id}", token=admin.token).json

    assert first["url_expires_at"] < second["url_expires_at"]
    assert audited() == [
        *[("export.downloaded", f"export#{export.id}")] * 2,
        ("export.requested", f"export#{export.id}"),
    ]


def test_a27_no_link_is_kept_anywhere(manager: Person, caplog: pytest.LogCaptureFixture) -> None:
    export = done_export(manager)
    url = call("GET", f"{EXPORTS}/{export.id}", token=manager.token).json["url"]
    signature = parse_qs(urlsplit(url).query)["X-Amz-Signature"][0]

    kept = [json.dumps(it) for name in ("reports", "audit") for it in table(name).items()]

    assert kept
    assert not any(signature in it for it in (*kept, caplog.text))


@pytest.mark.parametrize("status", ["queued", "running", "failed", "cancelled"])
def test_an_unfinished_export_has_no_link(manager: Person, status: str) -> None:
    export = update_item(request_export(manager), [Export.status.set(status)])

    answer = call("GET", f"{EXPORTS}/{export.id}", token=manager.token)

    assert (answer.json["status"], answer.json["url"], answer.json["url_expires_at"]) == (status, None, None)
    assert ("export.downloaded", f"export#{export.id}") not in audited()


def test_the_list_has_the_newest_first_page_by_page_and_no_links(
    manager: Person, time_machine: Callable[[timedelta], None]
) -> None:
    exports = []
    for _ in range(5):
        exports.append(done_export(manager))
        time_machine(timedelta(seconds=1))

    first = call("GET", f"{EXPORTS}?limit=3", token=manager.token).json
    second = call("GET", f"{EXPORTS}?limit=3&cursor={first['next_cursor']}", token=manager.token).json

    assert [it["id"] for it in first["items"] + second["items"]] == [it.id for it in reversed(exports)]
    assert {it["url"] for it in first["items"]} == {None}
    assert second["next_cursor"] is None


def test_an_unknown_export_is_not_there(manager: Person) -> None:
    for method in ("GET", "DELETE"):
        assert_problem(call(method, f"{EXPORTS}/none", token=manager.token), 404, "not-found")


# ---- DELETE ---------------------------------------------------------------------------------------------------------


def test_a_cancelled_export_stays_to_be_seen_and_one_that_is_done_cannot_be_cancelled(manager: Person) -> None:
    export, done = request_export(manager), done_export(manager)

    assert [call("DELETE", f"{EXPORTS}/{export.id}", token=manager.token).status for _ in range(2)] == [204, 204]
    assert_problem(call("DELETE", f"{EXPORTS}/{done.id}", token=manager.token), 409, "export-finished")

    assert call("GET", f"{EXPORTS}/{export.id}", token=manager.token).json["status"] == "cancelled"
    assert [it for it in audited() if it[0] == "export.cancelled"] == [("export.cancelled", f"export#{export.id}")]
    assert content(done) is not None


# ---- GET /reports/export/orders -------------------------------------------------------------------------------------


@pytest.fixture
def running_exporter(manager: Person, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Lets the exporter run while a request waits. Gives the waits."""
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        for item in table("reports").items():
            if item["kind"]["S"] == "export":
                process_once(Export.from_raw_data(item))

    monkeypatch.setattr(sharing, "WAIT_SECONDS", 20.0)
    monkeypatch.setattr(clock, "sleep", sleep)
    return waits


def test_an_export_that_is_done_in_time_is_answered_by_its_link(manager: Person, running_exporter: list[float]) -> None:
    order = an_order({})

    answer = call("GET", EXPORT_ORDERS, token=manager.token)

    assert answer.status == 303
    assert "X-Amz-Signature" in answer.headers["Location"]
    assert answer.headers["Location"] == answer.json["url"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert order.id.encode() in (content(Export(*Export.key("x"), id=answer.json["id"], gzip=False)) or b"")
    assert len(running_exporter) == 1
    assert [action for action, _ in audited()] == ["export.downloaded", "export.requested"]


def test_one_that_is_not_is_answered_by_its_place_after_twenty_seconds(
    manager: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = 0.0

    def sleep(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    monkeypatch.setattr(sharing, "WAIT_SECONDS", 20.0)
    monkeypatch.setattr(clock, "sleep", sleep)
    monkeypatch.setattr(clock, "monotonic", lambda: passed)

    with intercepted() as made:
        answer = call("GET", f"{EXPORT_ORDERS}?status=pending", token=manager.token)

    assert answer.status == 202
    assert answer.headers["Location"] == f"{EXPORTS}/{answer.json['id']}"
    assert 19 <= passed <= 20
    assert len(made) < 30


def test_the_earlier_waits_of_the_request_count_too(manager: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """API Gateway gives it 30 seconds in total, of which the last call may take 6."""
    passed = 0.0

    def wait(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    def slow(*args: Any, **kwargs: Any) -> Any:
        wait(8)  # as for sign-in while DynamoDB throttles
        return share_and_wait(*args, **kwargs)

    share_and_wait = sharing.share_and_wait
    monkeypatch.setattr(sharing, "share_and_wait", slow)
    monkeypatch.setattr(sharing, "WAIT_SECONDS", 20.0)
    monkeypatch.setattr(clock, "sleep", wait)
    monkeypatch.setattr(clock, "monotonic", lambda: passed)

    answer = call("GET", EXPORT_ORDERS, token=manager.token)

    assert answer.status == 202
    assert 20 < passed <= 23


def test_a_failed_one_is_answered_by_its_place(manager: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: float) -> None:
        for item in table("reports").items():
            if item["kind"]["S"] == "export":
                update_item(Export.from_raw_data(item), [Export.status.set("failed")])

    monkeypatch.setattr(sharing, "WAIT_SECONDS", 20.0)
    monkeypatch.setattr(clock, "sleep", fail)

    answer = call("GET", EXPORT_ORDERS, token=manager.token)

    assert (answer.status, answer.json["status"], answer.json["url"]) == (202, "failed", None)


def test_its_filters_are_those_of_the_list(manager: Person) -> None:
    answer = call("GET", f"{EXPORT_ORDERS}?from=2026-01-01&to=2026-01-02&status=pending,shipped", token=manager.token)

    assert answer.json["filters"] == {
        "from": "2026-01-01T00:00:00.000Z",
        "to": "2026-01-03T00:00:00.000Z",
        "status": ["pending", "shipped"],
    }
    assert places(call("GET", f"{EXPORT_ORDERS}?from=x&limit=5", token=manager.token)) >= {"?limit"}
