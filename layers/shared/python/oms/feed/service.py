"""The event feed: appends each event once, at reserved positions, and reads from any position without gaps."""

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from oms.core import clock
from oms.core.batches import packed
from oms.core.dynamodb import batch_get, get_item
from oms.core.errors import GoneError, InvalidRequestError, NotFoundError
from oms.core.pages import KeyRange, table_page
from oms.core.retries import deadline, retrying
from oms.core.transactions import TransactionError, transaction
from oms.events.envelope import PublishedEvent, occurred_in
from oms.feed.models import EMPTY, MAX_EVENTS, Day, FeedItem, FeedRow, Marker, end_of_block, rows_at, start_of_block
from oms.feed.reservations import Reservation, catch_up, read_head, release, reserve, store_day
from oms.feed.retention import RETENTION, expiry, is_kept, is_settled, kept_since

# A transaction has at most 4 MB.
_MAX_BYTES = 3 * 1024 * 1024
# No call of an invocation starts later than this; the last one may take 6 s more.
_DEADLINE_SECONDS = 45
_ROWS_WHEN_FILTERING = 250
_LOOK_BEYOND_SHARE = 1 / 16
# As `after`: begin after the newest event. No id of an event has its form.
LATEST = "latest"
_ROWS_AFTER_LATEST = 100
# Characters of JSON: a fourth of a Lambda response, since each may have to be escaped.
_MAX_PAGE_CHARACTERS = 1024 * 1024


def append(events: Iterable[PublishedEvent]) -> int:
    """Appends the events that the feed does not have yet; returns their number. Raises UnavailableError.

    Events older than the feed's retention are left out, since their markers may have expired.
    """
    with deadline(_DEADLINE_SECONDS):
        kept = {it.id: it for it in events if not _is_expired(it)}.values()
        batches = packed(kept, lambda it: len(it.body.encode()), max_items=MAX_EVENTS, max_bytes=_MAX_BYTES)
        return sum(_Append(batch).run() for batch in batches)


def _is_expired(event: PublishedEvent) -> bool:
    occurred = occurred_in(event.id)
    return occurred is not None and occurred < clock.now() - RETENTION


@dataclass
class _Append:
    """Appends events in one transaction, at positions that are reserved once for all attempts."""

    events: Sequence[PublishedEvent]
    reservation: Reservation | None = None

    def run(self) -> int:
        """Returns the number of events that it has appended. Repeats a conflict immediately: another writer succeeded.

        Throttling is retried until the deadline.
        """
        while (appended := retrying(self._attempt, until_deadline=True)) is None:
            pass
        return appended

    def _attempt(self) -> int | None:
        """Returns None if another writer was faster, or if a restored table was repaired first."""
        known, has_day = self._known()
        lost = _lost(known.values())
        new = [event for event in self.events if event.id not in known or event.id in lost]
        if self.reservation is None:
            if not new:
                return 0
            self.reservation = reserve(len(new))
        ours = {marker.position for marker in known.values()}.intersection(self.reservation.positions)
        free = [position for position in self.reservation.positions if position not in ours]
        if not has_day:
            store_day(self.reservation.day, self.reservation.first)
        if len(free) < len(new):  # the head of a restored table was behind these events
            self._reserve_again(self.reservation)
            return None
        if free and not self._write(new, known, free, self.reservation):
            return None
        # After a lost answer, a marker may be visible before its row. Then another writer removes the reservation.
        if rows_at(ours).keys() >= ours:
            release(self.reservation.name)
        return len(ours) + len(new)

    def _known(self) -> tuple[dict[str, Marker], bool]:
        """Returns the markers of the events by their ids, and whether the day is stored, by one call."""
        day = Day.key(self.reservation.day if self.reservation else clock.now().date().isoformat())
        found = batch_get(FeedItem, [day, *(Marker.key(event.id) for event in self.events)])
        return {it.event_id: it for it in found.values() if isinstance(it, Marker)}, day in found

    def _write(
        self, new: Sequence[PublishedEvent], known: Mapping[str, Marker], free: Sequence[int], reserved: Reservation
    ) -> bool:
        """Stores the events and their markers, and empty rows at other positions. Returns False after a conflict."""
        ends = expiry(reserved.written)
        rows = [
            FeedRow(*FeedRow.key(position), event_id=it.id, type=it.type, body=it.body, expires_at=ends)
            for position, it in zip(free, new, strict=False)
        ]
        rows += [FeedRow.empty(position, ends) for position in free[len(new) :]]
        try:
            with transaction() as write:
                for row, event in zip(rows, new, strict=False):
                    marker = Marker(*Marker.key(event.id), position=row.position, expires_at=ends)
                    seen = known.get(event.id)
                    is_unchanged = Marker.position == seen.position if seen else Marker.pk.does_not_exist()
                    write.save(marker, condition=is_unchanged)
                for row in rows:
                    write.save(row, condition=FeedRow.pk.does_not_exist())
        except TransactionError as error:
            if not (error.any_failed or error.any_conflicted):
                raise
            if error.failed(*rows):  # another writer took it for crashed, or the head of a restored table was behind
                self._reserve_again(reserved)
            return False
        return True

    def _reserve_again(self, reserved: Reservation) -> None:
        """Leaves the reservation, whose free positions another writer will fill after its lease."""
        self.reservation = None
        catch_up(reserved.positions[0])


