"""Routes for webhooks and the event feed."""

import json
from collections.abc import Sequence
from typing import Annotated

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from oms.audit import audit_log
from oms.core import clock
from oms.core.schemas import EmptyRequest, PageQuery, at_second
from oms.core.settings import require
from oms.events.patterns import matches
from oms.events.types import EVENT_TYPES, check_patterns
from oms.feed import service as feed
from oms.feed.models import FeedRow
from oms.feed.schemas import EventPage, EventResponse, ListEventsQuery
from oms.http import api
from oms.http.access_rules import admin, manager
from oms.http.api import current_caller
from oms.http.serving import RESOLVER_OPTIONS, serve
from oms.webhooks import deliveries, delivery_admin, service
from oms.webhooks.matcher import active_admins
from oms.webhooks.models import Delivery, Subscription
from oms.webhooks.schemas import (
    CreatedWebhookResponse,
    CreateWebhookRequest,
    DeliveryPage,
    DeliveryResponse,
    ReplayWebhookRequest,
    RotatedSecretResponse,
    UpdateWebhookRequest,
    WebhookPage,
    WebhookReplayResponse,
    WebhookResponse,
)
from oms.webhooks.service import By

require("delivery_queue_url", "replay_queue_url", "slow_delivery_queue_url", "webhook_keys_secret")

app = APIGatewayHttpResolver(**RESOLVER_OPTIONS)


@app.post("/api/v1/webhooks", status_code=201, **admin(scope="webhooks:manage"))
def create_webhook(request: CreateWebhookRequest) -> Response[CreatedWebhookResponse]:
    """Create a webhook.

    Its deliveries are signed with the `secret` of this response (Standard Webhooks). No later response has it.
    """
    subscription, secret = service.create(request, by=_by())
    (response,) = _responses([subscription])
    return api.created(
        CreatedWebhookResponse(**response.model_dump(), secret=secret),
        location=f"/api/v1/webhooks/{subscription.id}",
        version=subscription.version,
    )


@app.get("/api/v1/webhooks", **manager(scope="webhooks:manage"))
def list_webhooks(query: Annotated[PageQuery, Query()]) -> Response[WebhookPage]:
    """List webhooks.

    Lists all webhooks of the shop, without their secrets.
    """
    page = service.list_subscriptions(limit=query.limit, after=api.list_position(query.cursor))
    responses = {it.id: it for it in _responses(page.items)}
    return api.listed(page, lambda it: responses[it.id], WebhookPage)


@app.get("/api/v1/webhooks/<webhook_id>", **manager(scope="webhooks:manage"))
def get_webhook(webhook_id: str) -> Response[WebhookResponse]:
    """Get a webhook.

    Returns the webhook without its secret.
    """
    subscription = service.get(webhook_id)
    (response,) = _responses([subscription])
    return api.ok(response, version=subscription.version)


@app.patch("/api/v1/webhooks/<webhook_id>", **admin(scope="webhooks:manage"))
@api.versioned
def update_webhook(webhook_id: str, request: UpdateWebhookRequest) -> Response[WebhookResponse]:
    """Change a webhook.

    Omitted fields are unchanged. A service key may not change a webhook for events of users, unless it created it.
    """
    subscription = service.update(webhook_id, request, by=_by(), expected_version=api.expected_version())
    (response,) = _responses([subscription])
    return api.ok(response, version=subscription.version)


@app.delete("/api/v1/webhooks/<webhook_id>", status_code=204, **admin(scope="webhooks:manage"))
@api.versioned
def delete_webhook(webhook_id: str) -> Response[None]:
    """Delete a webhook.

    No further event is sent to it.
    """
    service.delete(webhook_id, by=_by(), expected_version=api.expected_version())
    return api.no_content()


@app.post("/api/v1/webhooks/<webhook_id>/rotate-secret", **admin(scope="webhooks:manage"))
@api.versioned
def rotate_webhook_secret(webhook_id: str, request: EmptyRequest) -> Response[RotatedSecretResponse]:  # noqa: ARG001
    """Replace a webhook's secret.

    For 24 hours, deliveries are also signed with the previous secret. A second rotation within that time revokes the
    oldest secret within about a second.
    """
    subscription, secret, previous_until = service.rotate_secret(
        webhook_id, by=_by(), expected_version=api.expected_version()
    )
    response = RotatedSecretResponse(secret=secret, previous_valid_until=at_second(previous_until))
    return api.ok(response, version=subscription.version)


