"""The event feed: appends each event once, one transaction at a time, and reads from any position without gaps."""

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from pynamodb.expressions.condition import Condition

from oms.core import clock
from oms.core.batches import packed
from oms.core.dynamodb import (
    ConditionFailedError,
    batch_get,
    deadline,
    get_item,
    put_item,
    retrying,
)
from oms.core.errors import GoneError, InvalidRequestError, NotFoundError
from oms.core.pages import KeyRange, table_page
from oms.core.transactions import TransactionError, transaction
from oms.events.envelope import PublishedEvent, occurred_in
from oms.feed.models import Day, Head, Marker, Row

RETENTION = timedelta(days=90)
# Rows are stored for two days longer than they can be read: one for whole days, one for clocks that differ. DynamoDB
# deletes expired rows in any order, so a missing row within the 90 days is never an expired one.
_STORED_FOR = RETENTION + timedelta(days=2)
# A row that is missing this long after the row behind it was written is lost: the table was restored to a time within
# a transaction. No transaction takes this long, and no clocks differ by this much.
_SETTLED_AFTER = timedelta(minutes=10)
# A transaction takes 100 operations and 4 MB: a marker and a row for each event, the head and the day.
MAX_EVENTS = 49
_MAX_BYTES = 3 * 1024 * 1024
# No call of an invocation starts later than this; the last one may take 6 s more.
_DEADLINE_SECONDS = 45
_ROWS_WHEN_FILTERING = 250
# Characters of JSON: a fourth of a Lambda response, since each may have to be escaped.
_MAX_PAGE_CHARACTERS = 1024 * 1024


def append(events: Iterable[PublishedEvent]) -> int:
    """Appends the events that the feed does not have yet; returns their number. Raises UnavailableError.

    Events older than the feed's retention are left out, since their markers may have expired.
    """
    with deadline(_DEADLINE_SECONDS):
        kept = {it.id: it for it in events if not _is_forgotten(it)}.values()
        batches = packed(kept, lambda it: len(it.body.encode()), max_items=MAX_EVENTS, max_bytes=_MAX_BYTES)
        return sum(map(_append_in_turn, batches))


def _is_forgotten(event: PublishedEvent) -> bool:
    occurred = occurred_in(event.id)
    return occurred is not None and occurred < clock.now() - RETENTION


def _append_in_turn(events: Sequence[PublishedEvent]) -> int:
    """Retries a conflict at once, since another writer has succeeded. A writer that paused after each conflict, as for
    an overloaded table, could lose every time to one that does not pause.
    """
    while (written := retrying(lambda: _append(events))) is None:
        pass
    return written


def _append(events: Sequence[PublishedEvent]) -> int | None:
    """Appends the events in one transaction, on the condition that the head has not moved.

    Returns None if it has moved or is just moving, or if a restored table was repaired first.
    """
    now = clock.now()
    known = batch_get(Marker, [Marker.key(event.id) for event in events])
    lost = _lost(known.values())
    new = [event for event in events if Marker.key(event.id) not in known or event.id in lost]
    if not new:
        return 0
    head, day = get_item(Head, Head.key()), get_item(Day, Day.key(now.date().isoformat()))
    last = head.position if head else 0
    if day is None and _put_lost_day(last):
        return None
    ends = int((now + _STORED_FOR).timestamp())
    moved = Head(*Head.key(), position=last + len(new))
    try:
        with transaction() as write:
            write.save(moved, condition=_unmoved(head))
            if day is None:
                day = Day(*Day.key(now.date().isoformat()), position=last + 1, expires_at=ends)
                write.save(day, condition=Day.pk.does_not_exist())
            for position, event in enumerate(new, last + 1):
                marker = Marker(*Marker.key(event.id), position=position, expires_at=ends)
                seen = known.get(Marker.key(event.id))
                write.save(marker, condition=Marker.position == seen.position if seen else Marker.pk.does_not_exist())
                row = Row(*Row.key(position), event_id=event.id, type=event.type, body=event.body, expires_at=ends)
                write.save(row, condition=Row.pk.does_not_exist())
    except TransactionError as error:
        if not (error.any_failed or error.any_conflicted):
            raise
        if not error.has_reason(moved):
            _catch_up(head)
        return None
    return len(new)