def _lost(markers: Iterable[Marker]) -> set[str]:
    """Returns the ids of the events that have a settled marker and no row, in a restored table."""
    settled = [marker for marker in markers if is_settled(marker)]
    there = {row.event_id for row in rows_at(marker.position for marker in settled).values()}
    return {marker.event_id for marker in settled} - there


@dataclass(frozen=True)
class FeedPage:
    """A page of the feed.

    `position`: of the last row that was examined, also if it was filtered out; None if no row was examined.
    `ended`: no later row can be read yet.
    """

    rows: list[FeedRow]
    position: str | None
    ended: bool


def read(*, after: str | None, limit: int, position: str | None, may_see: Callable[[str], bool]) -> FeedPage:
    """Returns a page of events, oldest first: after a `position`, after the event `after`, or from the first one kept.

    `may_see` filters by event type; empty rows are never shown. If rows of the page are left out, a second, longer read
    fills the page. After LATEST, the page has no rows, and the position of the newest readable row.
    Raises NotFoundError, GoneError, and InvalidRequestError for an invalid position.
    """

    def is_seen(row: FeedRow) -> bool:
        return row.type != EMPTY and may_see(row.type)

    if position is not None:
        rows, onward = _rows_after(position, limit)
    elif after == LATEST:
        return FeedPage([], _newest(), ended=True)
    elif after is not None:
        rows, onward = _rows_after_event(after, limit)
    else:
        first = _beginning()
        rows, onward = _rows_from(first, limit) if first else ([], None)
    if onward and len(rows) == limit and not all(is_seen(row) for row in rows):
        more, onward = _rows_from(onward, _ROWS_WHEN_FILTERING)
        rows += more
    shown: list[FeedRow] = []
    examined, size = position, 0
    for row in rows:
        if is_seen(row):
            size += len(row.body)
            if len(shown) == limit or (shown and size > _MAX_PAGE_CHARACTERS):
                return FeedPage(shown, examined, ended=False)
            shown.append(row)
        examined = row.sk
    return FeedPage(shown, examined, ended=onward is None)


def _rows_after(position: str, limit: int) -> tuple[list[FeedRow], int | None]:
    """Reads as `_rows_from`, after the row at `position`. While that row is kept, no later row has expired."""
    if not re.fullmatch(r"[0-9]{12}", position):
        raise InvalidRequestError.at(
            "is not a cursor of this list; omit it to begin at the first page", parameter="cursor"
        )
    rows, onward = _rows_from(int(position), limit + 1)
    if not rows or rows[0].sk != position or not is_kept(rows[0]):
        raise _gone()
    return rows[1:], onward


def _rows_after_event(event_id: str, limit: int) -> tuple[list[FeedRow], int | None]:
    """Reads as `_rows_from`, after the event's row. If that row is lost, returns a row at its position too."""
    position = find(event_id).position
    rows, onward = _rows_from(position, limit + 1)
    if rows and rows[0].event_id == event_id:
        return rows[1:], onward
    return (rows, onward) if len(rows) <= limit else (rows[:limit], rows[limit].position)


def _rows_from(first: int, limit: int) -> tuple[list[FeedRow], int | None]:
    """Returns at most `limit` rows, and the position after them; None if no later row is readable yet.

    A Query is not isolated from a running transaction: it may return a row without the row before it. So the page ends
    at a gap until the missing row appears (docs/decisions/2026-11-22-readers-wait-at-a-gap.md).
    """
    rows: list[FeedRow] = []
    following = first
    while True:
        end = end_of_block(following)
        found, is_cut = _rows_of_block(following, limit - len(rows), look_back=not rows or rows[-1].is_old)
        for row in found:
            if row.position != following and not is_settled(row):
                return rows, None
            rows.append(row)
            following = row.position + 1
        if len(rows) == limit or (is_cut and len(rows) > 1):  # a row is 400 KB at most, and a Query 1 MB
            return rows, following
        if following < end:
            if not _is_end_lost(rows, following, end):
                return rows, None
            following = end


