"""What the webhook routes take and give."""

from collections.abc import Collection
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    ConfigDict,
    Field,
    StringConstraints,
)

from oms.schemas import From, PartialRequest, Request, Response, Span, To, at_second
from oms.webhooks.models import Attempt, Delivery, Subscription

# What managers read for the path of a webhook's URL.
REDACTED_PATH = "/redacted"

Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2000),
    Field(description="https, on port 443, at a public address"),
]
Patterns = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=100)]],
    Field(min_length=1, max_length=50, description="Types such as order.created, order.* or *; see /event-catalogue"),
]
Description = Annotated[str, StringConstraints(max_length=500)]


class CreateWebhookRequest(Request):
    url: Url
    events: Patterns
    description: Description | None = None


class UpdateWebhookRequest(PartialRequest):
    """What is left out stays; `description: null` takes it away. `active` also enables one that was disabled."""

    url: Url = Field(default_factory=str)
    events: Patterns = Field(default_factory=list)
    description: Description | None = None
    status: Literal["active", "paused"] = Field(default_factory=lambda: "active")


Status = Literal["active", "paused", "disabled"]
DisabledReason = Annotated[Literal["failing", "gone"] | None, Field(description="`gone`: the receiver answered 410")]


class WebhookData(Response):
    """As events tell of a subscription: of its URL the host alone, as the path may be a secret.

    `failing_since` is the first failure after the last success; five days of it disable the subscription.
    """

    id: str
    host: str
    events: list[str]
    description: str | None
    status: Status
    disabled_reason: DisabledReason
    failing_since: str | None

    @classmethod
    def of(cls, subscription: Subscription) -> Self:
        shown = {name: getattr(subscription, name) for name in cls.model_fields if name != "host"}
        return cls.model_validate(shown | {"host": urlsplit(subscription.url).hostname})


def _without_path(url: str) -> str:
    """The URL without what may be a secret: its path and its query."""
    parts = urlsplit(url)
    return url if parts.path in ("", "/") and not parts.query else f"{parts.scheme}://{parts.netloc}{REDACTED_PATH}"


class WebhookResponse(Response):
    """`failing_since` is the first failure after the last success; five days of it disable the subscription."""

    id: str
    url: str = Field(
        description=f"Managers read the path as `{REDACTED_PATH}`: path and query may be a secret of the receiver",
        examples=["https://erp.example/hooks/orders"],
    )
    events: list[str]
    description: str | None
    status: Status
    disabled_reason: DisabledReason
    failing_since: str | None
    version: int
    created_at: str
    updated_at: str
    created_by: str = Field(description="The user who made it. It goes on when they leave")
    creator_is_admin: bool = Field(
        description="Whether that user is an active admin now. If not, check who reads what the webhook sends",
        examples=[True],
    )

    @classmethod
    def of(cls, subscription: Subscription, *, admins: Collection[str], for_admin: bool) -> Self:
        """`admins` has the creator if they are an active admin."""
        shown = {name: getattr(subscription, name) for name in cls.model_fields if name != "creator_is_admin"}
        if not for_admin:
            shown["url"] = _without_path(subscription.url)
        return cls.model_validate(shown | {"creator_is_admin": subscription.created_by in admins})


class CreatedWebhookResponse(WebhookResponse):
    secret: str = Field(description="Shown this once: deliveries are signed with it")


class RotatedSecretResponse(Response):
    secret: str = Field(description="Shown this once: deliveries are signed with it from now on")
    previous_valid_until: str = Field(description="Until then deliveries are signed with the old secret too")


class WebhookPage(Response):
    items: list[WebhookResponse]
    next_cursor: str | None


class AttemptResponse(Response):
    at: str
    status_code: int | None
    duration_ms: int | None
    error: str | None = Field(description="Why there was no answer")
    answer: str | None = Field(description="The beginning of the answer's body")

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        return cls.model_validate({name: getattr(attempt, name) for name in cls.model_fields})


class DeliveryResponse(Response):
    """`paused`: kept for a replay, as the subscription was not active when it was due."""

    id: str
    event_id: str
    event_type: str
    status: Literal["pending", "delivered", "failed", "paused"]
    attempts: list[AttemptResponse]
    next_attempt_at: str | None
    created_at: str

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        return cls.model_validate(
            {
                **{name: getattr(delivery, name) for name in ("id", "event_id", "event_type", "status", "created_at")},
                "attempts": [AttemptResponse.of(it) for it in delivery.attempts],
                "next_attempt_at": None if delivery.due_at is None else at_second(delivery.due_at / 1000),
            }
        )


class DeliveryPage(Response):
    items: list[DeliveryResponse]
    next_cursor: str | None


class ReplayWebhookRequest(Span, Request):
    """Which deliveries to send again, by when their events occurred."""

    from_: From = Field(alias="from")
    to: To
    only_failed: bool = Field(False, description="Leaves out what was delivered")


class WebhookReplayResponse(Response):
    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    from_: str = Field(alias="from")
    to: str
    only_failed: bool
    started_at: str
