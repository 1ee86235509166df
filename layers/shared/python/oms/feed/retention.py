"""How long the feed's items are shown and stored, and when a missing row is lost."""

from datetime import UTC, datetime, timedelta

from oms.core import clock
from oms.feed.models import Day, FeedRow, Marker

RETENTION = timedelta(days=90)
# Rows are stored for two days longer than they can be read: one because whole days are kept, one because clocks differ.
# DynamoDB deletes expired rows in any order, so a missing row within the 90 days is never an expired one.
_STORED_FOR = RETENTION + timedelta(days=2)
# A row that is still missing this long after a later row was written is lost: the table was restored to a time within
# a transaction. No writer takes this long, and no clocks differ by this much.
_SETTLED_AFTER = timedelta(minutes=10)


def expiry(written: datetime) -> int:
    """Returns the Unix time at which an item of that time expires."""
    return int((written + _STORED_FOR).timestamp())


def written(it: FeedRow | Marker) -> datetime:
    return clock.from_seconds(it.expires_at) - _STORED_FOR


def kept_since() -> datetime:
    """Returns the start of the first day that is kept. Whole days are kept, since the first row is found by its day."""
    return clock.midnight(clock.now() - RETENTION)


def is_kept(it: FeedRow | Marker) -> bool:
    return written(it) >= kept_since()


def is_settled(it: FeedRow | Marker) -> bool:
    return written(it) <= clock.now() - _SETTLED_AFTER


def day_item(day: str, position: int) -> Day:
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return Day(*Day.key(day), position=position, expires_at=expiry(start))
