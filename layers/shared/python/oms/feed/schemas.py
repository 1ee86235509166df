"""Request and response schemas of the feed."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from oms.core.schemas import NextCursor, PageQuery, Response, TextPattern, Timestamp

_TYPES = TextPattern(r"[a-z_.*,]{1,1000}", "must be event types such as order.*, separated by commas")


class ListEventsQuery(PageQuery):
    """The query parameters of the list of events."""

    after: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = Field(
        None,
        description="The id of the last event that was read; the list continues after it. `latest` returns no events, "
        "and as `resume_cursor` the place after the newest event. Send it as `cursor`, with the same `after`.",
        examples=["1JE5K7M20C8Z4V6T2R9QKX1M"],
    )
    type: Annotated[str, _TYPES] | None = Field(
        None,
        description="Event types such as `order.created` or `order.*`, separated by commas; all types by default.",
        examples=["order.*"],
    )


class EventResponse(Response):
    """An event, as webhooks deliver it."""

    id: str = Field(
        description="The id of the event. It is the same however often the event is delivered.",
        examples=["1JE5K7M20C8Z4V6T2R9QKX1M"],
    )
    type: str = Field(description="The type of the event; the event catalogue lists all.", examples=["order.created"])
    version: int = Field(description="The version of the type's schema.", examples=[1])
    occurred_at: Timestamp = Field(description="When the change happened.")
    sequence: int = Field(description="The number that orders the events of one resource.", examples=[1])
    actor: dict[str, str] = Field(
        description="The user or the system process that made the change: `id` and `role`; both are `system` for a "
        "process.",
        examples=[{"id": "YVT65M7QNAW9TXAQ7PHA", "role": "customer"}],
    )
    data: dict[str, Any] = Field(
        description="The resource after the event; its schema is in the event catalogue.",
        examples=[{"id": "0C8Z4V6T2R9QKX1M5N7P"}],
    )
    omitted: list[str] | None = Field(
        None,
        exclude_if=lambda names: names is None,
        description="The fields of `data` that are empty because the event would be too large. Absent if all fields "
        "are complete.",
        examples=[["items"]],
    )


class EventPage(Response):
    """A page of events, oldest first."""

    items: list[EventResponse] = Field(description="The events of this page.")
    next_cursor: NextCursor
    resume_cursor: str | None = Field(
        description="The cursor after the last event that was examined, also if it was filtered out. Poll with it: it "
        "stays valid. Null if no event was examined yet, or with `after=latest` if there are no events: then start "
        "without `after`.",
        examples=["eyJwIjoiMDAwMDAwMDAwMDQyIn0"],
    )