@app.post("/api/v1/webhooks/<webhook_id>/test", status_code=202, **manager(scope="webhooks:manage"))
def test_webhook(webhook_id: str, request: EmptyRequest) -> Response[DeliveryResponse]:  # noqa: ARG001
    """Send a test event.

    Sends a `webhook.test` event to this webhook only.
    """
    delivery = delivery_admin.send_test(webhook_id, by=_by(), report=api.show_allowance)
    return api.started(_delivery(delivery))


@app.get("/api/v1/webhooks/<webhook_id>/deliveries", **manager(scope="webhooks:manage"))
def list_deliveries(webhook_id: str, query: Annotated[PageQuery, Query()]) -> Response[DeliveryPage]:
    """List a webhook's deliveries.

    Lists the deliveries, newest events first, each with its latest 20 attempts. Only admins see the response bodies.
    """
    page = delivery_admin.list_deliveries(
        webhook_id, limit=query.limit, after=api.list_position(query.cursor), may_see=_may_see
    )
    return api.listed(page, _delivery, DeliveryPage)


@app.post(
    "/api/v1/webhooks/<webhook_id>/deliveries/<delivery_id>/replay", status_code=202, **manager(scope="webhooks:manage")
)
def replay_delivery(webhook_id: str, delivery_id: str, request: EmptyRequest) -> Response[DeliveryResponse]:  # noqa: ARG001
    """Send a delivery again.

    Makes the first attempt immediately. If it fails, the delivery is retried like a new one.
    """
    delivery = delivery_admin.replay_delivery(webhook_id, delivery_id, by=_by(), may_see=_may_see)
    return api.started(_delivery(delivery))


@app.post("/api/v1/webhooks/<webhook_id>/replay", status_code=202, **manager(scope="webhooks:manage"))
def replay_webhook(webhook_id: str, request: ReplayWebhookRequest) -> Response[WebhookReplayResponse]:
    """Send the events of a time range again.

    Sends ten events a second. A webhook has at most one replay at a time.
    """
    replay = delivery_admin.replay_range(
        webhook_id,
        since=clock.instant(request.from_),
        until=clock.instant(request.to),
        only_failed=request.only_failed,
        by=_by(),
    )
    return api.started(
        WebhookReplayResponse(
            from_=request.from_, to=request.to, only_failed=request.only_failed, started_at=replay.started_at
        )
    )


def _by() -> By:
    return By(current_caller(), api.client_address())


@app.get("/api/v1/events", **manager(scope="events:read"))
def list_events(query: Annotated[ListEventsQuery, Query()]) -> Response[EventPage]:
    """List events.

    Lists the events of the last 90 days, oldest first. Only admins see events of users. To follow the feed, send
    `resume_cursor` as `cursor`, or the last id as `after`.
    """
    audit_log.record_bulk_read(current_caller(), address=api.client_address(), target="events")
    patterns = check_patterns(query.type.split(",") if query.type else ["*"], parameter="type")
    page = feed.read(
        after=query.after,
        limit=query.limit,
        position=api.list_position(query.cursor),
        may_see=lambda name: _may_see(name) and matches(patterns, name),
    )
    cursor = api.list_cursor(page.position)
    return api.ok(
        EventPage(
            items=[_event(row) for row in page.rows],
            next_cursor=None if page.ended else cursor,
            resume_cursor=cursor,
        )
    )


@app.get("/api/v1/events/<event_id>", **manager(scope="events:read"))
def get_event(event_id: str) -> Response[EventResponse]:
    """Get an event.

    Returns the event as webhooks deliver it.
    """
    return api.ok(_event(feed.get(event_id, may_see=_may_see)))


def _may_see(event_type: str) -> bool:
    """Whether the caller may see events of this type. Only admins may see events of users."""
    known = EVENT_TYPES.get(event_type)
    return current_caller().role == "admin" or (known is not None and not known.for_admins)


def _delivery(delivery: Delivery) -> DeliveryResponse:
    return DeliveryResponse.of(delivery, in_progress=deliveries.is_in_progress(delivery), reader=current_caller().role)


def _event(row: FeedRow) -> EventResponse:
    return EventResponse(**json.loads(row.body))


def _responses(subscriptions: Sequence[Subscription]) -> list[WebhookResponse]:
    """Returns the webhooks as the caller may read them. The roles of other creators are read in one call."""
    caller = current_caller()
    admins = {caller.id} if caller.role == "admin" else set()
    if others := {str(it.created_by) for it in subscriptions} - {caller.id}:
        admins |= active_admins(others)
    return [WebhookResponse.of(it, admins=admins, reader=caller.role) for it in subscriptions]


lambda_handler = serve(app)
