"""The exporter's runs: progress, continuing when the time is up, and permanent failure."""

from dataclasses import replace
from typing import Any, cast

import pytest

from oms.core import clock
from oms.exports import parts, sources, worker
from oms.exports.columns import COLUMNS, Columns
from oms.exports.models import Export
from oms.exports.registry import SOURCES
from tests.support.aws_calls import intercepted
from tests.support.exports import (
    an_order,
    content,
    handed_on,
    now,
    process_once,
    process_until_finished,
    request_export,
    rows_of,
    uploads,
)
from tests.support.faults import failing, refuse
from tests.support.gateway import call
from tests.support.invocation import Person

pytestmark = [
    pytest.mark.usefixtures("files"),
    pytest.mark.filterwarnings("ignore:No application metrics to publish"),
]


def test_progress_is_the_share_of_the_time_that_is_written_and_never_falls(
    manager: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [an_order(*[{}] * 4) for _ in range(10)]
    monkeypatch.setattr(clock, "now", lambda: clock.instant(orders[-1].created_at))
    export, seen = request_export(manager), []

    def note(call: Any) -> Any:
        answer = call.send()
        seen.append(now(export).progress) if call.service == "s3" else None
        return answer

    with intercepted(note):
        process_once(export)

    assert seen == sorted(seen)
    assert len(set(seen)) > 2
    assert 0 < seen[len(seen) // 2] < 99
    assert now(export).progress == 100


def test_f23_when_the_time_ends_the_work_continues_by_queue_at_the_last_checkpoint(
    manager: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(12):
        an_order(*[{}] * 3)
    export = request_export(manager)
    left = iter([True] * 6)

    assert process_once(export, has_time=lambda: next(left, False))

    half = now(export)
    assert half.status == "running"
    assert 0 < half.rows <= 18, "orders of the six, of three lines"
    assert handed_on() == [{"export": export.id}]
    process_until_finished(export)
    numbers = [it.number for it in now(export).parts]
    assert numbers != list(range(1, len(numbers) + 1)), "S3 accepts gaps between parts without checksums"
    assert (now(export).status, now(export).rows) == ("done", 36)


@pytest.mark.parametrize("format", ["csv", "xlsx"])
def test_a_default_column_added_between_two_runs_is_in_later_exports_alone(
    manager: Person, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    monkeypatch.setattr(parts, "FULL_PART_BYTES", 1)
    for _ in range(12):
        an_order()
    export = request_export(manager, format=format)
    before = list(COLUMNS["orders"].default)
    left = iter([True] * 6)
    assert process_once(export, has_time=lambda: next(left, False))
    assert (now(export).status, 0 < now(export).rows < 24) == ("running", True)

    add_default_column(monkeypatch, "gift")
    process_until_finished(export)

    written = rows_of(content(export) or b"")
    assert written[0] == before
    assert {len(row) for row in written} == {len(before)}
    assert call("GET", f"/api/v1/reports/exports/{export.id}", token=manager.token).json["columns"] == before
    assert {len(row) for row in rows_of(exported_file(manager, format=format))} == {len(before) + 1}


def add_default_column(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A deployment that adds a column at the end of the default ones of orders."""
    columns, real = COLUMNS["orders"], sources._order_rows
    width = len(columns.default)

    def rows(order: Any, cells: Any, *, further: bool) -> Any:
        return [(*row[:width], cells.text("yes"), *row[width:]) for row in real(order, cells, further=further)]

    monkeypatch.setattr(sources, "_order_rows", rows)
    monkeypatch.setitem(
        cast("dict[str, Columns]", COLUMNS), "orders", replace(columns, default=(*columns.default, name))
    )


def exported_file(by: Person, **fields: Any) -> bytes:
    export = request_export(by, **fields)
    process_until_finished(export)
    return content(export) or b""


def test_where_no_row_matches_the_work_still_ends_in_time_and_continues_after_the_read_ones(manager: Person) -> None:
    for _ in range(30):
        an_order()
    export, queries = request_export(manager, status="pending"), []

    while now(export).status != "done":
        left = iter([True] * 2)
        with intercepted() as calls:
            worker.work(export.id, sources=SOURCES, has_time=lambda left=left: next(left, False))
        queries.append([it.operation for it in calls].count("Query"))
        assert bool(handed_on()) == (now(export).status != "done")

    assert max(queries) <= 3
    assert sum(queries) == 8, "pages of four, none of them twice"
    assert content(export) == (",".join(COLUMNS["orders"].default) + "\r\n").encode()


def test_where_the_rows_end_with_a_part_and_then_the_time_the_digest_is_the_next_runs(manager: Person) -> None:
    an_order({"name": parts.FULL_PART_BYTES * "x"})
    export = request_export(manager)
    worker.work(export.id, sources=SOURCES, has_time=lambda: False)
    assert (len(now(export).parts), now(export).ended, handed_on()) == (1, False, [{"export": export.id}])

    worker.work(export.id, sources=SOURCES, has_time=lambda: not now(export).ended)

    assert (len(now(export).parts), now(export).ended, now(export).status) == (1, True, "running")
    process_until_finished(export)
    assert now(export).status == "done"


def test_an_export_with_a_part_longer_than_a_run_fails_instead_of_repeating_for_ever(manager: Person) -> None:
    for _ in range(12):
        an_order(*[{}] * 3)
    export = request_export(manager)

    tries = [process_once(export, milliseconds=0, tries=number) for number in range(1, 6)]

    assert tries == [False] * 4 + [True]
    assert handed_on() == []
    assert (now(export).status, now(export).failure) == ("failed", "out-of-time")


def test_the_last_try_gives_an_export_up_says_why_and_leaves_nothing(manager: Person) -> None:
    an_order()
    export = request_export(manager)

    with intercepted(refuse("UploadPart", failing("AccessDenied"))):
        tries = [process_once(export, tries=number) for number in range(1, 6)]

    assert tries == [False] * 4 + [True]
    given_up = now(export)
    assert (given_up.status, given_up.failure) == ("failed", "internal-error")
    assert given_up.finished_at is not None
    assert uploads() == []


def test_an_export_with_too_many_parts_fails_at_once(manager: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "MAX_PARTS", 2)
    for _ in range(12):
        an_order(*[{}] * 3)
    export = request_export(manager)

    assert process_once(export)

    assert (now(export).status, now(export).failure) == ("failed", "too-large")
    assert uploads() == []


def test_a_finished_export_is_left_alone_by_late_messages(manager: Person) -> None:
    an_order()
    export = request_export(manager)
    process_once(export)
    before, data = now(export), content(export)

    assert process_once(export)
    assert process_once(Export(*Export.key("none"), id="none"))

    assert now(export).version == before.version
    assert content(export) == data
