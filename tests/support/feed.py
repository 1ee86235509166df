"""Events for the feed, the feeder that gets them from its queue, and reads of the feed."""

import json
from itertools import count
from typing import Any

from feeder import handler as feeder
from oms.core import clock
from oms.events.envelope import event_id
from tests.support.gateway import call
from tests.support.invocation import Answer, Context, Person

FEED = "/api/v1/events"

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
    """Delivers these as one batch, and returns the feeder's answer."""
    records = [
        {"messageId": str(place), "body": it if isinstance(it, str) else json.dumps(it)}
        for place, it in enumerate(events)
    ]
    return feeder.lambda_handler({"Records": records}, Context())


def read(who: Person, query: str = "", limit: int = 100) -> Answer:
    return call("GET", f"{FEED}?limit={limit}{query}", token=who.token)


def ids(events: list[Any]) -> list[str]:
    return [event["id"] for event in events]


def everything(who: Person, query: str = "", limit: int = 100) -> list[str]:
    """Returns the ids of the whole feed, read page by page."""
    found: list[str] = []
    cursor = ""
    while True:
        page = read(who, query + cursor, limit)
        assert page.status == 200, page.text
        found += ids(page.json["items"])
        if page.json["next_cursor"] is None:
            return found
        cursor = f"&cursor={page.json['next_cursor']}"
