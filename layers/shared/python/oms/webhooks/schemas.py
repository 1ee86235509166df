"""Request and response schemas of the webhook routes."""

from collections.abc import Collection
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    ConfigDict,
    Field,
    StringConstraints,
)

from oms.core.schemas import (
    BEFORE,
    INVISIBLE_IS_NULL,
    SINCE,
    From,
    NextCursor,
    PartialRequest,
    Prose,
    Request,
    Response,
    TimeRange,
    Timestamp,
    To,
    at_second,
)
from oms.webhooks.models import INTERRUPTED, Attempt, Delivery, Subscription

# Replaces the path of a webhook's URL for all readers except admins.
REDACTED_PATH = "/redacted"


def _may_read_secrets(role: str) -> bool:
    """Whether a role may read the path and query of a URL, and response bodies, which often repeat them.

    A service key that may read webhooks may also change them, as admins may.
    """
    return role in ("admin", "service")


Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2000),
    Field(
        description="The URL to which events are sent: https, on port 443, at a public address.",
        examples=["https://example.com/hooks/orders"],
    ),
]
Patterns = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=100)]],
    Field(
        min_length=1,
        max_length=50,
        description="The event types to send, such as `order.created`, `order.*` or `*`; "
        "`GET /api/v1/event-catalogue` lists them.",
        examples=[["order.*", "stock.low"]],
    ),
]
Description = Annotated[Annotated[str, Prose(500)] | None, INVISIBLE_IS_NULL]


class CreateWebhookRequest(Request):
    """A new webhook."""

    url: Url
    events: Patterns
    description: Description = Field(
        None, description="The purpose of the webhook.", examples=["Sends orders to the warehouse"]
    )


class UpdateWebhookRequest(PartialRequest):
    """Fields to change. Omitted fields are unchanged; null clears the description."""

    url: Url = Field(default_factory=str)
    events: Patterns = Field(default_factory=list)
    description: Description = Field(
        None, description="The purpose of the webhook; null clears it.", examples=["Sends orders to the warehouse"]
    )
    status: Literal["active", "paused"] = Field(
        default_factory=lambda: "active",
        description="`paused` stores events for a replay; `active` also enables a disabled webhook.",
        examples=["paused"],
    )


type WebhookStatus = Annotated[
    Literal["active", "paused", "disabled"], Field(description="`paused` by an admin, or `disabled` after failures.")
]
type WebhookDisabledReason = Annotated[
    Literal["failing", "gone"], Field(description="The reason that a webhook was disabled.")
]
type DeliveryStatus = Annotated[
    Literal["pending", "delivered", "failed", "paused"], Field(description="The status of a delivery.")
]


class WebhookData(Response):
    """A webhook in an event, with only the host of its URL, since the path may be a secret."""

    id: str = Field(description="The id of the webhook.", examples=["0C8Z4V6T2R9QKX1M5N7P"])
    host: str = Field(description="The host name of its URL.", examples=["example.com"])
    events: list[str] = Field(description="The event types that are sent.", examples=[["order.*"]])
    description: str | None = Field(
        description="The purpose of the webhook.", examples=["Sends orders to the warehouse"]
    )
    status: WebhookStatus = Field(description="Whether events are sent.")
    disabled_reason: WebhookDisabledReason | None = Field(
        description="The reason that it was disabled: `failing` for five days, or `gone`, since the receiver responded "
        "with 410. Null if it is not disabled."
    )
    failing_since: Timestamp | None = Field(
        description="When deliveries began to fail; null after a success. After five days of failures the webhook is "
        "disabled."
    )

    @classmethod
    def of(cls, subscription: Subscription) -> Self:
        shown = {name: getattr(subscription, name) for name in cls.model_fields if name != "host"}
        return cls.model_validate(shown | {"host": urlsplit(subscription.url).hostname})


def _without_path(url: str) -> str:
    """Returns the URL with its path and query replaced, since they may be a secret."""
    parts = urlsplit(url)
    return url if parts.path in ("", "/") and not parts.query else f"{parts.scheme}://{parts.netloc}{REDACTED_PATH}"


class WebhookResponse(Response):
    """A webhook: an endpoint and the event types that it receives."""

    id: str = Field(description="The id of the webhook.", examples=["0C8Z4V6T2R9QKX1M5N7P"])
    url: str = Field(
        description="The URL to which events are sent. Managers see "
        f"`{REDACTED_PATH}` instead of path and query, which may be a secret of the receiver.",
        examples=["https://example.com/hooks/orders"],
    )
    events: list[str] = Field(description="The event types that are sent.", examples=[["order.*", "stock.low"]])
    description: str | None = Field(
        description="The purpose of the webhook.", examples=["Sends orders to the warehouse"]
    )
    status: WebhookStatus = Field(description="Whether events are sent.")
    disabled_reason: WebhookDisabledReason | None = Field(
        description="The reason that it was disabled: `failing` for five days, or `gone`, since the receiver responded "
        "with 410. Null if it is not disabled."
    )
    failing_since: Timestamp | None = Field(
        description="When deliveries began to fail; null after a success. After five days of failures the webhook is "
        "disabled."
    )
    version: int = Field(description="The version, which each change raises; also in the `ETag`.", examples=[1])
    created_at: Timestamp = Field(description="When the webhook was created.")
    updated_at: Timestamp = Field(description="When the webhook last changed.")
    created_by: str = Field(
        description="The id of the user or the service key that created it. The webhook keeps working if the account "
        "is disabled or the key is deleted.",
        examples=["YVT65M7QNAW9TXAQ7PHA"],
    )
    creator_is_admin: bool = Field(
        description="Whether the creator is an active admin now. If not, check which system receives the events. "
        "False for a service key.",
        examples=[True],
    )

    @classmethod
    def of(cls, subscription: Subscription, *, admins: Collection[str], reader: str) -> Self:
        """Returns the response, or the content of a mail, for a reader of that role.

        `admins` includes the creator if they are an active admin.
        """
        shown = {name: getattr(subscription, name) for name in cls.model_fields if name != "creator_is_admin"}
        if not _may_read_secrets(reader):
            shown["url"] = _without_path(subscription.url)
        return cls.model_validate(shown | {"creator_is_admin": subscription.created_by in admins})


