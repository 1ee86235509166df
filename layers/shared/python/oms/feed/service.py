"""The event feed: written by one transaction at a time, read from any place, nothing missed and nothing twice."""

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

KEPT = timedelta(days=90)
# Longer than it is shown, by a day for whole days and one for clocks that differ. So what DynamoDB takes away, which it
# does in any order, is nothing that a reader may come across, and a row that is missing there is one to come.
_STORED = KEPT + timedelta(days=2)
# A row that was not to be seen so long after the one behind it was written is lost: with a table that was restored to a
# moment within a transaction. No transaction takes so long, and no clocks are so far apart.
_SETTLED = timedelta(minutes=10)
# A transaction takes 100 operations and 4 MB: for each event a marker and a row, and beside them head and day.
MOST_AT_ONCE = 49
_MOST_BYTES = 3 * 1024 * 1024
# Seconds in which calls are begun for the batches of one invocation; the last one may take 6 more.
_PATIENCE = 45
_READ_WHEN_FILTERING = 250
# Characters of JSON. Four times that still fits into what Lambda answers, where all of it has to be escaped.
_MOST_SHOWN = 1024 * 1024


def append(events: Iterable[PublishedEvent]) -> int:
    """Writes down the events that are not there yet, each once; how many those were. Raises UnavailableError.

    None that is older than the feed: it may have been there, and its marker is gone, by which it would be known.
    """
    with deadline(_PATIENCE):
        kept = {it.id: it for it in events if not _is_forgotten(it)}.values()
        batches = packed(kept, lambda it: len(it.body.encode()), max_items=MOST_AT_ONCE, max_bytes=_MOST_BYTES)
        return sum(map(_append_in_turn, batches))


def _is_forgotten(event: PublishedEvent) -> bool:
    occurred = occurred_in(event.id)
    return occurred is not None and occurred < clock.now() - KEPT


def _append_in_turn(events: Sequence[PublishedEvent]) -> int:
    """Whoever finds the head moved was overtaken by one who got on: so it is tried again at once, and often. With the
    pauses that are right for an overloaded table, a writer who never pauses would overtake again and again.
    """
    while (written := retrying(lambda: _append(events))) is None:
        pass
    return written


