"""The event feed: written by one transaction at a time, read from any place, nothing missed and nothing twice."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from pynamodb.exceptions import TransactWriteError

from oms import clock
from oms.dynamodb import batch_get, failed, get_item, retrying, transaction
from oms.errors import GoneError, NotFoundError, UnavailableError
from oms.events import occurred_in
from oms.feed.models import Day, Head, Marker, Row
from oms.pages import Page, Range, table_page

KEPT = timedelta(days=90)
# A transaction takes 100 operations and 4 MB: for each event a marker and a row, and beside them head and day.
MOST_AT_ONCE = 49
_MOST_BYTES = 3 * 1024 * 1024
# Seconds in which a batch is begun anew; with the calls of the last time it ends before its function does.
_PATIENCE = 40


@dataclass(frozen=True)
class Entry:
    """An event to be written down: its JSON, and of that what the log is searched by."""

    id: str
    type: str
    body: str

    @classmethod
    def of(cls, body: str) -> Self:
        """Raises ValueError, LookupError or TypeError for what is no event."""
        content = json.loads(body)
        if occurred_in(content["id"]) is None or not isinstance(content["type"], str):
            raise ValueError("an event has an id that begins with its time, and a type")
        return cls(content["id"], content["type"], body)

    @property
    def is_forgotten(self) -> bool:
        occurred = occurred_in(self.id)
        return occurred is not None and occurred < clock.now() - KEPT


def append(entries: Iterable[Entry]) -> int:
    """Writes down the events that are not there yet, each once; how many those were. Raises UnavailableError.

    None that is older than the feed: it may have been there, and its marker is gone, by which it would be known.
    """
    return sum(_append_in_turn(batch) for batch in _batches(it for it in entries if not it.is_forgotten))


def _append_in_turn(entries: Sequence[Entry]) -> int:
    """Whoever finds the head moved was overtaken by one who got on: so it is tried again at once, and often. With the
    pauses that are right for an overloaded table, a writer who never pauses would overtake again and again.
    """
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        written = retrying(lambda: _append(entries))
        if written is not None:
            return written
    raise UnavailableError


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    size = 0
    for entry in {it.id: it for it in entries}.values():
        length = len(entry.body.encode())
        if batch and (len(batch) == MOST_AT_ONCE or size + length > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += length
    if batch:
        yield batch


def _append(entries: Sequence[Entry]) -> int | None:
    """One transaction moves the head and puts the rows, on condition that the head is where it was read.

    None if it was not there any more.
    """
    now = clock.now()
    today = now.date().isoformat()
    known = batch_get(Marker, [Marker.key(entry.id) for entry in entries])
    new = [entry for entry in entries if Marker.key(entry.id) not in known]
    if not new:
        return 0
    head, day = get_item(Head, Head.key()), get_item(Day, Day.key(today))
    last = head.position if head else 0
    ends = int((now + KEPT).timestamp())
    try:
        with transaction() as write:
            unmoved = Head.position == last if head else Head.pk.does_not_exist()
            write.save(Head(*Head.key(), position=last + len(new)), condition=unmoved)
            if day is None:
                write.save(Day(*Day.key(today), position=last + 1, expires_at=ends), condition=Day.pk.does_not_exist())
            for position, entry in enumerate(new, last + 1):
                marker = Marker(*Marker.key(entry.id), position=position, expires_at=ends)
                write.save(marker, condition=Marker.pk.does_not_exist())
                row = Row(*Row.key(position), event_id=entry.id, type=entry.type, body=entry.body, expires_at=ends)
                write.save(row, condition=Row.pk.does_not_exist())
    except TransactWriteError as error:
        if any(failed(reason) for reason in error.cancellation_reasons):
            return None
        raise
    return len(new)


def read(*, after: str | None, limit: int, position: str | None, wanted: Callable[[str], bool]) -> Page[Row]:
    """A page of the log, oldest first: from `position` on, or after the event `after`, or from its beginning.

    `wanted` tells by its type whether a row is shown; a page may be short, even empty. Raises NotFoundError, GoneError.
    """
    if position is not None:
        last = int(position)
    elif after is not None:
        last = find(after).position
    else:
        last = _beginning(clock.now())
    rows, ended = _rows_after(last, limit)
    shown = [(row.sk, row) for row in rows if wanted(row.type)]
    return Page(shown, None if ended else rows[-1].sk)


def _rows_after(last: int, limit: int) -> tuple[list[Row], bool]:
    """The next rows, and whether there are none after them. The log has no gaps, so a short partition is the end."""
    rows: list[Row] = []
    while True:
        partition, low = Row.key(last + 1)
        page = table_page(Row, partition, Range(limit - len(rows), low=low))
        rows += page.items
        last = rows[-1].position if rows else last
        is_full = Row.key(last + 1)[0] != partition
        if page.position is None and not is_full:
            return rows, True
        if len(rows) == limit:
            return rows, False


def find(event_id: str) -> Marker:
    """Where an event stands. Raises GoneError for one that has expired, NotFoundError for one that is not there."""
    occurred = occurred_in(event_id)
    if occurred is not None and occurred < clock.now() - KEPT:
        raise GoneError(f"Events are kept for {KEPT.days} days.")
    marker = get_item(Marker, Marker.key(event_id)) if occurred else None
    if marker is None:
        raise _not_there()
    return marker


def _not_there() -> NotFoundError:
    return NotFoundError("There is no such event, or it is not in the feed yet.")


def get(event_id: str, *, wanted: Callable[[str], bool]) -> Row:
    """Raises GoneError, NotFoundError; the latter too where its type is not `wanted`."""
    row = get_item(Row, Row.key(find(event_id).position))
    if row is None:
        raise GoneError(f"Events are kept for {KEPT.days} days.")
    if not wanted(row.type):
        raise _not_there()
    return row


def _beginning(now: datetime) -> int:
    """The position before the first row that is kept."""
    first = (now - KEPT).date().isoformat()
    days = table_page(Day, Day.key("")[0], Range(1, low=first)).items
    return days[0].position - 1 if days else 0