class CreatedWebhookResponse(WebhookResponse):
    """The new webhook, with its secret."""

    secret: str = Field(
        description="The secret that signs deliveries (Standard Webhooks). Only this response has it.",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )


class RotatedSecretResponse(Response):
    """The new secret of a webhook."""

    secret: str = Field(
        description="The secret that signs deliveries from now on. Only this response has it.",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    previous_valid_until: Timestamp = Field(
        description="When deliveries are no longer signed with the previous secret too."
    )


class WebhookPage(Response):
    """A page of webhooks."""

    items: list[WebhookResponse] = Field(description="The webhooks of this page.")
    next_cursor: NextCursor


type AttemptStatus = Annotated[
    Literal["in_progress", "succeeded", "failed", "interrupted"], Field(description="The status of an attempt.")
]


class AttemptResponse(Response):
    """One attempt to deliver an event."""

    at: Timestamp = Field(description="When the attempt started.")
    status: AttemptStatus = Field(
        description="The status. `in_progress`: the attempt has not ended. `interrupted`: the sender stopped, so it is "
        "unknown whether the receiver got the event.",
        examples=["succeeded"],
    )
    status_code: int | None = Field(
        description="The status code of the response; null without a response.", examples=[204]
    )
    duration_ms: int | None = Field(description="The duration in milliseconds.", examples=[120])
    error: str | None = Field(
        description="The reason that there was no response; null if there was one.", examples=["timeout"]
    )
    answer: str | None = Field(
        description="The beginning of the response body, for admins. Managers see null, because receivers often repeat "
        "the path of the webhook's URL in it.",
        examples=["ok"],
    )

    @classmethod
    def of(cls, attempt: Attempt, *, in_progress: bool, reader: str) -> Self:
        """Returns the response for a reader of that role.

        Only admins get `answer`. For others it is left out completely: a receiver may repeat its URL decoded, escaped
        or cut off, and no search would find all of these forms.
        """
        return cls(
            at=attempt.at,
            status="in_progress" if in_progress else _status_of(attempt),
            status_code=attempt.status_code,
            duration_ms=attempt.duration_ms,
            error=None if in_progress else attempt.error,
            answer=attempt.answer if _may_read_secrets(reader) else None,
        )


def _status_of(attempt: Attempt) -> Literal["succeeded", "failed", "interrupted"]:
    if attempt.error == INTERRUPTED:
        return "interrupted"
    return "succeeded" if attempt.status_code is not None and 200 <= attempt.status_code < 300 else "failed"


class DeliveryResponse(Response):
    """The delivery of one event to one webhook."""

    id: str = Field(description="The id of the delivery.", examples=["0C8Z4V6T2R9QKX1M5N7P"])
    event_id: str = Field(description="The id of the event, as in `webhook-id`.", examples=["1JE5K7M20C8Z4V6T2R9QKX1M"])
    event_type: str = Field(description="The type of the event.", examples=["order.created"])
    status: DeliveryStatus = Field(
        description="The status. `paused`: the delivery is stored for a replay, since the webhook was not active."
    )
    attempts: list[AttemptResponse] = Field(description="The attempts so far, oldest first.")
    next_attempt_at: Timestamp | None = Field(
        description="When the next attempt starts; null if there is none, and while an attempt is in progress."
    )
    created_at: Timestamp = Field(description="When the delivery was created.")

    @classmethod
    def of(cls, delivery: Delivery, *, in_progress: bool, reader: str) -> Self:
        """Returns the response for a reader of that role. `in_progress`: whether its latest attempt is in progress."""
        has_next = delivery.due_at is not None and not in_progress
        latest = len(delivery.attempts) - 1
        return cls.model_validate(
            {
                **{name: getattr(delivery, name) for name in ("id", "event_id", "event_type", "status", "created_at")},
                "attempts": [
                    AttemptResponse.of(it, in_progress=in_progress and number == latest, reader=reader)
                    for number, it in enumerate(delivery.attempts)
                ],
                "next_attempt_at": at_second((delivery.due_at or 0) / 1000) if has_next else None,
            }
        )


class DeliveryPage(Response):
    """A page of deliveries, newest first."""

    items: list[DeliveryResponse] = Field(description="The deliveries of this page.")
    next_cursor: NextCursor


class ReplayWebhookRequest(TimeRange, Request):
    """The time range in which the events to send again occurred."""

    from_: From = Field(alias="from", description=f"Events {SINCE}")
    to: To = Field(description=f"Events {BEFORE}")
    only_failed: bool = Field(
        False,
        description="`true` leaves out events that were delivered. By default, all events are sent again.",
        examples=[True],
    )


class WebhookReplayResponse(Response):
    """A running replay."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    from_: Timestamp = Field(alias="from", description="Events at this time or later.")
    to: Timestamp = Field(description="Events before this time.")
    only_failed: bool = Field(description="Whether delivered events are left out.", examples=[True])
    started_at: Timestamp = Field(description="When the replay started.")
