"""F23: an export crashes at any call, is resumed, has two workers, or is cancelled: its file is the same, and no upload
is left.
"""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from oms.core.clock import random_id
from oms.core.errors import ExportFinishedError
from oms.exports import service, worker
from oms.exports.models import Export
from oms.exports.registry import SOURCES
from tests.support.aws_calls import Call, intercepted
from tests.support.exports import (
    ADDRESS,
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
from tests.support.faults import Crash, between, crash_after, crash_before
from tests.support.fixtures import files
from tests.support.invocation import Person

__all__ = ["files"]

pytestmark = [
    pytest.mark.usefixtures("files"),
    pytest.mark.filterwarnings("ignore:No application metrics to publish"),
]


@dataclass
class Exports:
    """Exports of the same orders, so that each must have the same bytes."""

    by: Person
    format: str
    expected: bytes = b""

    def new(self, **fields: Any) -> Export:
        return request_export(self.by, format=self.format, **fields)

    def cancel(self, export: Export) -> None:
        with suppress(ExportFinishedError):
            service.cancel(export.id, by=self.by, address=ADDRESS)

    def assert_whole(self, export: Export, where: str = "") -> None:
        assert now(export).status == "done", where
        assert content(export) == self.expected, where
        assert uploads() == [], where

    def assert_gone(self, export: Export, where: str = "") -> None:
        assert now(export).status == "cancelled", where
        assert content(export) is None, where
        assert uploads() == [], where


@pytest.fixture(params=["csv", "xlsx"])
def exports(manager: Person, request: pytest.FixtureRequest) -> Exports:
    for _ in range(5):
        # The compressor buffers more than that before it returns bytes.
        an_order({"name": random_id(12_000 if request.param == "xlsx" else 400)})
    made = Exports(manager, request.param)
    first = made.new()
    process_until_finished(first)
    data = content(first)
    assert data is not None
    assert len(now(first).parts) == 3
    assert len(rows_of(data)) == 1 + 5
    made.expected = data
    return made


def calls_of(act: Callable[[], object]) -> int:
    with intercepted() as made:
        act()
    return len(made)


def moments_of(exports: Exports) -> range:
    """Returns the points before each call of a worker, by its number; the last one is after all calls."""
    total = calls_of(lambda: process_once(exports.new()))
    assert total > 15
    return range(1, total + 2)


def test_f23_cut_off_at_any_call_and_brought_again_the_file_is_the_same(exports: Exports) -> None:
    """Before a call is also after the previous one: in both cases the process's knowledge of its answer is lost."""
    for moment in moments_of(exports):
        export = exports.new()

        with intercepted(crash_before(moment)), suppress(Crash):
            process_once(export)
        process_until_finished(export)

        exports.assert_whole(export, f"before call {moment}")


def test_f23_cut_off_twice_the_file_is_the_same(exports: Exports) -> None:
    """The second crash is at a random call after the first: a failure shows the seed."""
    seed = random.randrange(10**6)
    draw = random.Random(seed)
    total = calls_of(lambda: process_once(exports.new()))
    for _ in range(15):
        export = exports.new()
        places = [draw.choice((crash_before, crash_after))(draw.randint(1, total)) for _ in range(2)]
        for plan in places:
            with intercepted(plan), suppress(Crash):
                process_once(export)
        process_until_finished(export)
        exports.assert_whole(export, f"seed {seed}")


def test_f23_with_time_for_a_few_orders_at_once_the_file_is_the_same(exports: Exports) -> None:
    seed = random.randrange(10**6)
    draw = random.Random(seed)
    for _ in range(10):
        export = exports.new()
        for _ in range(50):
            budget = iter(range(draw.randint(3, 8)))
            with suppress(worker.OutOfTimeError):
                worker.work(export.id, sources=SOURCES, has_time=lambda left=budget: next(left, None) is not None)
            if now(export).status == "done":
                break
        handed_on()
        exports.assert_whole(export, f"seed {seed}")


# The wanted orders: the characters of the name, and the number of younger orders that are left out. 30,000 characters
# fill a part, also of a compressor, which returns bytes after 16,384 symbols. A page has 4 orders. So the next part
# still has no rows after pages without a wanted order.
WANTED = [(30_000, 12), (20, 0), (20, 6), (30_000, 9), (30_000, 0), (20, 1), (20, 5), (30_000, 3), (20, 8)]


@pytest.mark.parametrize("compressed", [False, True])
def test_f23_where_few_orders_are_wanted_and_time_is_short_the_file_is_the_same(
    exports: Exports, compressed: bool
) -> None:
    """Each run has time for one step more than the previous one. A step is an order, or the end of a batch or page."""
    orders = []
    for size, left_out in WANTED:
        orders.append(an_order({"name": random_id(size)}, status="confirmed").created_key)
        for _ in range(left_out):
            an_order()
    wanted = {"status": "confirmed", "gzip": compressed and exports.format == "csv"}
    whole = exports.new(**wanted)
    process_until_finished(whole)
    exports.expected = content(whole) or b""
    stops = set()

    for first in range(8):
        export = exports.new(**wanted)
        for steps in range(first, 100):
            budget = iter(range(steps))
            with suppress(worker.OutOfTimeError):
                worker.work(export.id, sources=SOURCES, has_time=lambda left=budget: next(left, None) is not None)
            if now(export).status == "done":
                break
            if not now(export).ended:
                stops.add(now(export).position)
        handed_on()
        exports.assert_whole(export, f"{first} steps in the first run")

    behind_left_out = stops - {*orders, None}
    assert any(it < orders[0] for it in behind_left_out), "it continued before the first wanted order"
    assert any(orders[0] < it < orders[1] for it in behind_left_out), "it continued behind a full part"


def meanwhile(moment: int, interfere: Callable[[], object], act: Callable[[], bool]) -> bool:
    with intercepted(between(moment, interfere, after=False)) as made:
        done = act()
        if len(made) < moment:
            interfere()
    return done


def test_f23_a_second_worker_comes_at_any_moment_and_the_file_is_the_same(exports: Exports) -> None:
    for moment in moments_of(exports):
        export = exports.new()

        if not meanwhile(moment, partial(process_once, export), partial(process_once, export)):
            process_until_finished(export)

        exports.assert_whole(export, f"before call {moment}")


def test_f23_two_workers_take_turns_and_the_file_is_the_same(exports: Exports) -> None:
    """The second runs out of time in the middle, or dies there, and the first continues as if it were alone."""
    for moment in moments_of(exports):
        export = exports.new()
        orders = 3 * (moment % 2)  # enough for a part, or for none

        def interfere(export: Export = export, orders: int = orders) -> None:
            left = iter(range(orders))
            with suppress(worker.OutOfTimeError):
                worker.work(export.id, sources=SOURCES, has_time=lambda: next(left, None) is not None)

        meanwhile(moment, interfere, partial(process_once, export))
        handed_on()
        process_until_finished(export)  # the message of the remaining worker

        exports.assert_whole(export, f"before call {moment}, for {orders} orders")


def test_f23_cancelled_at_any_moment_it_is_done_or_nothing_is_left(exports: Exports) -> None:
    ends = set()
    for moment in moments_of(exports):
        export = exports.new()

        def cancel(export: Export = export) -> None:
            """Cancels the export; the resulting message is delivered at once, while the worker continues."""
            exports.cancel(export)
            assert process_once(export)

        if not meanwhile(moment, cancel, partial(process_once, export)):
            process_until_finished(export)

        ends.add(now(export).status)
        where = f"before call {moment}"
        if now(export).status == "done":
            exports.assert_whole(export, where)
        else:
            exports.assert_gone(export, where)
    assert ends == {"done", "cancelled"}


def test_f23_cancelled_while_the_worker_dies_nothing_is_left(exports: Exports) -> None:
    """The message of the cancellation is delivered first, and then that of the dead worker again."""
    total = calls_of(lambda: process_once(exports.new()))
    for number in range(1, total + 1):
        export = exports.new()

        def cancel_and_die(call: Call, number: int = number, export: Export = export) -> Any:
            if call.number != number:
                return call.send()
            exports.cancel(export)
            process_once(export)
            call.send()
            raise Crash

        with intercepted(cancel_and_die), suppress(Crash):
            process_once(export)
        assert process_once(export)

        if now(export).status == "done":
            exports.assert_whole(export, str(number))
        else:
            exports.assert_gone(export, str(number))


def test_f23_the_end_and_the_cancel_exclude_each_other(exports: Exports) -> None:
    export = exports.new()
    process_once(export)

    with pytest.raises(ExportFinishedError):
        service.cancel(export.id, by=exports.by, address=ADDRESS)

    exports.assert_whole(export)


def test_f23_an_upload_that_was_removed_begins_again(exports: Exports) -> None:
    """The bucket's rule removes it after a day, in which the export was in the dead-letter queue."""
    export = exports.new()
    with intercepted(crash_after(9)), suppress(Crash):
        process_once(export)
    half = now(export)
    assert half.upload_id is not None
    assert len(half.parts) > 0
    worker.files.abort_upload(half, half.upload_id)

    process_until_finished(export)

    exports.assert_whole(export)