def _rows_of_block(first: int, limit: int, *, look_back: bool) -> tuple[list[FeedRow], bool]:
    """Returns at most `limit` rows of a block from `first` on, and whether more rows may follow there.

    With `look_back`, it reads rows of the time before the shards too, if the first row is not in the block.
    """
    partition, low = FeedRow.key(first)
    page = table_page(FeedRow, partition, KeyRange(limit, low=low, high=FeedRow.key(end_of_block(first) - 1)[1]))
    rows = page.items
    if not look_back or (rows and rows[0].position == first):
        return rows, page.position is not None
    old = table_page(FeedRow, FeedRow.old_key(first)[0], KeyRange(limit, low=low))
    if old.position is not None:
        return old.items, True
    return (old.items + rows)[:limit], page.position is not None or len(old.items) + len(rows) > limit


def _newest() -> str | None:
    """Returns the position of the newest row that is readable; None if no row is kept.

    No row is stored at it or before it later. So it begins before the first reservation without all its rows, and then
    reads on as a reader does: rows behind a gap are readable once the gap can no longer be filled.
    """
    position, reservations = read_head()
    for positions in reservations:
        rows, _ = _rows_from(positions.start, len(positions))
        if [row.position for row in rows] != list(positions):
            position = positions.start - 1
            break
    rows, _ = _rows_from(max(1, position), _ROWS_AFTER_LATEST)
    row = rows[-1] if rows else _row_until(position)
    return row.sk if row and is_kept(row) else None


def _row_until(position: int) -> FeedRow | None:
    """Returns the last row at a position or before it, of two blocks. A restored table may lack the row there."""
    for last in (position, start_of_block(position) - 1):
        low = FeedRow.key(max(0, start_of_block(last)))[1]
        for partition, high in (FeedRow.key(last), FeedRow.old_key(last)) if last > 0 else ():
            page = table_page(FeedRow, partition, KeyRange(1, descending=True, low=low, high=high))
            if page.items:
                return page.items[0]
    return None


def _is_end_lost(rows: Sequence[FeedRow], position: int, end: int) -> bool:
    """Returns whether all rows of a block from `position` on are lost, since the next block has a settled row.

    At most the rows of one transaction can be lost, in a restored table. So a reader at the end of the log rarely reads
    the next block: only if its last row is settled, and at one read of 16.
    """
    if end - position > MAX_EVENTS or not all(is_settled(row) for row in rows[-1:]):
        return False
    if random.random() >= _LOOK_BEYOND_SHARE:  # noqa: S311 - not a secret
        return False
    following = table_page(FeedRow, FeedRow.key(end)[0], KeyRange(1, low=FeedRow.key(end)[1])).items
    return bool(following) and is_settled(following[0])


def find(event_id: str) -> Marker:
    """Returns the marker of an event, with its position. Raises GoneError for an expired event, or NotFoundError."""
    occurred = occurred_in(event_id)
    marker = get_item(Marker, Marker.key(event_id)) if occurred else None
    if marker and is_kept(marker):
        return marker
    if marker or (occurred and occurred < kept_since()):
        raise _gone()
    raise _not_found()


def get(event_id: str, *, may_see: Callable[[str], bool]) -> FeedRow:
    """Returns an event's row. Raises GoneError, or NotFoundError, also if the caller may not see its event type."""
    position = find(event_id).position
    row = get_item(FeedRow, FeedRow.key(position)) or get_item(FeedRow, FeedRow.old_key(position))
    if row is None or row.event_id != event_id or not may_see(row.type):
        raise _not_found()
    return row


def _beginning() -> int | None:
    """Returns the position of the first row that is kept; None if the feed is empty.

    An empty feed is recognized by its days, not by the head: the head is read at another time, and may have moved past
    rows that were not read.
    """
    days = table_page(Day, Day.key("")[0], KeyRange(1, low=kept_since().date().isoformat())).items
    return days[0].position if days else None


def _gone() -> GoneError:
    return GoneError(
        f"Events are kept for {RETENTION.days} days, and this one is older. To read the feed, begin without after."
    )


def _not_found() -> NotFoundError:
    return NotFoundError("Event not found, or not in the feed yet.")
