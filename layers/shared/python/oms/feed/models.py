"""The events table: a log with consecutive positions, readable for 90 days.

Keys: `head`/`head`, `log#<position // 10,000>`/<position>, `id#<event>`/`marker`, `days`/<date>.
"""

from pynamodb.attributes import DiscriminatorAttribute, UnicodeAttribute

from oms.core.dynamodb import IntegerAttribute, StoredItem
from oms.core.settings import settings

ROWS_PER_PARTITION = 10_000
_DIGITS = 12


class FeedItem(StoredItem):
    class Meta:
        table_name = settings().events_table

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()


class Head(FeedItem, discriminator="head"):
    """The position of the latest row. It moves in the transaction that stores the rows."""

    position = IntegerAttribute()

    @staticmethod
    def key() -> tuple[str, str]:
        return "head", "head"


class Row(FeedItem, discriminator="row"):
    """An event at its position in the log; `body` is its JSON, as webhooks deliver it."""

    event_id = UnicodeAttribute()
    type = UnicodeAttribute()
    body = UnicodeAttribute()
    expires_at = IntegerAttribute(attr_name="ttl")

    @staticmethod
    def key(position: int) -> tuple[str, str]:
        return f"log#{position // ROWS_PER_PARTITION:08d}", f"{position:0{_DIGITS}d}"

    @staticmethod
    def end_of_partition(position: int) -> int:
        """The first position of the next partition."""
        return (position // ROWS_PER_PARTITION + 1) * ROWS_PER_PARTITION

    @property
    def position(self) -> int:
        return int(self.sk)


class Marker(FeedItem, discriminator="marker"):
    """The position of an event. One marker for each event id, so that no event is appended twice."""

    position = IntegerAttribute()
    expires_at = IntegerAttribute(attr_name="ttl")

    @staticmethod
    def key(event_id: str) -> tuple[str, str]:
        return f"id#{event_id}", "marker"

    @property
    def event_id(self) -> str:
        return self.pk.removeprefix("id#")


class Day(FeedItem, discriminator="day"):
    """The position of the first row of a day, at which a reader without a position starts."""

    position = IntegerAttribute()
    expires_at = IntegerAttribute(attr_name="ttl")

    @staticmethod
    def key(day: str) -> tuple[str, str]:
        return "days", day
