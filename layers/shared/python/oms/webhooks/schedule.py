"""The retry schedule of deliveries, and the time after which a failing subscription is disabled. No I/O, no clock."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# The delay after each failed attempt: ten attempts over three days, as Standard Webhooks recommends.
DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
DISABLED_AFTER = timedelta(days=5)
MAX_RETRY_AFTER = timedelta(hours=24)
# Each delay is longer by up to this share, so that deliveries that failed together are not retried together.
_JITTER = 0.1


def next_attempt(attempt_count: int, now: datetime, *, retry_after: str | None, chance: float) -> datetime | None:
    """Returns the time of the next attempt; None if no attempt is left after `attempt_count` attempts.

    `retry_after` is the response header, which can only make the delay longer. `chance` is between 0 and 1.
    """
    if attempt_count > len(DELAYS):
        return None
    delay = DELAYS[attempt_count - 1] * (1 + _JITTER * chance)
    return now + max(delay, min(_wait(retry_after, now), MAX_RETRY_AFTER))


def _wait(retry_after: str | None, now: datetime) -> timedelta:
    """Returns the delay of a Retry-After header (RFC 9110, section 10.2.3): seconds or a date. Zero for other texts."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=int(text)) if len(text) < 8 else MAX_RETRY_AFTER
    try:
        moment = parsedate_to_datetime(text)
    except (ArithmeticError, LookupError, TypeError, ValueError):  # for example, a zone of twenty digits overflows
        return timedelta(0)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment - now
