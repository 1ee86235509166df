"""Events for the feed, and the feeder that gets them from its queue."""

import json
from itertools import count
from typing import Any

from feeder import handler as feeder
from oms import clock
from oms.events import event_id
from tests.functional.harness import Context

_numbers = count(1)


def an_event(event_type: str = "order.created", *, size: int = 0) -> dict[str, Any]:
    number, at = next(_numbers), clock.timestamp(clock.now())
    return {
        "id": event_id(event_type, at, f"thing-{number}", number),
        "type": event_type,
        "version": 1,
        "occurred_at": at,
        "sequence": number,
        "actor": {"id": "system", "role": "system"},
        "data": {"number": number, "filling": "x" * size},
    }


def feed_in(*events: Any) -> Any:
    """The queue brings these, as one batch; the feeder's answer to it."""
    records = [
        {"messageId": str(place), "body": it if isinstance(it, str) else json.dumps(it)}
        for place, it in enumerate(events)
    ]
    return feeder.lambda_handler({"Records": records}, Context())