def _unmoved(head: Head | None) -> Condition:
    return Head.position == head.position if head else Head.pk.does_not_exist()


# The next functions are for a table that was restored to a time within a transaction, and may have any part of it:
# docs/decisions/2026-11-30-the-feed-repairs-a-restored-table.md.


def _lost(markers: Iterable[Marker]) -> set[str]:
    """The ids of the events that have a settled marker and no row."""
    settled = [marker for marker in markers if _is_settled(marker)]
    rows = batch_get(Row, [Row.key(marker.position) for marker in settled])
    there = {row.event_id for row in rows.values()}
    return {marker.event_id for marker in settled} - there


def _put_lost_day(last: int) -> bool:
    """Stores the day of the last rows if the restored table lacks it; returns whether it did."""
    rows = batch_get(Row, [Row.key(it) for it in range(max(1, last - MAX_EVENTS + 1), last + 1)]).values()
    if not rows:
        return False
    written = _written(max(rows, key=lambda row: row.position)).date()
    if get_item(Day, Day.key(written.isoformat())):
        return False
    first = min((row for row in rows if _written(row).date() == written), key=lambda row: row.position)
    with suppress(ConditionFailedError):
        day = Day(*Day.key(written.isoformat()), position=first.position, expires_at=first.expires_at)
        put_item(day, Day.pk.does_not_exist())
    return True


def _catch_up(head: Head | None) -> None:
    """Moves the head to the last of the rows ahead of it, if there are any, and stores their missing markers."""
    last = head.position if head else 0
    rows = batch_get(Row, [Row.key(it) for it in range(last + 1, last + 1 + MAX_EVENTS)]).values()
    with suppress(ConditionFailedError):  # another writer repairs it
        known = batch_get(Marker, [Marker.key(row.event_id) for row in rows])
        for row in rows:
            key = Marker.key(row.event_id)
            if key not in known:
                put_item(Marker(*key, position=row.position, expires_at=row.expires_at), Marker.pk.does_not_exist())
        if rows:
            put_item(Head(*Head.key(), position=max(row.position for row in rows)), _unmoved(head))


@dataclass(frozen=True)
class FeedPage:
    """A page of the feed. `position`: of the last row that was examined, also if filtered out; None if none was.

    `ended`: no later row can be read yet.
    """

    rows: list[Row]
    position: str | None
    ended: bool


def read(*, after: str | None, limit: int, position: str | None, may_see: Callable[[str], bool]) -> FeedPage:
    """The events, oldest first: after a `position`, after the event `after`, or from the first that is kept.

    `may_see` filters by event type. If it leaves out rows of the page, a second, longer read fills the page. Raises
    NotFoundError, GoneError, and InvalidRequestError for an invalid position.
    """
    if position is not None:
        rows, onward = _rows_after(position, limit)
    elif after is not None:
        rows, onward = _rows_after_event(after, limit)
    else:
        first = _beginning()
        rows, onward = _rows_from(first, limit) if first else ([], None)
    if onward and len(rows) == limit and not all(may_see(row.type) for row in rows):
        more, onward = _rows_from(onward, _ROWS_WHEN_FILTERING)
        rows += more
    shown: list[Row] = []
    examined, size = position, 0
    for row in rows:
        if may_see(row.type):
            size += len(row.body)
            if len(shown) == limit or (shown and size > _MAX_PAGE_CHARACTERS):
                return FeedPage(shown, examined, ended=False)
            shown.append(row)
        examined = row.sk
    return FeedPage(shown, examined, ended=onward is None)


