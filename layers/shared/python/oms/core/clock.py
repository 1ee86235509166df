"""The clock and the source of randomness. Tests replace these functions alone."""

import secrets
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day

from oms.core.settings import settings

# Crockford's base 32 has no I, L, O or U, so an id can be read aloud without mistakes.
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

type HasTime = Callable[[], bool]
"""Returns whether a worker has enough time left for another step, before its function times out."""


def now() -> datetime:
    """Returns the current time of this deployment, in UTC. Tests of the local cloud can move it."""
    return datetime.now(UTC) + settings().clock_offset


def monotonic() -> float:
    """Returns the seconds of a clock that never goes back, for deadlines within this process."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def timestamp(moment: datetime) -> str:
    """Returns RFC 3339 text in UTC with milliseconds, `2026-01-31T09:30:00.000Z`. The texts sort as the times do."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def instant(text: str) -> datetime:
    """Returns the moment of a text that `timestamp` wrote."""
    return datetime.fromisoformat(text)


def local(moment: datetime) -> datetime:
    """Returns the moment in the shop's time zone."""
    return moment.astimezone(settings().time_zone)


def today() -> date:
    """Returns the current day of the shop."""
    return day_of(now())


def day_of(moment: datetime) -> date:
    """Returns the day of the shop at a moment.

    At the ends of the calendar, where a conversion would overflow, it is the UTC day.
    """
    try:
        return local(moment).date()
    except OverflowError:
        return moment.date()


def start_of(day: date) -> datetime:
    """Returns the first moment of a day of the shop, in UTC.

    If the clocks skip midnight, it is the moment of the change.
    """
    try:
        return datetime.combine(day, time_of_day.min, settings().time_zone).astimezone(UTC)
    except OverflowError:
        return datetime.combine(day, time_of_day.min, UTC)


def midnight(moment: datetime) -> datetime:
    """Returns the beginning of the moment's UTC day. For the shop's day see `start_of`."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def days(first: date, last: date) -> Iterator[str]:
    """Yields the days from the first to the last, both inclusive, as `2026-01-31`.

    It yields nothing if `last` is before `first`.
    """
    return ((first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1))


def from_seconds(seconds: float) -> datetime:
    """Returns the moment of a Unix time."""
    return datetime.fromtimestamp(seconds, UTC)


def outside(moment: datetime) -> datetime:
    """Converts a time of AWS's clocks, which tests cannot move, to the time of this deployment."""
    return moment + settings().clock_offset


def timed_id(moment: datetime) -> str:
    """Returns an id that sorts by its second: 8 characters of time, then 12 random ones (60 bits)."""
    return encoded(int(moment.timestamp()), 8) + random_id(12)


def encoded(number: int, length: int) -> str:
    """Returns the last `length` digits of a number in base 32.

    The texts sort as the numbers do. Each digit has 5 bits.
    """
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(5 * (length - 1), -1, -5))


def random_id(length: int = 20) -> str:
    """Returns an unguessable id; 20 characters are 100 bits."""
    return "".join(secrets.choice(CROCKFORD) for _ in range(length))
