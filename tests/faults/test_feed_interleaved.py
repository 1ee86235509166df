"""Writers of the feed that run at once: in between calls of one, others write, crash, take long or get no answer."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from itertools import chain
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oms.core import clock
from oms.core.dynamodb import get_item
from oms.core.errors import UnavailableError
from oms.core.settings import settings as oms_settings
from oms.events.envelope import PublishedEvent
from oms.feed import models, retention, service
from oms.feed.models import EMPTY, Day, FeedRow, Head
from oms.feed.service import LATEST
from tests.support.aws_calls import Call, intercepted
from tests.support.database import table
from tests.support.examples import examples
from tests.support.faults import Crash, timed_out
from tests.support.feed import an_event, ids

type TimeMachine = Callable[[timedelta], None]

# The queue's visibility time-out: a message of a crashed writer is delivered again after it.
AGAIN = timedelta(minutes=6)
LEASE = timedelta(seconds=61)

pytestmark = pytest.mark.usefixtures("cloud", "no_sleep")


def append(*events: Any) -> int:
    return service.append(PublishedEvent.read(json.dumps(it)) for it in events)


def read_on(position: str | None) -> tuple[list[FeedRow], str | None]:
    """Reads from a position to the end, in small pages."""
    rows: list[FeedRow] = []
    while True:
        page = service.read(after=None, limit=3, position=position, may_see=lambda _: True)
        rows += page.rows
        position = page.position
        if page.ended:
            return rows, position


def ids_of(rows: list[FeedRow]) -> list[str]:
    return [row.event_id for row in rows]


def rows_of_table() -> dict[int, str]:
    """Returns the stored types by position."""
    items = table(oms_settings().events_table).items()
    return {int(it["sk"]["S"]): it["type"]["S"] for it in items if it["kind"]["S"] == "row"}


def head() -> Head:
    found = get_item(Head, Head.key())
    assert found
    return found


class Writers:
    """Writers in one thread. Before and after each call of one, a drawn act takes place, of another writer too."""

    ACTS = (None,) * 8 + ("write", "write", "the same", "read", "latest", "crash", "lose", "late")

    def __init__(self, data: st.DataObject, pass_time: TimeMachine) -> None:
        self.data, self.pass_time = data, pass_time
        self.sent: list[Any] = []
        self.again: list[list[Any]] = []
        self.seen: list[str] = []
        self.position: str | None = None
        self.begun: list[tuple[str | None, list[str], list[str]]] = []
        self.depth = 0
        self.acts = 0

    def write(self, events: list[Any]) -> None:
        """Delivers a batch. If its writer fails, it is delivered again later."""
        self.depth += 1
        try:
            append(*events)
        except (Crash, UnavailableError):
            self.again.append(events)
        finally:
            self.depth -= 1

    def new(self) -> list[Any]:
        events = [an_event() for _ in range(self.data.draw(st.integers(1, 3)))]
        self.sent.append(events)
        return events

    def read(self) -> None:
        depth, self.depth = self.depth, 99
        rows, self.position = read_on(self.position)
        self.seen += [row.event_id for row in rows]
        self.depth = depth

    def readable(self) -> list[str]:
        depth, self.depth = self.depth, 99
        rows, _ = read_on(None)
        self.depth = depth
        return ids_of(rows)

    def begin_after_latest(self) -> None:
        """Keeps the position, and the events that were readable before and after it was looked up."""
        before = self.readable()
        self.depth += 1
        with suppress(Crash, UnavailableError):
            page = service.read(after=LATEST, limit=3, position=None, may_see=lambda _: True)
            assert (page.rows, page.ended) == ([], True)
            self.begun.append((page.position, before, self.readable()))
        self.depth -= 1

    def at_call(self, call: Call) -> Any:
        if self.depth > 3 or self.acts > 30:
            return call.send()
        self.act(self.data.draw(st.sampled_from(self.ACTS)))
        answer = call.send()
        act = self.data.draw(st.sampled_from(self.ACTS))
        if act == "lose":
            raise timed_out(call)
        self.act(act)
        return answer

    def act(self, act: str | None) -> None:
        self.acts += act is not None
        if act == "write":
            self.write(self.new())
        elif act == "the same":
            self.write(self.data.draw(st.sampled_from(self.sent)))
        elif act == "read":
            self.read()
        elif act == "latest":
            self.begin_after_latest()
        elif act == "crash":
            raise Crash
        elif act == "late":
            self.pass_time(LEASE)


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_f13_f27_writers_at_once_leave_each_event_once_and_readers_miss_none(
    time_machine: TimeMachine, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    monkeypatch.setattr(models, "ROWS_PER_BLOCK", 4)
    table(oms_settings().events_table).clear()
    writers = Writers(data, time_machine)

    with intercepted(writers.at_call):
        for _ in range(3):
            writers.write(writers.new())
    while writers.again:
        time_machine(AGAIN)
        append(*writers.again.pop())
        writers.read()
    time_machine(LEASE)
    last = an_event()
    append(last)
    writers.read()

    rows, _ = read_on(None)
    assert sorted(row.event_id for row in rows) == sorted(ids([*chain(*writers.sent), last]))
    assert writers.seen == [row.event_id for row in rows]
    assert sorted(rows_of_table()) == list(range(1, head().position + 1)), "no position is empty"
    assert head().reserved.as_dict() == {}
    for position, before, after in writers.begun:
        seen = ids_of(read_on(position)[0])
        assert set(seen) >= set(ids_of(rows)) - set(after), "an event that was not readable yet is not skipped"
        assert not set(seen) & set(before), "it begins after the newest readable event"


def at_transaction(act: Callable[[], object]) -> Callable[[Call], Any]:
    """Acts once before a transaction is sent."""
    waiting = [act]

    def plan(call: Call) -> Any:
        if call.operation == "TransactWriteItems" and waiting:
            waiting.pop()()
        return call.send()

    return plan


def test_f27_the_positions_of_a_crashed_writer_are_passed_once_another_writes(time_machine: TimeMachine) -> None:
    lost, early, late = ([an_event()] for _ in range(3))

    def crash() -> None:
        raise Crash

    with pytest.raises(Crash), intercepted(at_transaction(crash)):
        append(*lost)
    append(*early)
    assert read_on(None)[0] == [], "it may still be written"

    time_machine(LEASE)
    append(*late)

    assert [row.event_id for row in read_on(None)[0]] == ids(early + late)
    assert rows_of_table()[1] == EMPTY


def test_f27_a_writer_whose_lease_has_ended_writes_at_new_positions(time_machine: TimeMachine) -> None:
    slow, quick = [an_event(), an_event()], [an_event()]

    def another() -> None:
        time_machine(LEASE)
        append(*quick)

    with intercepted(at_transaction(another)):
        assert append(*slow) == 2

    assert [row.event_id for row in read_on(None)[0]] == ids(quick + slow)
    assert [kind == EMPTY for _, kind in sorted(rows_of_table().items())] == [True, True, False, False, False]


@pytest.mark.parametrize("shared", [1, 3])
def test_f14_an_event_of_two_writers_at_once_is_appended_once(shared: int) -> None:
    events = [an_event() for _ in range(3)]

    with intercepted(at_transaction(lambda: append(*events[:shared]))):
        assert append(*events) == 3 - shared

    assert [row.event_id for row in read_on(None)[0]] == ids(events[shared:] + events[:shared])
    assert list(rows_of_table().values()).count(EMPTY) == shared
    assert head().reserved.as_dict() == {}


def test_f27_rows_of_a_day_are_behind_its_first_position(time_machine: TimeMachine) -> None:
    """Of a writer that begins before midnight, and reserves its positions after another that begins after it."""
    midnight = datetime.combine(clock.now().date() + timedelta(days=1), time(), UTC)
    time_machine(midnight - timedelta(seconds=5) - clock.now())
    append(an_event())
    waiting = [timedelta(seconds=10)]

    def plan(call: Call) -> Any:
        if call.operation == "UpdateItem" and waiting:
            by = waiting.pop()
            time_machine(by)
            append(an_event())
            time_machine(-by)
        return call.send()

    with intercepted(plan):
        append(an_event())

    day = get_item(Day, Day.key(midnight.date().isoformat()))
    rows, _ = read_on(None)
    assert day
    assert [retention.written(row) >= midnight for row in rows] == [row.position >= day.position for row in rows]
    assert [row.position for row in rows] == [1, 2, 3]
    assert day.position == 2
