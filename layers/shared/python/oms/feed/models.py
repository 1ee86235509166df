"""The events table: a log with consecutive positions, readable for 90 days.

Keys: `head`/`head`, `rows#<shard>`/<position>, `id#<event>`/`marker`, `days`/<date>. Rows that were stored before the
shards have `log#<position // 10,000>`/<position>.
"""

from collections.abc import Iterable

from pynamodb.attributes import DiscriminatorAttribute, MapAttribute, UnicodeAttribute

from oms.core.dynamodb import IntegerAttribute, StoredItem, batch_get
from oms.core.settings import settings

# Rows of consecutive positions are one block, which one Query reads. Consecutive blocks are in different shards, so the
# rows that are written within a second are spread over them. A shard, as a partition of DynamoDB, has 1,000 write units
# a second; a block of events of 1.5 KB takes 400 of them, almost at once. Both numbers are part of the keys of stored
# rows, so they can never change.
ROWS_PER_BLOCK = 100
SHARDS = 32
# Of rows that were stored before the shards.
_ROWS_PER_OLD_PARTITION = 10_000
_DIGITS = 12
# A transaction has at most 100 operations: a marker and a row for each event.
MAX_EVENTS = 50
EMPTY = "empty"


class FeedItem(StoredItem):
    class Meta:
        table_name = settings().events_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class Head(FeedItem, discriminator="log"):
    """The latest reserved position.

    `first` is the first position of the `day`. `reserved` has the last position of each reservation that may be in use.
    Before the shards, its kind was `head`: old code fails at this one, so that it never writes at a reserved position.
    """

    position = IntegerAttribute()
    day = UnicodeAttribute()
    first = IntegerAttribute()
    reserved: MapAttribute[str, int] = MapAttribute()

    @staticmethod
    def key() -> tuple[str, str]:
        return "head", "head"


class FeedRow(FeedItem, discriminator="row"):
    """An event at its position in the log. `body` is its JSON, as webhooks deliver it."""

    event_id = UnicodeAttribute()
    type = UnicodeAttribute()
    body = UnicodeAttribute()
    expires_at = IntegerAttribute(attr_name="ttl")

    @staticmethod
    def key(position: int) -> tuple[str, str]:
        return f"rows#{position // ROWS_PER_BLOCK % SHARDS:02d}", _sort_key(position)

    @staticmethod
    def old_key(position: int) -> tuple[str, str]:
        """The key of a row that was stored before the shards."""
        return f"log#{position // _ROWS_PER_OLD_PARTITION:08d}", _sort_key(position)

    @classmethod
    def empty(cls, position: int, expires_at: int) -> "FeedRow":
        """Returns a row without an event, for a reserved position that has none. Readers pass it."""
        return cls(*cls.key(position), event_id=EMPTY, type=EMPTY, body="{}", expires_at=expires_at)

    @property
    def position(self) -> int:
        return int(self.sk)

    @property
    def is_old(self) -> bool:
        return self.pk.startswith("log#")


def _sort_key(position: int) -> str:
    return f"{position:0{_DIGITS}d}"


def start_of_block(position: int) -> int:
    """Returns the first position of this position's block."""
    return position // ROWS_PER_BLOCK * ROWS_PER_BLOCK


def end_of_block(position: int) -> int:
    """Returns the first position of the next block."""
    return start_of_block(position) + ROWS_PER_BLOCK


def rows_at(positions: Iterable[int]) -> dict[int, FeedRow]:
    """Returns the stored rows by position."""
    wanted = list(positions)
    rows = batch_get(FeedRow, [key(it) for it in wanted for key in (FeedRow.key, FeedRow.old_key)]).values()
    return {row.position: row for row in rows}


class Marker(FeedItem, discriminator="marker"):
    """The position of one event. Each event id has one marker, so that no event is appended twice."""

    position = IntegerAttribute()
    expires_at = IntegerAttribute(attr_name="ttl")

    @staticmethod
    def key(event_id: str) -> tuple[str, str]:
        return f"id#{event_id}", "marker"

    @property
    def event_id(self) -> str:
        return self.pk.removeprefix("id#")


class Day(FeedItem, discriminator="day"):
    """The position of the first row of a day. A reader without a position starts at the first day that is kept."""

    position = IntegerAttribute()
    expires_at = IntegerAttribute(attr_name="ttl")

    @staticmethod
    def key(day: str) -> tuple[str, str]:
        return "days", day
