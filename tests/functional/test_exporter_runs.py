"""The exporter's runs: how far an export is, what becomes of it when time is up, and when it is given up."""

from typing import Any

import pytest

from oms.core import clock
from oms.exports import parts, worker
from oms.exports.columns import COLUMNS
from oms.exports.models import Export
from oms.exports.registry import SOURCES
from tests.support.aws_calls import intercepted
from tests.support.exports import (
    an_order,
    content,
    handed_on,
    look,
    look_until_it_is_done_with,
    now,
    request_export,
    uploads,
)
from tests.support.faults import failing, refuse
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
        look(export)

    assert seen == sorted(seen)
    assert len(set(seen)) > 2
    assert 0 < seen[len(seen) // 2] < 99
    assert now(export).progress == 100


def test_f23_when_the_time_ends_the_work_goes_on_by_queue_at_the_last_checkpoint(
    manager: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(12):
        an_order(*[{}] * 3)
    export = request_export(manager)
    left = iter([True] * 6)

    assert look(export, has_time=lambda: next(left, False))

    half = now(export)
    assert half.status == "running"
    assert 0 < half.rows <= 18, "orders of the six, of three lines"
    assert handed_on() == [{"export": export.id}]
    look_until_it_is_done_with(export)
    numbers = [it.number for it in now(export).parts]
    assert numbers != list(range(1, len(numbers) + 1)), "S3 takes such as come without checksums of their own"
    assert (now(export).status, now(export).rows) == ("done", 36)


def test_where_nothing_is_wanted_the_work_still_ends_in_time_and_goes_on_behind_what_it_saw(manager: Person) -> None:
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
    look_until_it_is_done_with(export)
    assert now(export).status == "done"


def test_what_takes_longer_than_a_run_for_a_single_part_fails_instead_of_going_round_for_ever(manager: Person) -> None:
    for _ in range(12):
        an_order(*[{}] * 3)
    export = request_export(manager)

    tries = [look(export, milliseconds=0, tries=number) for number in range(1, 6)]

    assert tries == [False] * 4 + [True]
    assert handed_on() == []
    assert (now(export).status, now(export).failure) == ("failed", "out-of-time")


def test_the_last_try_gives_an_export_up_says_why_and_leaves_nothing(manager: Person) -> None:
    an_order()
    export = request_export(manager)

    with intercepted(refuse("UploadPart", failing("AccessDenied"))):
        tries = [look(export, tries=number) for number in range(1, 6)]

    assert tries == [False] * 4 + [True]
    given_up = now(export)
    assert (given_up.status, given_up.failure) == ("failed", "internal-error")
    assert given_up.finished_at is not None
    assert uploads() == []


def test_what_would_have_too_many_parts_is_given_up_at_once(manager: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "MAX_PARTS", 2)
    for _ in range(12):
        an_order(*[{}] * 3)
    export = request_export(manager)

    assert look(export)

    assert (now(export).status, now(export).failure) == ("failed", "too-large")
    assert uploads() == []


def test_what_is_done_is_left_alone_by_messages_that_come_late(manager: Person) -> None:
    an_order()
    export = request_export(manager)
    look(export)
    before, data = now(export), content(export)

    assert look(export)
    assert look(Export(*Export.key("none"), id="none"))

    assert now(export).version == before.version
    assert content(export) == data
