"""What the routes of the feed take and give."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from oms.schemas import Form, PageQuery, Response

_TYPES = Form(r"[a-z_.*,]{1,1000}", "must be event types such as order.*, separated by commas")


class ListEventsQuery(PageQuery):
    after: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = Field(
        None, description="The id of the last event that was read"
    )
    type: Annotated[str, _TYPES] | None = Field(
        None, description="Types such as order.created or order.*, separated by commas"
    )


class EventResponse(Response):
    """As webhooks deliver it; what `data` holds is told by its type's schema in the event catalogue."""

    id: str
    type: str
    version: int
    occurred_at: str
    sequence: int
    actor: dict[str, str]
    data: dict[str, Any]
    omitted: list[str] | None = Field(
        None,
        exclude_if=lambda names: names is None,
        description="Fields of `data` that are empty here because the event would be too large; else not there",
    )


class EventPage(Response):
    items: list[EventResponse]
    next_cursor: str | None
    resume_cursor: str | None = Field(
        description="Leads on, now or later, behind the last event that was looked at, shown or not; "
        "null where none has been looked at yet"
    )
