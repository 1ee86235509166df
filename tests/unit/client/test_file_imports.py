"""Imports of files by the client and `oms import`: uploaded once, resumed, with the rows that failed."""

import json
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from oms_client import AsyncOmsClient, ImportFailedError, OmsClient
from tests.support.client import URL, Terminal, scripted, without_waiting

FILE = b"sku,on_hand\nA,1\nB,2\n"
SIGNED = {"method": "PUT", "url": "https://bucket.test/up?signature=x", "headers": {"Content-Type": "text/csv"}}
IMPORT = {
    **{"id": "i", "kind": "stock", "format": "csv", "size": len(FILE), "mode": "upsert", "dry_run": False},
    **{"progress": 0, "rows": 0, "created": 0, "updated": 0, "unchanged": 0, "failed": 0, "failure": None},
    **{"failure_detail": None, "upload": None, "result_url": None, "result_url_expires_at": None},
    **{"created_at": "2026-01-31T09:30:00Z", "created_by": "u", "started_at": None, "finished_at": None},
}
ERROR = {"row": 2, "code": "not-found", "pointer": "#/sku", "detail": "No product has this SKU."}


def state(status: str, code: int = 200, *, replayed: bool = False, **changes: Any) -> httpx.Response:
    headers = {"Idempotency-Replayed": "true"} if replayed else {}
    return httpx.Response(code, json=IMPORT | {"status": status} | changes, headers=headers)


CREATED = state("created", 201, upload=SIGNED | {"expires_at": "2026-01-31T10:30:00Z"})
DONE = state("done", rows=2, updated=2)
PARTLY = state("done", rows=2, updated=1, failed=1, result_url="https://bucket.test/result?signature=y")


def places(sent: list[httpx.Request]) -> list[str]:
    return [f"{it.method} {it.url.path}" for it in sent]


WAY = ["POST /api/v1/imports", "PUT /up", "POST /api/v1/imports/i/start", "GET /api/v1/imports/i"]


def test_a_file_is_uploaded_started_and_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    policy, slept = without_waiting(monkeypatch)
    sent: list[httpx.Request] = []
    script = [CREATED, httpx.Response(200), state("queued", 202), state("running"), DONE]
    client = OmsClient(URL, key="k", transport=scripted(script, sent), retries=policy)

    result = client.imports.import_file(FILE, kind="stock")

    assert (result.summary.updated, result.errors, result.replayed) == (2, [], False)
    assert places(sent) == [*WAY, WAY[3]]
    assert json.loads(sent[0].content)["size"] == len(FILE)
    assert sent[1].content == FILE
    assert "Authorization" not in sent[1].headers
    assert slept == [2, 2]


def test_a_lost_upload_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    policy, _ = without_waiting(monkeypatch)
    sent: list[httpx.Request] = []
    script = [CREATED, httpx.WriteError("cut off"), httpx.Response(503), httpx.Response(200), DONE]

    OmsClient(URL, key="k", transport=scripted(script, sent), retries=policy).imports.import_file(FILE, kind="stock")

    assert places(sent) == [*WAY[:2], WAY[1], WAY[1], WAY[2]]


def test_the_same_file_continues_with_its_import(monkeypatch: pytest.MonkeyPatch) -> None:
    policy, _ = without_waiting(monkeypatch)
    sent: list[httpx.Request] = []
    script = [state("running", 201, replayed=True), DONE, state("done", 201, replayed=True), state("done", 201)]
    client = OmsClient(URL, key="k", transport=scripted(script, sent), retries=policy)

    assert not client.imports.import_file(FILE, kind="stock").replayed
    assert client.imports.import_file(FILE, kind="stock").replayed
    assert not client.imports.import_file(FILE + b"C,3\n", kind="stock").replayed

    keys = [it.headers["Idempotency-Key"] for it in sent if it.method == "POST"]
    assert keys[0] == keys[1] != keys[2]


def test_an_import_that_fails_as_a_whole_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    policy, _ = without_waiting(monkeypatch)
    failed = state("failed", 202, failure="bad-header", failure_detail="The column sku is missing.")
    client = OmsClient(URL, key="k", transport=scripted([CREATED, httpx.Response(200), failed], []), retries=policy)

    with pytest.raises(ImportFailedError, match="The column sku is missing"):
        client.imports.import_file(FILE, kind="stock")


def test_the_asynchronous_client_imports_alike(monkeypatch: pytest.MonkeyPatch, socket_enabled: None) -> None:
    policy, _ = without_waiting(monkeypatch)
    script = [CREATED, httpx.Response(200), state("queued", 202), PARTLY, httpx.Response(200, json=ERROR)]

    async def run() -> list[str]:
        async with AsyncOmsClient(URL, key="k", transport=scripted(script, []), retries=policy) as client:
            return [it.code for it in (await client.imports.import_file(FILE, kind="stock")).errors]

    assert anyio.run(run) == ["not-found"]


def test_the_command_prints_the_rows_that_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMS_URL", URL)
    monkeypatch.setenv("OMS_KEY", "k")
    monkeypatch.setenv("OMS_CONFIG", str(tmp_path))
    policy, _ = without_waiting(monkeypatch)
    file = tmp_path / "stock.csv"
    file.write_bytes(FILE)
    script = [CREATED, httpx.Response(200), state("queued", 202), PARTLY, httpx.Response(200, json=ERROR)]
    oms = Terminal(scripted(script, []), capsys, retries=policy)

    assert oms.run("import", str(file), "--kind", "stock", "--json") == 6

    assert oms.lines[0] == ERROR
    assert oms.lines[1]["failed"] == 1
    assert "2 rows: 0 created, 1 updated, 0 unchanged, 1 failed." in oms.err
