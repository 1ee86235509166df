"""The routes of imports, as in the contract."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from oms.core import clock
from oms.imports import service
from oms.imports.models import Import
from tests.support.aws_calls import intercepted
from tests.support.database import table
from tests.support.faults import lose_answer
from tests.support.gateway import assert_problem, call, places
from tests.support.imports import imported, now, objects, process_once, started, upload, uploaded
from tests.support.invocation import Person
from tests.support.service_keys import a_key

IMPORTS = "/api/v1/imports"
ROWS = "sku,on_hand\nSKU-1,1\n"

pytestmark = [
    pytest.mark.usefixtures("uploads"),
    pytest.mark.filterwarnings("ignore:No application metrics to publish"),
]


def audited() -> list[tuple[str, str, str | None]]:
    items = table("audit").items()
    entries = [it for it in items if it["kind"]["S"] == "entry" and it["action"]["S"].startswith("import.")]
    return sorted((it["action"]["S"], it["target"]["S"], it.get("actor_id", {}).get("S")) for it in entries)


def signed(upload: dict[str, Any]) -> tuple[str, dict[str, list[str]]]:
    url = urlsplit(upload["url"])
    return url.path, parse_qs(url.query)


# ---- POST -----------------------------------------------------------------------------------------------------------


def test_a_new_import_has_its_place_and_the_request_that_uploads_its_file(manager: Person) -> None:
    answer = call("POST", IMPORTS, {"kind": "stock", "size": 52}, token=manager.token)

    assert answer.status == 201
    assert answer.headers["Location"] == f"{IMPORTS}/{answer.json['id']}"
    assert {name: answer.json[name] for name in ("kind", "format", "mode", "dry_run", "status", "progress")} == {
        "kind": "stock",
        "format": "csv",
        "mode": "upsert",
        "dry_run": False,
        "status": "created",
        "progress": 0,
    }
    assert (answer.json["result_url"], answer.json["created_by"]) == (None, manager.id)
    request = answer.json["upload"]
    path, query = signed(request)
    assert request["method"] == "PUT"
    assert request["headers"] == {"Content-Type": "text/csv", "Content-Length": "52"}
    assert path == f"/uploads/{answer.json['id']}"
    assert query["X-Amz-SignedHeaders"] == ["content-length;content-type;host"]
    assert query["X-Amz-Expires"] == ["3600"]


def test_a_request_with_the_same_key_finds_the_import(manager: Person) -> None:
    send = lambda body: call("POST", IMPORTS, body, token=manager.token, headers={"Idempotency-Key": "k"})  # noqa: E731
    body = {"kind": "stock", "size": 52}

    first, again = send(body), send(body)

    assert (first.json["id"], again.headers["Idempotency-Replayed"]) == (again.json["id"], "true")
    assert_problem(send({"kind": "stock", "size": 53}), 422, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"size": 1}, "#/kind"),
        ({"kind": "users", "size": 1}, "#/kind"),
        ({"kind": "stock"}, "#/size"),
        ({"kind": "stock", "size": 0}, "#/size"),
        ({"kind": "stock", "size": 2**28 + 1}, "#/size"),
        ({"kind": "stock", "size": 1, "format": "xlsx"}, "#/format"),
        ({"kind": "stock", "size": 1, "mode": "create"}, "#/mode"),
        ({"kind": "prices", "size": 1, "mode": "create"}, "#/mode"),
    ],
)
def test_an_import_that_is_not_possible_is_refused(manager: Person, body: Any, place: str) -> None:
    assert places(call("POST", IMPORTS, body, token=manager.token)) == {place}


# ---- start ----------------------------------------------------------------------------------------------------------


def test_an_import_starts_once_and_a_second_start_changes_nothing(manager: Person, admin: Person) -> None:
    it = uploaded(manager, "stock", ROWS)

    first = call("POST", f"{IMPORTS}/{it.id}/start", token=admin.token)
    again = call("POST", f"{IMPORTS}/{it.id}/start", token=manager.token)

    assert (first.status, again.status) == (202, 202)
    assert (first.json["status"], first.json["upload"], first.json["started_at"]) == (
        "queued",
        None,
        again.json["started_at"],
    )
    assert audited() == [("import.started", f"import#{it.id}", admin.id)]


@pytest.mark.parametrize("content", [None, b"short"])
def test_a39_an_import_without_its_whole_file_does_not_start(manager: Person, content: bytes | None) -> None:
    it = service.create_import(_request(52), by=manager).value
    if content:
        upload(it, content)

    assert_problem(call("POST", f"{IMPORTS}/{it.id}/start", token=manager.token), 409, "import-not-uploaded")

    assert (now(it).status, audited()) == ("created", [])


def _request(size: int) -> service.CreateImportRequest:
    return service.CreateImportRequest(kind="stock", size=size)


def test_a_lost_answer_of_the_start_is_found_again(manager: Person) -> None:
    it = uploaded(manager, "stock", ROWS)

    with intercepted(lose_answer("TransactWriteItems")):
        answer = call("POST", f"{IMPORTS}/{it.id}/start", token=manager.token)

    assert (answer.status, answer.json["status"], len(audited())) == (202, "queued", 1)


# ---- GET ------------------------------------------------------------------------------------------------------------


def test_an_import_that_is_done_has_its_counts_and_a_link_to_its_result(manager: Person) -> None:
    it = imported(manager, "stock", ROWS)

    answer = call("GET", f"{IMPORTS}/{it.id}", token=manager.token)

    expected = {"status": "done", "rows": 1, "created": 0, "updated": 0, "unchanged": 0, "failed": 1, "progress": 100}
    assert {name: answer.json[name] for name in expected} == expected
    assert (answer.json["upload"], answer.json["failure"]) == (None, None)
    url = urlsplit(answer.json["result_url"])
    assert [url.path.removeprefix("/")] == objects()
    assert parse_qs(url.query)["X-Amz-Expires"] == ["900"]


def test_the_list_has_the_imports_of_all_users_without_links(manager: Person, admin: Person) -> None:
    ids = [uploaded(by, "stock", ROWS).id for by in (manager, admin)]
    imported(manager, "stock", ROWS)

    page = call("GET", f"{IMPORTS}?limit=2", token=admin.token).json
    rest = call("GET", f"{IMPORTS}?limit=2&cursor={page['next_cursor']}", token=admin.token).json

    shown = [*page["items"], *rest["items"]]
    assert {*ids} < {it["id"] for it in shown}
    assert all((it["upload"], it["result_url"]) == (None, None) for it in shown)


def test_an_expired_import_is_gone(manager: Person, time_machine: Any) -> None:
    it = uploaded(manager, "stock", ROWS)

    time_machine(timedelta(days=31))

    with pytest.raises(service.NotFoundError):
        service.get(it.id)
    assert clock.now().timestamp() > now(it).expires_at


# ---- DELETE ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_started", [False, True])
def test_a_cancelled_import_stays_to_be_seen_and_its_file_is_deleted(manager: Person, is_started: bool) -> None:
    it = (started if is_started else uploaded)(manager, "stock", ROWS)

    answers = [call("DELETE", f"{IMPORTS}/{it.id}", token=manager.token) for _ in range(2)]
    assert process_once(it)

    assert [answer.status for answer in answers] == [204, 204]
    assert (call("GET", f"{IMPORTS}/{it.id}", token=manager.token).json["status"], objects()) == ("cancelled", [])
    assert ("import.cancelled", f"import#{it.id}", manager.id) in audited()
    assert_problem(call("POST", f"{IMPORTS}/{it.id}/start", token=manager.token), 409, "import-finished")


def test_an_import_that_is_done_cannot_be_cancelled(manager: Person) -> None:
    it = imported(manager, "stock", ROWS)

    assert_problem(call("DELETE", f"{IMPORTS}/{it.id}", token=manager.token), 409, "import-finished")


def test_a_stale_version_cancels_nothing(manager: Person) -> None:
    it = uploaded(manager, "stock", ROWS)

    answer = call("DELETE", f"{IMPORTS}/{it.id}", token=manager.token, headers={"If-Match": '"7"'})

    assert_problem(answer, 412, "stale-version")
    assert now(it).status == "created"


# ---- service keys ---------------------------------------------------------------------------------------------------


def test_a_key_with_the_scope_imports_and_is_the_actor(manager: Person) -> None:
    key = a_key("imports:write")

    it = call("POST", IMPORTS, {"kind": "products", "size": 40}, token=key.text).json
    upload(Import(id=it["id"]), "sku,name,category,price\nSKU-1,Saw,A,1.00\n"[:40])
    answer = call("POST", f"{IMPORTS}/{it['id']}/start", token=key.text)

    assert (answer.status, answer.json["created_by"]) == (202, key.id)
    assert audited() == [("import.started", f"import#{it['id']}", key.id)]
    assert_problem(
        call("POST", IMPORTS, {"kind": "stock", "size": 1}, token=a_key("stock:write").text), 403, "insufficient-scope"
    )
