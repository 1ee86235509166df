"""Request and response of the request log's route."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from oms.core.schemas import (
    BEFORE,
    SINCE,
    From,
    NextCursor,
    OneOf,
    PageQuery,
    Response,
    TextPattern,
    TimeRange,
    Timestamp,
    To,
    ValueList,
)

# With all filters, a pattern then has less than the 1,024 characters that CloudWatch Logs allows.
_MAX_VALUES = 3

# No type allows a quotation mark, a backslash or an asterisk: see `oms.request_log.pattern`.
_Id = Annotated[str, TextPattern(r"[0-9A-Za-z-]{1,20}", "must have 1 to 20 letters, digits and dashes")]
_Status = Annotated[str, TextPattern(r"[1-5](xx|[0-9][0-9])", "must be a status such as 404, or a class such as 4xx")]
_Operation = Annotated[str, TextPattern(r"[a-z_]{1,30}", "must have 1 to 30 of a-z and underscores")]
_PATH = TextPattern(r"(/[0-9A-Za-z.…-]*)+", "must be a path as the log shows it, such as /api/v1/orders")
_REQUEST_ID = TextPattern(r"[0-9A-Za-z+/=_-]{1,64}", "must be the X-Request-Id of a response")
_Method = Annotated[str, OneOf(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))]


class ListRequestsQuery(TimeRange, PageQuery):
    key: Annotated[tuple[_Id, ...], ValueList(most=_MAX_VALUES)] | None = Field(
        None, description="Requests by these service keys, by id.", examples=[["0C8Z4V6T2R9QKX1M5N7P"]]
    )
    actor: Annotated[tuple[_Id, ...], ValueList(most=_MAX_VALUES)] | None = Field(
        None, description="Requests by these users or service keys, by id.", examples=[["YVT65M7QNAW9TXAQ7PHA"]]
    )
    status: Annotated[tuple[_Status, ...], ValueList(most=_MAX_VALUES)] | None = Field(
        None, description="Responses with these statuses: `404`, or `4xx` for all of a class.", examples=[["4xx"]]
    )
    method: Annotated[tuple[_Method, ...], ValueList(most=_MAX_VALUES)] | None = Field(
        None, description="Requests with these methods.", examples=[["POST"]]
    )
    path: Annotated[str, StringConstraints(max_length=100), _PATH] | None = Field(
        None, description="Requests to exactly this path, as the log shows it.", examples=["/api/v1/orders"]
    )
    operation: Annotated[tuple[_Operation, ...], ValueList(most=_MAX_VALUES)] | None = Field(
        None,
        description="Requests of these operations, by the `operationId` in the OpenAPI document.",
        examples=[["create_order"]],
    )
    request_id: Annotated[str, _REQUEST_ID] | None = Field(
        None, description="The request with this id, the `X-Request-Id` of its response.", examples=["JKJaXmPLvHcESHA="]
    )
    from_: From | None = Field(
        None, alias="from", description=f"Requests that ended {SINCE} The log goes back seven days."
    )
    to: To | None = Field(None, description=f"Requests that ended {BEFORE}")


class RequestActorResponse(Response):
    """The actor of a request."""

    id: str = Field(description="The id of the user or the service key.", examples=["YVT65M7QNAW9TXAQ7PHA"])
    role: str | None = Field(
        description="The user's role at that time; `service` for a service key.", examples=["manager"]
    )


class LoggedRequestResponse(Response):
    """A request that the API has answered."""

    at: Timestamp = Field(description="When the response was ready.")
    request_id: str = Field(description="The `X-Request-Id` of the response.", examples=["JKJaXmPLvHcESHA="])
    method: str = Field(description="The method.", examples=["POST"])
    path: str = Field(
        description="The path without the query. `…` replaces a part that is not an id, such as an e-mail address.",
        examples=["/api/v1/orders"],
    )
    operation: str | None = Field(
        description="The `operationId` of the operation; null for an unknown path or method.",
        examples=["create_order"],
    )
    status: int = Field(description="The status of the response.", examples=[409])
    code: str | None = Field(
        description="The `code` of the problem response; null for other responses.", examples=["insufficient-stock"]
    )
    duration_ms: float = Field(description="The time in the function, in milliseconds.", examples=[12.5])
    actor: RequestActorResponse | None = Field(
        description="The user or the service key that sent the request; null without a valid token."
    )
    key_id: str | None = Field(
        description="The id of the service key; null for other requests.", examples=["0C8Z4V6T2R9QKX1M5N7P"]
    )
    address: str | None = Field(
        description="The client's IP address if a service key was sent; otherwise null.", examples=["203.0.113.7"]
    )

    @classmethod
    def of(cls, at: str, line: dict[str, Any]) -> "LoggedRequestResponse":
        """Returns the request of a log line. Raises ValueError if the line lacks a field."""
        actor_id = line.get("user_id") or line.get("key_id")
        return cls.model_validate(
            {
                "at": at,
                **{name: line.get(name) for name in cls.model_fields if name not in ("at", "actor")},
                "actor": {"id": actor_id, "role": line.get("role")} if actor_id else None,
            }
        )


class RequestPage(Response):
    """A page of the request log, newest first."""

    items: list[LoggedRequestResponse] = Field(description="The requests of this page.")
    next_cursor: NextCursor
