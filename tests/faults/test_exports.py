"""F23: an export is cut off anywhere, resumed, worked on by two, cancelled. The same bytes, and no upload is left."""

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
    look,
    look_until_it_is_done_with,
    now,
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
    """Exports of the same orders, so that each is to have the same bytes."""

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
        # What compresses gathers more than that before it gives something out.
        an_order({"name": random_id(12_000 if request.param == "xlsx" else 400)})
    made = Exports(manager, request.param)
    first = made.new()
    look_until_it_is_done_with(first)
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
    """Before each call of a worker, by its number; the one after the last is after all of them."""
    total = calls_of(lambda: look(exports.new()))
    assert total > 15
    return range(1, total + 2)


def test_f23_cut_off_at_any_call_and_brought_again_the_file_is_the_same(exports: Exports) -> None:
    """Before a call is after the one before: what the process knew of its answer is gone either way."""
    for moment in moments_of(exports):
        export = exports.new()

        with intercepted(crash_before(moment)), suppress(Crash):
            look(export)
        look_until_it_is_done_with(export)

        exports.assert_whole(export, f"before call {moment}")


def test_f23_cut_off_twice_the_file_is_the_same(exports: Exports) -> None:
    """The second time at a call that depends on where the first was: with the seed that is said."""
    seed = random.randrange(10**6)
    draw = random.Random(seed)
    total = calls_of(lambda: look(exports.new()))
    for _ in range(15):
        export = exports.new()
        places = [draw.choice((crash_before, crash_after))(draw.randint(1, total)) for _ in range(2)]
        for plan in places:
            with intercepted(plan), suppress(Crash):
                look(export)
        look_until_it_is_done_with(export)
        exports.assert_whole(export, f"seed {seed}")


def test_f23_with_time_for_a_few_orders_at_once_the_file_is_the_same(exports: Exports) -> None:
    seed = random.randrange(10**6)
    draw = random.Random(seed)
    for _ in range(10):
        export = exports.new()
        for _ in range(50):
            patience = iter(range(draw.randint(3, 8)))
            with suppress(worker.OutOfTimeError):
                worker.work(export.id, sources=SOURCES, has_time=lambda left=patience: next(left, None) is not None)
            if now(export).status == "done":
                break
        handed_on()
        exports.assert_whole(export, f"seed {seed}")


@pytest.mark.parametrize("compressed", [False, True])
def test_f23_where_few_orders_are_wanted_and_time_is_short_the_file_is_the_same(
    exports: Exports, compressed: bool
) -> None:
    seed = random.randrange(10**6)
    draw = random.Random(seed)
    orders = set()
    for _ in range(12):
        orders.add(an_order({"name": random_id(draw.choice((20, 20_000)))}, status="confirmed").created_key)
        for _ in range(draw.randint(0, 12)):
            an_order()
    wanted = {"status": "confirmed", "gzip": compressed and exports.format == "csv"}
    whole = exports.new(**wanted)
    look_until_it_is_done_with(whole)
    exports.expected = content(whole) or b""
    stops = set()

    for _ in range(8):
        export = exports.new(**wanted)
        for _ in range(100):
            patience = iter(range(draw.randint(2, 40)))
            with suppress(worker.OutOfTimeError):
                worker.work(export.id, sources=SOURCES, has_time=lambda left=patience: next(left, None) is not None)
            if now(export).status == "done":
                break
            if not now(export).ended:
                stops.add(now(export).position)
        handed_on()
        exports.assert_whole(export, f"seed {seed}")

    assert stops - orders - {None}, f"seed {seed}: it went on behind orders that are left out"


def meanwhile(moment: int, interfere: Callable[[], object], act: Callable[[], bool]) -> bool:
    with intercepted(between(moment, interfere, after=False)) as made:
        done = act()
        if len(made) < moment:
            interfere()
    return done


def test_f23_a_second_worker_comes_at_any_moment_and_the_file_is_the_same(exports: Exports) -> None:
    for moment in moments_of(exports):
        export = exports.new()

        if not meanwhile(moment, partial(look, export), partial(look, export)):
            look_until_it_is_done_with(export)

        exports.assert_whole(export, f"before call {moment}")


def test_f23_two_workers_take_turns_and_the_file_is_the_same(exports: Exports) -> None:
    """The second is cut off by its time in the middle, or dies there, and the first goes on believing itself alone."""
    for moment in moments_of(exports):
        export = exports.new()
        orders = 3 * (moment % 2)  # enough for a part, or for none

        def interfere(export: Export = export, orders: int = orders) -> None:
            left = iter(range(orders))
            with suppress(worker.OutOfTimeError):
                worker.work(export.id, sources=SOURCES, has_time=lambda: next(left, None) is not None)

        meanwhile(moment, interfere, partial(look, export))
        handed_on()
        look_until_it_is_done_with(export)  # the message of whichever is left

        exports.assert_whole(export, f"before call {moment}, for {orders} orders")


def test_f23_cancelled_at_any_moment_it_is_done_or_nothing_is_left(exports: Exports) -> None:
    ends = set()
    for moment in moments_of(exports):
        export = exports.new()

        def cancel(export: Export = export) -> None:
            """And the message that this makes comes at once, while the worker goes on."""
            exports.cancel(export)
            assert look(export)

        if not meanwhile(moment, cancel, partial(look, export)):
            look_until_it_is_done_with(export)

        ends.add(now(export).status)
        where = f"before call {moment}"
        if now(export).status == "done":
            exports.assert_whole(export, where)
        else:
            exports.assert_gone(export, where)
    assert ends == {"done", "cancelled"}


def test_f23_cancelled_while_the_worker_dies_nothing_is_left(exports: Exports) -> None:
    """The cancel's own message was the first to come; the dead worker's comes again."""
    total = calls_of(lambda: look(exports.new()))
    for number in range(1, total + 1):
        export = exports.new()

        def cancel_and_die(call: Call, number: int = number, export: Export = export) -> Any:
            if call.number != number:
                return call.send()
            exports.cancel(export)
            look(export)
            call.send()
            raise Crash

        with intercepted(cancel_and_die), suppress(Crash):
            look(export)
        assert look(export)

        if now(export).status == "done":
            exports.assert_whole(export, str(number))
        else:
            exports.assert_gone(export, str(number))


def test_f23_the_end_and_the_cancel_exclude_each_other(exports: Exports) -> None:
    export = exports.new()
    look(export)

    with pytest.raises(ExportFinishedError):
        service.cancel(export.id, by=exports.by, address=ADDRESS)

    exports.assert_whole(export)


def test_f23_an_upload_that_was_taken_away_is_begun_anew(exports: Exports) -> None:
    """As the bucket's rule does after a day, in which the export waited in the dead-letter queue."""
    export = exports.new()
    with intercepted(crash_after(9)), suppress(Crash):
        look(export)
    half = now(export)
    assert half.upload_id is not None
    assert len(half.parts) > 0
    worker.files.abort_upload(half, half.upload_id)

    look_until_it_is_done_with(export)

    exports.assert_whole(export)
