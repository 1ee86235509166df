"""A feed whose table was restored to a time within a transaction, and so has a part of that transaction."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest

from oms.core.dynamodb import client
from oms.core.settings import settings
from oms.events.envelope import PublishedEvent
from oms.feed import models, service
from oms.feed.models import FeedRow, Marker
from tests.support.aws_calls import intercepted
from tests.support.database import table
from tests.support.feed import an_event, ids

type Items = dict[tuple[str, str], dict[str, Any]]
# After this time no reader waits for a row; no restore of a table is faster.
SETTLED = timedelta(minutes=11)
type TimeMachine = Callable[[timedelta], None]

pytestmark = pytest.mark.usefixtures("cloud")


def append(*events: Any) -> int:
    return service.append(PublishedEvent.read(json.dumps(it)) for it in events)


def stored() -> Items:
    raw = table(settings().events_table).items()
    return {(it["pk"]["S"], it["sk"]["S"]): it for it in raw}


def restore(items: Items) -> None:
    table(settings().events_table).clear()
    for item in items.values():
        client().put_item(TableName=settings().events_table, Item=item)


def restored(before: Items, after: Items) -> Iterator[tuple[str, Items]]:
    """Yields each possible state of a table between the two, with the part of the later one that it has."""
    moved = [key for key, item in after.items() if before.get(key) != item]
    for number in range(len(moved) + 1):
        for there in combinations(moved, number):
            yield str(there), before | {key: after[key] for key in there}


def read(after: str | None = None) -> list[FeedRow]:
    """Reads from that position to the end, in small pages."""
    rows: list[FeedRow] = []
    position = None
    for _ in range(50):
        page = service.read(after=after, limit=3, position=position, may_see=lambda _: True)
        rows += page.rows
        position = page.position
        if page.ended:
            return rows
    raise AssertionError("the feed does not end")


@pytest.mark.parametrize(
    ("earlier", "partition", "later", "again_first"),
    [
        (0, 4, timedelta(days=1), True),
        (0, 10_000, SETTLED, False),
        (2, 4, SETTLED, False),
    ],
)
def test_f27_a_partly_restored_transaction_blocks_no_reader_or_writer(
    time_machine: TimeMachine,
    monkeypatch: pytest.MonkeyPatch,
    earlier: int,
    partition: int,
    later: timedelta,
    again_first: bool,
) -> None:
    """For each part of the head, the day, the markers and the rows, and for each later event."""
    monkeypatch.setattr(models, "ROWS_PER_BLOCK", partition)
    monkeypatch.setattr(service, "_LOOK_BEYOND_SHARE", 1)
    old, torn, new = ([an_event() for _ in range(number)] for number in (earlier, 2, 1))
    append(*old)
    before = stored()
    append(*torn)
    states = list(restored(before, stored()))
    time_machine(later)

    for state, items in states:
        restore(items)
        with intercepted() as calls:
            append(*(torn if again_first else new))
            append(*(new if again_first else torn))
        time_machine(SETTLED)

        assert len(calls) < 40, state
        seen = [row.event_id for row in read()]
        assert set(seen) == set(ids(old + torn + new)), state
        for event in ids(old + torn + new):
            assert service.get(event, may_see=lambda _: True).event_id == event, state
            assert [row.event_id for row in read(event)] == seen[len(seen) - seen[::-1].index(event) :], state
            assert seen.count(event) == 1 or has_a_row_alone(items, event), state
        assert append(*old, *torn, *new) == 0, "all of it is known now"
        time_machine(-SETTLED)


def has_a_row_alone(items: Items, event: str) -> bool:
    """Whether a row alone is there, by which a repeated event cannot be recognized."""
    rows = [it["event_id"]["S"] for (partition, _), it in items.items() if partition.startswith("rows#")]
    return event in rows and Marker.key(event) not in items
