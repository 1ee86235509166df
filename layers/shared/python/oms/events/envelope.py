"""The envelope of events: the form in which webhooks and the feed publish each change.

An event is derived from a change of an item, and has only data of that item. Deriving it again gives the same event
with the same id, so consumers recognize a repeated event. A product's event also has the product's stock at the time of
publishing. So its units may differ when it is published again; its id does not.
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

TIME_LENGTH = 8
_DIGEST_LENGTH = 16
# The bus accepts entries of 256 KB, which include its own fields. The queues after it accept 1 MiB.
MAX_EVENT_BYTES = 240 * 1024

_UNSENDABLE = dict.fromkeys(map(ord, UNSENDABLE), "\ufffd")


class TooLargeError(Exception):
    """The event is larger than the bus accepts."""


class EventActor(Response):
    """The actor of an event: a user, or a system process."""

    id: str = Field(
        description="The id of the user or the service key, `guest` or `system`.", examples=["YVT65M7QNAW9TXAQ7PHA"]
    )
    role: str = Field(
        description="The user's role, `service` for a service key, `guest`, or `system`.", examples=["customer"]
    )


class Event[Data: BaseModel](Response):
    """The description of one change that has happened."""

    id: str = Field(
        description="The id of the event. It is the same however often the event is delivered.",
        examples=["1JE5K7M20C8Z4V6T2R9QKX1M"],
    )
    type: str = Field(description="The type of the event.", examples=["order.created"])
    version: int = Field(1, description="The version of the type's schema.")
    occurred_at: Timestamp = Field(description="When the change happened.")
    sequence: int = Field(description="The number that orders the events of one resource.", examples=[1])
    actor: EventActor = Field(description="The user or the system process that made the change.")
    data: Data = Field(description="The resource after the event.")
    omitted: list[str] | None = Field(
        None,
        description="The fields of `data` that are empty because the event would be too large. Absent if all fields "
        "are complete.",
        examples=[["items"]],
    )

    def text(self) -> str:
        """The JSON that is published, delivered and signed.

        Characters that no queue accepts are replaced, not escaped: the bus may decode an escape.
        """
        return self.model_dump_json(exclude=None if self.omitted else {"omitted"}).translate(_UNSENDABLE)

    @property
    def is_too_large(self) -> bool:
        return len(self.text().encode()) > MAX_EVENT_BYTES

    def with_empty(self, name: str, value: Any) -> Self:
        """Returns a copy with the empty `value` in this field of its data, and the field's name in `omitted`."""
        data = self.data.model_copy(update={name: value})
        return self.model_copy(update={"data": data, "omitted": [*(self.omitted or []), name]})


@dataclass(frozen=True)
class PublishedEvent:
    """An event as its consumers receive it: its JSON, with the id and the type from it."""

    id: str
    type: str
    body: str

    @classmethod
    def read(cls, body: str) -> Self:
        """Reads an event from its JSON. Raises ValueError, LookupError or TypeError for any other text."""
        content = json.loads(body)
        if occurred_in(content["id"]) is None or not isinstance(content["type"], str):
            raise ValueError("an event must have a type, and an id that begins with its time")
        return cls(content["id"], content["type"], body)


@dataclass(frozen=True)
class InternalMessage:
    """A message from one part of the system to another. The bus carries it, but not to the feed and the webhooks."""

    type: str
    content: Mapping[str, str]

    def text(self) -> str:
        return json.dumps(dict(self.content))


def event_id(event_type: str, occurred_at: str, *origin: str | int) -> str:
    """Returns 24 characters: 8 for the second in which the event occurred, 16 of a hash of its origin and its type.

    `origin` identifies the change, for example by the item's key and version. The time at the beginning of an id
    distinguishes expired ids from unknown ones.
    """
    digest = hashlib.sha256(json.dumps([*origin, event_type]).encode()).digest()
    second = int(clock.instant(occurred_at).timestamp())
    return clock.encoded(second, TIME_LENGTH) + clock.encoded(int.from_bytes(digest) >> 176, _DIGEST_LENGTH)


def occurred_in(event_id: str) -> datetime | None:
    """Returns the second with which an event's id begins; None if the text is not an event's id."""
    digits = event_id[:TIME_LENGTH]
    if len(event_id) != TIME_LENGTH + _DIGEST_LENGTH or any(digit not in clock.CROCKFORD for digit in event_id):
        return None
    second = 0
    for digit in digits:
        second = second * 32 + clock.CROCKFORD.index(digit)
    try:
        return clock.from_seconds(second)
    except ValueError:  # the number is beyond the last year of a datetime
        return None
