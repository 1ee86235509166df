"""Time, waiting and randomness, in one place: tests replace these functions and no others."""

import secrets
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day

from oms.core.settings import settings

# Crockford's base 32: no I, L, O or U, so that an id read aloud is not mistaken.
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def now() -> datetime:
    """The time of this deployment, in UTC. On the local cloud a test may have moved it."""
    return datetime.now(UTC) + settings().clock_offset


def monotonic() -> float:
    """Seconds of a clock that never goes back, for deadlines within this process."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds (`2026-01-31T09:30:00.000Z`): as text it sorts as it does in time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def instant(text: str) -> datetime:
    """The moment that `timestamp` wrote down."""
    return datetime.fromisoformat(text)


def local(moment: datetime) -> datetime:
    """The moment in the shop's time zone."""
    return moment.astimezone(settings().time_zone)


def today() -> date:
    """The shop's day."""
    return day_of(now())


def day_of(moment: datetime) -> date:
    """The shop's day that a moment is in. The ends of the calendar are days of UTC: they have no neighbours."""
    try:
        return local(moment).date()
    except OverflowError:
        return moment.date()


def start_of(day: date) -> datetime:
    """The first moment of a day of the shop, in UTC. Where clocks skip midnight, it is the moment at which they do."""
    try:
        return datetime.combine(day, time_of_day.min, settings().time_zone).astimezone(UTC)
    except OverflowError:
        return datetime.combine(day, time_of_day.min, UTC)


def midnight(moment: datetime) -> datetime:
    """The beginning of its day in UTC, as the system's own records are kept; of the shop's day see `start_of`."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def days(first: date, last: date) -> Iterator[str]:
    """The days from the first to the last, both included, as `2026-01-31`. None if the last is before the first."""
    return ((first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1))


def from_seconds(seconds: float) -> datetime:
    """The moment of a Unix time."""
    return datetime.fromtimestamp(seconds, UTC)


def outside(moment: datetime) -> datetime:
    """The time of this deployment at a moment that AWS's clocks have noted, which no test moves."""
    return moment + settings().clock_offset


def timed_id(moment: datetime) -> str:
    """An id that sorts by its second: 8 characters of time, 12 (60 bits) that keep those of one second apart."""
    return encoded(int(moment.timestamp()), 8) + random_id(12)


def encoded(number: int, length: int) -> str:
    """The last `length` digits of a number in base 32; each is 5 bits, so as text it sorts as the number does."""
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(5 * (length - 1), -1, -5))


def random_id(length: int = 20) -> str:
    """An unguessable id; 20 characters are 100 bits."""
    return "".join(secrets.choice(CROCKFORD) for _ in range(length))
