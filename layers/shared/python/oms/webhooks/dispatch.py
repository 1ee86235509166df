"""From one event to its deliveries: put first, then nudged, so that what was put is sent, if need be by the sweep."""

import json
from dataclasses import dataclass
from typing import Self

from oms.webhooks import deliveries
from oms.webhooks.audience import Audience


@dataclass(frozen=True)
class Incoming:
    """An event as the bus brought it: its JSON, and of that what it is dispatched by."""

    id: str
    type: str
    body: str

    @classmethod
    def read(cls, body: str) -> Self:
        """Raises ValueError, LookupError or TypeError for what is no event."""
        content = json.loads(body)
        return cls(str(content["id"]), str(content["type"]), body)


def dispatch(event: Incoming, audience: Audience) -> int:
    """How many deliveries the event has. Dispatched again it has the same; those still pending are nudged again."""
    made = [
        (subscription, deliveries.create(subscription, event_id=event.id, event_type=event.type, body=event.body))
        for subscription in audience.of(event.type)
    ]
    deliveries.nudge(made)
    return len(made)
