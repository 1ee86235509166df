"""When a delivery that failed is tried again, and when its subscription is given up. Pure: no I/O, no clock."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# After the attempt before: ten attempts in all, over three days. As Standard Webhooks recommends, and Svix does.
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
LONGEST_WAIT = timedelta(hours=24)
# Later by up to a tenth, so that what failed together does not come back together.
_JITTER = 0.1


def next_attempt(made: int, now: datetime, *, retry_after: str | None, chance: float) -> datetime | None:
    """When to try again after `made` attempts; None when that was the last.

    `retry_after` is the answer's header, honoured where it asks for more; `chance` is between 0 and 1.
    """
    if made > len(DELAYS):
        return None
    delay = DELAYS[made - 1] * (1 + _JITTER * chance)
    return now + max(delay, min(_wait(retry_after, now), LONGEST_WAIT))


def _wait(retry_after: str | None, now: datetime) -> timedelta:
    """Retry-After (RFC 9110, section 10.2.3): seconds, or a date. What is neither asks for nothing."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=int(text)) if len(text) < 8 else LONGEST_WAIT
    try:
        moment = parsedate_to_datetime(text)
    except (ArithmeticError, LookupError, TypeError, ValueError):  # overflows, for one: a zone of twenty digits
        return timedelta(0)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment - now
