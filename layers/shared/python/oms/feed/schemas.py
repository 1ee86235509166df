"""Request and response schemas of the feed."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from oms.core.schemas import Form, NextCursor, PageQuery, Response, Timestamp

_TYPES = Form(r"[a-z_.*,]{1,1000}", "must be event types such as order.*, separated by commas")


class ListEventsQuery(PageQuery):
    after: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = Field(
        None,
        description="The id of the last event that was read: the list goes on after it.",
        examples=["1JE5K7M20C8Z4V6T2R9QKX1M"],
    )
    type: Annotated[str, _TYPES] | None = Field(
        None,
        description="Types of events such as `order.created` or `order.*`, separated by commas. Without it, all.",
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
    occurred_at: Timestamp = Field(description="When it happened.")
    sequence: int = Field(description="Orders the events of one order or product.", examples=[1])
    actor: dict[str, str] = Field(
        description="Who did it: `id` of the user and their `role`, or `system`.",
        examples=[{"id": "YVT65M7QNAW9TXAQ7PHA", "role": "customer"}],
    )
    data: dict[str, Any] = Field(
        description="The resource after the event, as the type's schema in the event catalogue says.",
        examples=[{"id": "0C8Z4V6T2R9QKX1M5N7P"}],
    )
    omitted: list[str] | None = Field(
        None,
        exclude_if=lambda names: names is None,
        description="Fields of `data` that are empty because the event would be too large; not there if there are "
        "none.",
        examples=[["items"]],
    )


class EventPage(Response):
    """A page of events, oldest first."""

    items: list[EventResponse] = Field(description="The events of this page.")
    next_cursor: NextCursor
    resume_cursor: str | None = Field(
        description="Cursor after the last event that was examined, also if it was filtered out. It is valid later "
        "too: poll with it. Null if nothing was examined yet.",
        examples=["eyJwIjoiMDAwMDAwMDAwMDQyIn0"],
    )
