"""What the webhook routes take and give."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from oms.schemas import Request, Response
from oms.webhooks.models import Subscription

Url = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Patterns = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=100)]],
    Field(min_length=1, max_length=50, description="Types such as order.created, order.* or *"),
]
Description = Annotated[str, StringConstraints(max_length=500)]


class CreateWebhookRequest(Request):
    url: Url
    events: Patterns
    description: Description | None = None


class UpdateWebhookRequest(Request):
    """At least one of them."""

    url: Url | None = None
    events: Patterns | None = None
    description: Description | None = None
    status: Literal["active", "paused"] | None = None


class WebhookResponse(Response):
    id: str
    url: str
    events: list[str]
    description: str | None
    status: Literal["active", "paused", "disabled"]
    disabled_reason: str | None
    failing_since: str | None
    version: int
    created_at: str
    updated_at: str


class CreatedWebhookResponse(WebhookResponse):
    secret: str = Field(description="Shown this once: deliveries are signed with it")


class RotatedSecretResponse(Response):
    secret: str = Field(description="Shown this once")
    previous_valid_until: str = Field(description="Until then deliveries are signed with the old secret too")


class WebhookPage(Response):
    items: list[WebhookResponse]
    next_cursor: str | None


def webhook_response(subscription: Subscription) -> WebhookResponse:
    return WebhookResponse.model_validate(subscription, from_attributes=True)
