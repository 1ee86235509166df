"""Imports of files, without I/O: upload, start, wait, and read the errors of rows."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from oms_client.codec import parse
from oms_client.errors import OmsClientError
from oms_client.exchange import Call, Exchange, Flow, Sleep
from oms_client.models import ImportResponse

POLL_SECONDS = 2
ENDED = {"done", "failed", "cancelled"}
Progress: TypeAlias = Callable[[ImportResponse], object]


class ImportFailedError(OmsClientError):
    """The whole import failed or was cancelled. Rows that were applied until then stay applied."""

    def __init__(self, ended: ImportResponse) -> None:
        super().__init__(f"The import {ended.id} is {ended.status}: {ended.failure_detail or ended.failure or ''}")
        self.ended = ended


@dataclass(frozen=True)
class RowError:
    """A row that failed, by its number from 1, without the header."""

    row: int
    code: str
    pointer: str | None
    detail: str


@dataclass(frozen=True)
class ImportResult:
    """`replayed`: an earlier call with the same content made the import."""

    summary: ImportResponse
    errors: list[RowError]
    replayed: bool


def import_file(
    exchange: Exchange, content: bytes, options: dict[str, Any], key: str | None, progress: Progress | None
) -> Flow[ImportResult]:
    body = {**options, "size": len(content)}
    key = key or content_key(content, options)
    created = yield from exchange.call(
        Call[ImportResponse]("POST", "/api/v1/imports", ImportResponse, body=body, key=key)
    )
    it, path = created, f"/api/v1/imports/{created.id}"
    if it.status == "created" and it.upload:
        yield from exchange.transfer(it.upload.method, it.upload.url, it.upload.headers, content)
        # A second start changes nothing.
        it = yield from exchange.call(Call[ImportResponse]("POST", f"{path}/start", ImportResponse, body={}, safe=True))
    while it.status not in ENDED:
        if progress:
            progress(it)
        yield Sleep(POLL_SECONDS)
        it = yield from exchange.call(Call[ImportResponse]("GET", path, ImportResponse))
    if it.status != "done":
        raise ImportFailedError(it)
    errors: list[RowError] = []
    if it.failed and it.result_url:
        found = yield from exchange.transfer("GET", it.result_url, {}, None)
        errors = [row_error(parse(line)) for line in found.content.splitlines() if line]
    replayed = created.response is not None and created.response.replayed and created.status in ENDED
    return ImportResult(it, errors, replayed)


def row_error(line: dict[str, Any]) -> RowError:
    return RowError(int(line["row"]), str(line["code"]), line.get("pointer"), str(line["detail"]))


def content_key(content: bytes, options: dict[str, Any]) -> str:
    """Returns the idempotency key of a file: the same content is imported once, also after an interruption."""
    digest = hashlib.sha256(repr(sorted(options.items())).encode() + content)
    return f"import-{digest.hexdigest()[:40]}"
