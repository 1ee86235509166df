"""Following the feed of events, without I/O."""

import logging
from collections.abc import Callable
from typing import Any, TypeAlias

from oms_client.errors import ApiError, ConnectionFailedError
from oms_client.exchange import Call, Emit, Exchange, Flow, Sleep
from oms_client.models import EventPage

logger = logging.getLogger("oms_client")

Gap: TypeAlias = Callable[[str | None], None]
"""Is called with the id of the last event before a gap; None if there was none."""
# A webhook may have had the event of `after` before the feed has it.
MAX_UNKNOWN = 5


def follow(
    exchange: Exchange, after: str | None, type_: str | None, poll_seconds: float, on_gap: Gap | None, *, wait: bool
) -> Flow[None]:
    cursor, last = None, after
    failures = unknown = 0
    while True:
        query: dict[str, Any] = {"limit": 100, "after": after, "type": type_, "cursor": cursor}
        try:
            page = yield from exchange.call(Call[EventPage]("GET", "/api/v1/events", EventPage, query=query))
        except (ApiError, ConnectionFailedError) as error:
            status = error.status if isinstance(error, ApiError) else 0
            if status == 410 and (after or cursor):
                (on_gap or _warn)(last)
                after = cursor = last = None
                continue
            unknown += status == 404
            if status not in (0, 429) and status < 500 and not (status == 404 and unknown < MAX_UNKNOWN):
                raise
            failures += 1
            retry_after = getattr(error, "retry_after", None) or 0
            yield Sleep(max(retry_after, poll_seconds) + exchange.retries.backoff(failures))
            continue
        failures = unknown = 0
        for event in page.items:
            last = event.id
            yield Emit(event)
        cursor = page.resume_cursor or cursor
        if cursor is None and after == "latest":
            # The feed has no events yet, so none are left out by starting with its first one.
            after = None
        if page.next_cursor is None:
            if not wait:
                return
            yield Sleep(poll_seconds)


def _warn(last: str | None) -> None:
    logger.warning("Events after %s are older than the feed: continuing with its oldest event", last or "the beginning")
