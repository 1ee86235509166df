"""Publishing to EventBridge: all events of a stream's batch are published, or the batch is retried."""

import random
from collections.abc import Iterable
from functools import cache
from typing import Any

from oms.core import clock
from oms.core.aws_json.client import Client
from oms.core.batches import packed
from oms.core.settings import settings
from oms.events.envelope import Event, InternalMessage

SOURCE, INTERNAL_SOURCE = "oms", "oms.internal"
# The limits of one PutEvents call: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
_MAX_ENTRIES = 10
_MAX_BYTES = 250 * 1024
_MAX_ATTEMPTS = 5


class NotPublishedError(Exception):
    """The bus refused some events at every attempt. Lambda retries the batch, and so publishes the others twice."""


def publish(events: Iterable[Event[Any] | InternalMessage]) -> int:
    """Publishes the events in order, and returns their number. Raises NotPublishedError and botocore's errors."""
    published = 0
    for entries in packed(map(_entry, events), _size_bytes, max_items=_MAX_ENTRIES, max_bytes=_MAX_BYTES):
        _put(entries)
        published += len(entries)
    return published


def _entry(event: Event[Any] | InternalMessage) -> dict[str, str]:
    source = INTERNAL_SOURCE if isinstance(event, InternalMessage) else SOURCE
    return {"Source": source, "DetailType": event.type, "Detail": event.text(), "EventBusName": settings().event_bus}


def _size_bytes(entry: dict[str, str]) -> int:
    return sum(len(text.encode()) for text in entry.values())


def _put(entries: list[dict[str, str]]) -> None:
    """Sends the entries. A call can succeed and refuse some of its entries; only these are sent again."""
    codes: set[str] = set()
    for attempt in range(_MAX_ATTEMPTS):
        if attempt:
            clock.sleep(random.uniform(0, 0.1 * 2**attempt))  # noqa: S311 - jitter, not a secret
        results = _bus().put_events(Entries=entries)["Entries"]
        refused = [(entry, result) for entry, result in zip(entries, results, strict=True) if "ErrorCode" in result]
        if not refused:
            return
        entries = [entry for entry, _ in refused]
        codes = {result["ErrorCode"] for _, result in refused}
    raise NotPublishedError(f"the bus refused {len(entries)} events: {', '.join(sorted(codes))}")


@cache
def _bus() -> Client:
    return Client("events", read_seconds=5, max_attempts=3)
