"""Events: what happened, told to other systems in one form, by webhook and in the feed.

An event is derived from a change of an item, and what is in it from that item: derived twice it is the same, id and
all. So what consumes events can tell one that comes again. A product's is completed with its stock as it is at
publishing, so the units in it may differ the second time; its id does not.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from oms.core import clock
from oms.core.queues import UNSENDABLE
from oms.core.schemas import Response, Timestamp

MOMENT_LENGTH = 8
_DIGEST_LENGTH = 16
# In bytes. The bus takes 256 KB, and that is with what stands around the event; the queues behind it take 1 MiB.
LARGEST = 240 * 1024

_UNSENDABLE = dict.fromkeys(map(ord, UNSENDABLE), "\ufffd")


class TooLargeError(Exception):
    """No bus takes an event of this size."""


class EventActor(Response):
    """Who did it."""

    id: str = Field(description="The id of the user, or `system`.", examples=["YVT65M7QNAW9TXAQ7PHA"])
    role: str = Field(description="The user's role, or `system`.", examples=["customer"])


class Event[Data: BaseModel](Response):
    """A change that happened."""

    id: str = Field(
        description="The id of the event. It is the same however often the event is delivered.",
        examples=["1JE5K7M20C8Z4V6T2R9QKX1M"],
    )
    type: str = Field(description="The type of the event.", examples=["order.created"])
    version: int = Field(1, description="The version of the type's schema.")
    occurred_at: Timestamp = Field(description="When it happened.")
    sequence: int = Field(description="Orders the events of one order or product.", examples=[1])
    actor: EventActor = Field(description="Who made the change.")
    data: Data = Field(description="The resource after the event.")
    omitted: list[str] | None = Field(
        None,
        description="Fields of `data` that are empty because the event would be too large; not there if there are "
        "none.",
        examples=[["items"]],
    )

    def text(self) -> str:
        """The JSON that is published, delivered and signed, without what no queue takes: the bus may undo an escape."""
        return self.model_dump_json(exclude=None if self.omitted else {"omitted"}).translate(_UNSENDABLE)

    @property
    def is_too_large(self) -> bool:
        return len(self.text().encode()) > LARGEST

    def emptied(self, name: str, value: Any) -> Self:
        """With this field of its data at the empty `value`, and saying so."""
        data = self.data.model_copy(update={name: value})
        return self.model_copy(update={"data": data, "omitted": [*(self.omitted or []), name]})


@dataclass(frozen=True)
class PublishedEvent:
    """An event as its consumers get it: its JSON, and of that what tells it from others."""

    id: str
    type: str
    body: str

    @classmethod
    def read(cls, body: str) -> Self:
        """Raises ValueError, LookupError or TypeError for what is no event."""
        content = json.loads(body)
        if occurred_in(content["id"]) is None or not isinstance(content["type"], str):
            raise ValueError("an event has an id that begins with its time, and a type")
        return cls(content["id"], content["type"], body)


@dataclass(frozen=True)
class Internal:
    """A message from one part of the system to another. It takes the way of events, past the feed and the webhooks."""

    type: str
    content: Mapping[str, str]

    def text(self) -> str:
        return json.dumps(dict(self.content))


def event_id(event_type: str, occurred_at: str, *origin: str | int) -> str:
    """24 characters: 8 for the second in which it occurred, 16 of a hash of what it was derived from and its type.

    `origin` is the item's key and version (or whatever else names the change). That the id begins with its time lets
    an id that has expired be told from one that never was.
    """
    digest = hashlib.sha256(json.dumps([*origin, event_type]).encode()).digest()
    second = int(clock.instant(occurred_at).timestamp())
    return clock.encoded(second, MOMENT_LENGTH) + clock.encoded(int.from_bytes(digest) >> 176, _DIGEST_LENGTH)


def occurred_in(event_id: str) -> datetime | None:
    """The second an event's id begins with; None for what is no such id."""
    digits = event_id[:MOMENT_LENGTH]
    if len(event_id) != MOMENT_LENGTH + _DIGEST_LENGTH or any(digit not in clock.CROCKFORD for digit in event_id):
        return None
    second = 0
    for digit in digits:
        second = second * 32 + clock.CROCKFORD.index(digit)
    try:
        return clock.from_seconds(second)
    except ValueError:  # no year has so many digits
        return None