def _append(events: Sequence[PublishedEvent]) -> int | None:
    """One transaction moves the head and puts the rows, on condition that the head is where it was read.

    None if it was not there any more, or another transaction is just moving it, or a restored table was mended first.
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
    ends = int((now + _STORED).timestamp())
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


# What follows is for a table that was restored to a moment within a transaction: it may have any part of it
# (docs/decisions/2026-11-22-readers-wait-at-a-gap.md).


def _lost(markers: Iterable[Marker]) -> set[str]:
    """The events of which there is a marker and, when it should long be there, no row."""
    settled = [marker for marker in markers if _is_settled(marker)]
    rows = batch_get(Row, [Row.key(marker.position) for marker in settled])
    there = {row.event_id for row in rows.values()}
    return {marker.event_id for marker in settled} - there


def _put_lost_day(last: int) -> bool:
    """Whether the day of the last rows was not there, as it is where its first transaction is there in part."""
    rows = batch_get(Row, [Row.key(it) for it in range(max(1, last - MOST_AT_ONCE + 1), last + 1)]).values()
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
    """Moves the head to the rows that are ahead of it, if there are any, and gives them their markers."""
    last = head.position if head else 0
    rows = batch_get(Row, [Row.key(it) for it in range(last + 1, last + 1 + MOST_AT_ONCE)]).values()
    with suppress(ConditionFailedError):  # somebody else is at it
        known = batch_get(Marker, [Marker.key(row.event_id) for row in rows])
        for row in rows:
            key = Marker.key(row.event_id)
            if key not in known:
                put_item(Marker(*key, position=row.position, expires_at=row.expires_at), Marker.pk.does_not_exist())
        if rows:
            put_item(Head(*Head.key(), position=max(row.position for row in rows)), _unmoved(head))


@dataclass(frozen=True)
class Stretch:
    """What a reader is shown of the log. `looked_at` is how far it was read; None where nothing was.

    At the end of what can be seen of the log, it has `ended`: what follows is to be asked for later.
    """

    shown: list[Row]
    looked_at: str | None
    ended: bool


def read(*, after: str | None, limit: int, position: str | None, wanted: Callable[[str], bool]) -> Stretch:
    """The log, oldest first: after a `position`, or after the event `after`, or from its beginning.

    `wanted` tells by its type whether a row is shown: much may not be, so if there is room left it reads on, once.
    Raises NotFoundError, GoneError, and InvalidRequestError for a position that is none.
    """
    if position is not None:
        rows, onward = _rows_after(position, limit)
    elif after is not None:
        rows, onward = _rows_after_event(after, limit)
    else:
        first = _beginning()
        rows, onward = _rows_from(first, limit) if first else ([], None)
    if onward and len(rows) == limit and not all(wanted(row.type) for row in rows):
        more, onward = _rows_from(onward, _READ_WHEN_FILTERING)
        rows += more
    shown: list[Row] = []
    looked_at, size = position, 0
    for row in rows:
        if wanted(row.type):
            size += len(row.body)
            if len(shown) == limit or (shown and size > _MOST_SHOWN):
                return Stretch(shown, looked_at, ended=False)
            shown.append(row)
        looked_at = row.sk
    return Stretch(shown, looked_at, ended=onward is None)


def _rows_after(place: str, most: int) -> tuple[list[Row], int | None]:
    """As `_rows_from`, after the row at `place`: while that one is kept, nothing behind it has expired."""
    if not re.fullmatch(r"[0-9]{12}", place):
        raise InvalidRequestError.at("is not a cursor of this list", parameter="cursor")
    rows, onward = _rows_from(int(place), most + 1)
    if not rows or rows[0].sk != place or not _is_kept(rows[0]):
        raise _gone()
    return _after_first(rows, onward, most)


def _rows_after_event(event_id: str, most: int) -> tuple[list[Row], int | None]:
    """As `_rows_from`. Where the event's row is lost, another may have its place, and comes after it too."""
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
    """At most so many rows of one partition, and where to go on; None where nothing after them is to be seen yet.

    A Query is not isolated from the transaction that it meets: it may have a row and not the one before it, which
    shows up in a moment (docs/decisions/2026-11-22-readers-wait-at-a-gap.md). So there the log ends for now.
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
    """Where the partition after this one begins, if the last rows of this one, from `position` on, are lost.

    No more than one transaction's can be. So a reader at the end of the log rarely has to look.
    """
    end = Row.end_of_partition(position)
    following = table_page(Row, Row.key(end)[0], KeyRange(1)).items if end - position <= MOST_AT_ONCE else []
    return end if following and _is_settled(following[0]) else None


def find(event_id: str) -> Marker:
    """Where an event stands. Raises GoneError for one that has expired, NotFoundError for one that is not there."""
    occurred = occurred_in(event_id)
    marker = get_item(Marker, Marker.key(event_id)) if occurred else None
    if marker and _is_kept(marker):
        return marker
    if marker or (occurred and occurred < _kept_since()):
        raise _gone()
    raise _not_there()


def get(event_id: str, *, wanted: Callable[[str], bool]) -> Row:
    """Raises GoneError, NotFoundError; the latter too where its type is not `wanted`."""
    row = get_item(Row, Row.key(find(event_id).position))
    if row is None or row.event_id != event_id or not wanted(row.type):
        raise _not_there()
    return row


def _beginning() -> int | None:
    """The position of the first row that is kept; None if there is none yet.

    Not the head's then, which is read in another moment: it may have moved over rows that nobody has seen.
    """
    days = table_page(Day, Day.key("")[0], KeyRange(1, low=_kept_since().date().isoformat())).items
    return days[0].position if days else None


def _kept_since() -> datetime:
    """Whole days are kept, as that is how the beginning is found."""
    return clock.midnight(clock.now() - KEPT)


def _is_kept(it: Row | Marker) -> bool:
    return _written(it) >= _kept_since()


def _is_settled(it: Row | Marker) -> bool:
    return _written(it) <= clock.now() - _SETTLED


def _written(it: Row | Marker) -> datetime:
    return clock.from_seconds(it.expires_at) - _STORED


def _gone() -> GoneError:
    return GoneError(f"Events are kept for {KEPT.days} days.")


def _not_there() -> NotFoundError:
    return NotFoundError("There is no such event, or it is not in the feed yet.")