def _rows_after(place: str, most: int) -> tuple[list[Row], int | None]:
    """As `_rows_from`, after the row at `place`. While that row is kept, no later row has expired."""
    if not re.fullmatch(r"[0-9]{12}", place):
        raise InvalidRequestError.at("is not a cursor of this list", parameter="cursor")
    rows, onward = _rows_from(int(place), most + 1)
    if not rows or rows[0].sk != place or not _is_kept(rows[0]):
        raise _gone()
    return _after_first(rows, onward, most)


def _rows_after_event(event_id: str, most: int) -> tuple[list[Row], int | None]:
    """As `_rows_from`, after the event's row. If that row is lost, a row at its position is returned too."""
    place = find(event_id).position
    rows, onward = _rows_from(place, most + 1)
    if rows and rows[0].event_id == event_id:
        return _after_first(rows, onward, most)
    return (rows, onward) if len(rows) <= most else (rows[:most], rows[most].position)


def _after_first(rows: list[Row], onward: int | None, most: int) -> tuple[list[Row], int | None]:
    if len(rows) == 1 and onward is not None:  # the last of its partition
        return _rows_from(onward, most)
    return rows[1:], onward


def _rows_from(first: int, most: int) -> tuple[list[Row], int | None]:
    """At most `most` rows of one partition, and the position after them; None if no later row can be read yet.

    A Query is not isolated from a running transaction: it may return a row without the row before it. So the page ends
    at a gap, until its row appears (docs/decisions/2026-11-22-readers-wait-at-a-gap.md).
    """
    partition, low = Row.key(first)
    page = table_page(Row, partition, KeyRange(most, low=low))
    rows: list[Row] = []
    following = first
    for row in page.items:
        if row.position != following and not _is_settled(row):
            return rows, None
        rows.append(row)
        following = row.position + 1
    if rows and (page.position is not None or Row.key(following)[0] != partition):
        return rows, following
    beyond = _beyond_lost_end(following)
    return (rows, beyond) if rows or beyond is None else _rows_from(beyond, most)


def _beyond_lost_end(position: int) -> int | None:
    """The first position of the next partition, if the last rows of this one, from `position` on, are lost.

    At most the rows of one transaction can be lost. So a reader at the end of the log rarely reads the next partition.
    """
    end = Row.end_of_partition(position)
    following = table_page(Row, Row.key(end)[0], KeyRange(1)).items if end - position <= MAX_EVENTS else []
    return end if following and _is_settled(following[0]) else None


def find(event_id: str) -> Marker:
    """The marker of an event, with its position. Raises GoneError for an expired event, else NotFoundError."""
    occurred = occurred_in(event_id)
    marker = get_item(Marker, Marker.key(event_id)) if occurred else None
    if marker and _is_kept(marker):
        return marker
    if marker or (occurred and occurred < _kept_since()):
        raise _gone()
    raise _not_there()


def get(event_id: str, *, may_see: Callable[[str], bool]) -> Row:
    """Raises GoneError, NotFoundError; also NotFoundError if the caller may not see its type."""
    row = get_item(Row, Row.key(find(event_id).position))
    if row is None or row.event_id != event_id or not may_see(row.type):
        raise _not_there()
    return row


def _beginning() -> int | None:
    """The position of the first row that is kept; None if there is none yet.

    The head is no substitute: it is read at another time, and may have moved past rows that were not read.
    """
    days = table_page(Day, Day.key("")[0], KeyRange(1, low=_kept_since().date().isoformat())).items
    return days[0].position if days else None


def _kept_since() -> datetime:
    """The start of the first day that can be read. Whole days are kept, since the first row is found by its day."""
    return clock.midnight(clock.now() - RETENTION)


def _is_kept(it: Row | Marker) -> bool:
    return _written(it) >= _kept_since()


def _is_settled(it: Row | Marker) -> bool:
    return _written(it) <= clock.now() - _SETTLED_AFTER


def _written(it: Row | Marker) -> datetime:
    return clock.from_seconds(it.expires_at) - _STORED_FOR


def _gone() -> GoneError:
    return GoneError(f"Events are kept for {RETENTION.days} days.")


def _not_there() -> NotFoundError:
    return NotFoundError("Event not found, or not in the feed yet.")
