"""Routes of webhooks, and of the feed that has the same events."""

import json
from typing import Annotated

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from oms import api
from oms.api import MANAGER, current_user
from oms.catalogue import EVENT_TYPES, check_patterns
from oms.feed import service as feed
from oms.feed.models import Row
from oms.feed.schemas import EventPage, EventResponse, ListEventsQuery
from oms.patterns import matches
from oms.serving import serve

app = APIGatewayHttpResolver(enable_validation=True, response_validation_error_http_code=500)


@app.get("/api/v1/events", **MANAGER)
def list_events(query: Annotated[ListEventsQuery, Query()]) -> Response[EventPage]:
    patterns = check_patterns(query.type.split(",") if query.type else ["*"], parameter="type")
    page = feed.read(
        after=query.after,
        limit=query.limit,
        position=api.list_position(query.cursor),
        wanted=lambda name: _may_see(name) and matches(patterns, name),
    )
    return api.listed(page, _event, EventPage)


@app.get("/api/v1/events/<event_id>", **MANAGER)
def get_event(event_id: str) -> Response[EventResponse]:
    return api.ok(_event(feed.get(event_id, wanted=_may_see)))


def _may_see(event_type: str) -> bool:
    """Events of users are for admins."""
    known = EVENT_TYPES.get(event_type)
    return current_user().role == "admin" or (known is not None and not known.for_admins)


def _event(row: Row) -> EventResponse:
    return EventResponse(**json.loads(row.body))


lambda_handler = serve(app)
