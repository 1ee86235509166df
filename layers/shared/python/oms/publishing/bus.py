"""Events on their way to the bus. What was derived from a stream is put there whole, or the batch comes again."""

import random
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from botocore.config import Config

from oms.core import aws, clock
from oms.core.settings import settings
from oms.events.envelope import Event, Internal

SOURCE, INTERNAL_SOURCE = "oms", "oms.internal"
# What PutEvents takes at once: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
_MOST_ENTRIES = 10
_MOST_BYTES = 250 * 1024
_ATTEMPTS = 5


class NotPublishedError(Exception):
    """The bus has refused some events again and again; those that it took may be published twice."""


def publish(events: Iterable[Event[Any] | Internal]) -> int:
    """Puts the events on the bus, in their order; how many. Raises NotPublishedError and botocore's errors."""
    published = 0
    for entries in _batches([_entry(event) for event in events]):
        _put(entries)
        published += len(entries)
    return published


def _entry(event: Event[Any] | Internal) -> dict[str, str]:
    source = INTERNAL_SOURCE if isinstance(event, Internal) else SOURCE
    return {"Source": source, "DetailType": event.type, "Detail": event.text(), "EventBusName": settings().event_bus}


def _size(entry: dict[str, str]) -> int:
    return sum(len(text.encode()) for text in entry.values())


def _batches(entries: Sequence[dict[str, str]]) -> Iterator[list[dict[str, str]]]:
    batch: list[dict[str, str]] = []
    size = 0
    for entry in entries:
        if batch and (len(batch) == _MOST_ENTRIES or size + _size(entry) > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += _size(entry)
    if batch:
        yield batch


def _put(entries: list[dict[str, str]]) -> None:
    """The call may succeed and refuse some of its entries: those alone are put again."""
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
