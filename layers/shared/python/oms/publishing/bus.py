"""Publishing events to EventBridge: all events of a stream's batch, or the batch is retried."""

import random
from collections.abc import Iterable
from functools import cache
from typing import Any

from botocore.config import Config

from oms.core import aws, clock
from oms.core.batches import packed
from oms.core.settings import settings
from oms.events.envelope import Event, Internal

SOURCE, INTERNAL_SOURCE = "oms", "oms.internal"
# What PutEvents takes at once: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
_MAX_ENTRIES = 10
_MAX_BYTES = 250 * 1024
_ATTEMPTS = 5


class NotPublishedError(Exception):
    """The bus refused some events at every attempt. Lambda retries the batch, so the others are published twice."""


def publish(events: Iterable[Event[Any] | Internal]) -> int:
    """Publishes the events in order, and returns their number. Raises NotPublishedError and botocore's errors."""
    published = 0
    for entries in packed(map(_entry, events), _size_bytes, max_items=_MAX_ENTRIES, max_bytes=_MAX_BYTES):
        _put(entries)
        published += len(entries)
    return published


def _entry(event: Event[Any] | Internal) -> dict[str, str]:
    source = INTERNAL_SOURCE if isinstance(event, Internal) else SOURCE
    return {"Source": source, "DetailType": event.type, "Detail": event.text(), "EventBusName": settings().event_bus}


def _size_bytes(entry: dict[str, str]) -> int:
    return sum(len(text.encode()) for text in entry.values())


def _put(entries: list[dict[str, str]]) -> None:
    """A call can succeed and refuse some of its entries: only those are sent again."""
    codes: set[str] = set()
    for attempt in range(_ATTEMPTS):
        if attempt:
            clock.sleep(random.uniform(0, 0.1 * 2**attempt))  # noqa: S311 - jitter, not a secret
        answers = _bus().put_events(Entries=entries)["Entries"]
        refused = [(entry, answer) for entry, answer in zip(entries, answers, strict=True) if "ErrorCode" in answer]
        if not refused:
            return
        entries = [entry for entry, _ in refused]
        codes = {answer["ErrorCode"] for _, answer in refused}
    raise NotPublishedError(f"the bus refused {len(entries)} events: {', '.join(sorted(codes))}")


@cache
def _bus() -> Any:
    config = Config(connect_timeout=1, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
    return aws.session().client("events", config=config)
