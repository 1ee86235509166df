"""HTTP helpers for route handlers: access rules, request accessors, response builders."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import accumulate
from typing import Any, Literal
from urllib.parse import parse_qsl, quote

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import ApiGatewayResolver, Response
from aws_lambda_powertools.event_handler.middlewares import BaseMiddlewareHandler, NextMiddleware
from pydantic import BaseModel
from pydantic_core import to_json

from oms.core import clock
from oms.core.errors import InvalidRequestError, OmsError, StaleVersionError, UnauthenticatedError
from oms.core.pages import Page, decode_cursor, encode_cursor
from oms.core.rate_limits import Allowance
from oms.core.schemas import Shown
from oms.core.versions import ANY_VERSION, ExpectedVersion, entity_tag
from oms.http.client_address import client_address as address_of
from oms.http.powertools import JsonText, encode
from oms.identity.access import CurrentUser

logger = Logger()

type Role = Literal["public", "customer", "manager", "admin"]
_TAG = re.compile(r'"[\x21\x23-\x7e]*"')
# A list may have empty elements (RFC 9110, section 5.6.1.2).
_TAGS = re.compile(rf"[\s,]*(W/)?{_TAG.pattern}(\s*,[\s,]*(W/)?{_TAG.pattern})*[\s,]*")
# Of the JSON of a page's items. Lambda's limit is 6 MB, and escapes can make the JSON three times as large.
MAX_PAGE_BYTES = 1024 * 1024
# The page that explains the error codes, each at an anchor of its name.
ERROR_PAGE = "/docs/errors"
# API Gateway ends a request after 30 seconds.
_MAX_REQUEST_TIME = timedelta(seconds=30)
# RFC 3986: characters that need no escape in a URI, and a percent sign that begins no escape.
_IN_URI = "~!$%&'()*+,;=:@/"
_BARE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


class NotAdmittedError(Exception):
    """A request reached a route without admission by the route's access rule. It is a bug and fails the request."""


class AccessRule(BaseMiddlewareHandler[ApiGatewayResolver]):
    """The roles that may call a route. As the route's middleware, the rule stops requests that it did not admit.

    `oms.http.admission` admits requests before the resolver sees them, so neither depends on validation.
    """

    def __init__(self, role: Role, manager_parameters: Sequence[str] = (), *, head: bool = True) -> None:
        self.role = role
        self.manager_parameters = frozenset(manager_parameters)
        self.head = head
        self.security: list[dict[str, list[str]]] = [] if role == "public" else [{"accessToken": []}]
        self.extensions: dict[str, Any] = {"x-role": role}
        if manager_parameters:
            self.extensions["x-manager-parameters"] = list(manager_parameters)
        if not head:
            self.extensions["x-head"] = False

    def handler(self, app: ApiGatewayResolver, next_middleware: NextMiddleware) -> Response[Any]:
        if current_request.get().admitted_by is not self:
            raise NotAdmittedError
        return next_middleware(app)

    @property
    def options(self) -> dict[str, Any]:
        """Options for a route's decorator: the rule, and its description in the OpenAPI document."""
        return {"middlewares": [self], "openapi_extensions": self.extensions, "security": self.security}


def customer(*, manager_params: Sequence[str]) -> dict[str, Any]:
    """Returns CUSTOMER's options for a list where only managers may send the query parameters `manager_params`."""
    return AccessRule("customer", manager_params).options


# Each admits the roles above it too: customers are below managers, and managers below admins.
PUBLIC = AccessRule("public").options
CUSTOMER = AccessRule("customer").options
MANAGER = AccessRule("manager").options
# For a GET with side effects, which does not allow HEAD.
MANAGER_WITHOUT_HEAD = AccessRule("manager", head=False).options
ADMIN = AccessRule("admin").options


# ---- the current request --------------------------------------------------------------------------------------------


@dataclass
class RequestContext:
    """The current request. Lambda serves one request at a time in a process."""

    event: Mapping[str, Any]
    headers: Mapping[str, str]
    user: CurrentUser | None = None
    # Set by `oms.http.admission` alone.
    admitted_by: AccessRule | None = None
    # The variables in the path and the parsed body, set after admission.
    variables: Mapping[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    answer_headers: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return str(self.event["requestContext"]["requestId"])

    @property
    def method(self) -> str:
        """The method that the client sent. The resolver gets GET for a HEAD."""
        return str(self.event["requestContext"]["http"]["method"])

    @cached_property
    def path(self) -> str:
        return _BARE_PERCENT.sub("%25", quote(str(self.event["rawPath"]), safe=_IN_URI, errors="replace"))

    @cached_property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(self.event.get("rawQueryString") or "", keep_blank_values=True)


current_request: ContextVar[RequestContext] = ContextVar("request")


def current_user() -> CurrentUser:
    """Returns the caller. Raises UnauthenticatedError in a public route."""
    user = current_request.get().user
    if user is None:
        raise UnauthenticatedError
    return user


def tag_logs_with_user(user_id: str) -> None:
    """Adds the user to the log lines of this request."""
    logger.append_keys(user_id=user_id)


def bearer_token() -> str | None:
    """Returns the access token in the Authorization header, without checking it; None if there is none."""
    scheme, _, token = current_request.get().headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def client_address() -> str:
    request = current_request.get()
    return address_of(request.event["requestContext"]["http"]["sourceIp"], request.headers)


def received_at() -> datetime:
    """Returns the time when the request reached API Gateway. A cold function starts seconds later.

    It is the current time if API Gateway's time is missing or not within the last 30 seconds.
    """
    now, milliseconds = clock.now(), current_request.get().event["requestContext"].get("timeEpoch")
    if isinstance(milliseconds, int) and not isinstance(milliseconds, bool):
        received = clock.outside(clock.from_seconds(milliseconds / 1000))
        if now - _MAX_REQUEST_TIME <= received <= now:
            return received
    return now


def user_agent() -> str:
    return current_request.get().headers.get("user-agent", "")[:256]


def idempotency_key() -> str | None:
    key = current_request.get().headers.get("idempotency-key")
    if key is not None and not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        raise InvalidRequestError.at("must be 1 to 255 visible ASCII characters", header="Idempotency-Key")
    return key


_NOT_HONOURED = "is not supported here; omit it"
_versioned: set[Callable[..., Any]] = set()


def versioned[F: Callable[..., Any]](function: F) -> F:
    """Marks the function of a route that honours If-Match by `expected_version`. Changes without the mark refuse
    If-Match.
    """
    _versioned.add(function)
    return function


def is_versioned(function: Callable[..., Any]) -> bool:
    return function in _versioned


def check_conditions(function: Callable[..., Any]) -> None:
    """Refuses (422) conditions that a change would ignore, because the client relies on them (RFC 9110, 13.1).

    `If-Match: *` requires that the resource exists, which a 404 answers. `check_shown` checks reads.
    """
    request = current_request.get()
    if is_read():
        _named_tags()
        return
    refused = ["If-None-Match"] if "if-none-match" in request.headers and request.method != "GET" else []
    if not is_versioned(function) and request.headers.get("if-match", "*").strip() != "*":
        refused.append("If-Match")
    if refused:
        raise InvalidRequestError([{"header": name, "detail": _NOT_HONOURED} for name in refused])


def is_read() -> bool:
    """Returns whether the request only reads. Some GETs have side effects: see `MANAGER_WITHOUT_HEAD`."""
    request = current_request.get()
    return request.method in ("GET", "HEAD") and request.admitted_by is not None and request.admitted_by.head


def check_shown(etag: str | None) -> None:
    """Checks If-Match of a read: 412 if it does not name the current `etag`, 422 if the resource has none."""
    tags = _named_tags()
    if tags is None:
        return
    if etag is None:
        raise InvalidRequestError.at(_NOT_HONOURED, header="If-Match")
    if etag.removeprefix("W/") not in tags:
        raise StaleVersionError(
            f"If-Match does not name the current ETag, which is {etag}. Get the resource again.", headers={"ETag": etag}
        )


def _named_tags() -> list[str] | None:
    """Returns the tags in If-Match; None if it allows every version. Weak tags count as strong ones.

    Raises InvalidRequestError if the header is malformed.
    """
    header = current_request.get().headers.get("if-match", "*").strip()
    if header == "*":
        return None
    if not _TAGS.fullmatch(header):
        raise InvalidRequestError.at('must be an ETag from a response, such as "3", or *', header="If-Match")
    return [found[0] for found in _TAG.finditer(header)]


def expected_version() -> ExpectedVersion:
    """Returns the version that If-Match names. Raises InvalidRequestError (422) for a malformed header.

    Routes call it before the service, so a malformed header gives 422 even if the resource does not exist.
    """
    tags = _named_tags()
    return ANY_VERSION if tags is None else ExpectedVersion(frozenset(tags))


def _cursor_binding() -> list[object]:
    """Returns the values to which a cursor is bound: user, path, and the query without `cursor` and `limit`."""
    request = current_request.get()
    query = [pair for pair in request.query if pair[0] not in ("cursor", "limit")]
    return [current_user().id, request.path, sorted(query)]


def show_allowance(allowance: Allowance) -> None:
    """Adds the rate-limit headers to this request's response, also to an error."""
    for name, value in allowance.headers.items():
        answer_header(name, value)


def answer_header(name: str, value: str) -> None:
    """Adds a header to this request's response, also to an error."""
    current_request.get().answer_headers[name] = value


# ---- responses ------------------------------------------------------------------------------------------------------


def ok[T: BaseModel](content: T | Shown[T], *, version: int | None = None, replayed: bool = False) -> Response[T]:
    return _answer(200, content, version, replayed)


def created[T: BaseModel](
    content: T | Shown[T], *, location: str, version: int | None = None, replayed: bool = False
) -> Response[T]:
    response = _answer(201, content, version, replayed)
    response.headers["Location"] = location
    return response


def started[T: BaseModel](
    content: T, *, location: str | None = None, replayed: bool = False, retry_after: int | None = None
) -> Response[T]:
    """Returns 202 Accepted with the state of the job. `retry_after`: seconds until the next poll."""
    response = _answer(202, content, None, replayed)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    if location is not None:
        response.headers["Location"] = location
    return response


def see_other[T: BaseModel](content: T, *, location: str) -> Response[T]:
    """Returns 303 See Other with `location`."""
    response = _answer(303, content, None, False)
    response.headers["Location"] = location
    return response


def listed[T, P: BaseModel](page: Page[T], show: Callable[[T], BaseModel | Shown[Any]], answer: type[P]) -> Response[P]:
    """Returns a page as `answer(items=…, next_cursor=…)`. A page of large items ends early: Lambda's limit is 6 MB."""
    items = [show(item) for item in page.items]
    text = _page_json(answer, items, page.position)
    if len(text.encode()) > MAX_PAGE_BYTES:
        number = _number_that_fits(items)
        position = page.position if number == len(items) else page.placed[number - 1][0]
        text = _page_json(answer, items[:number], position)
    return _answer(200, text, None, False)


def _page_json(answer: type[BaseModel], items: Sequence[Any], position: str | None) -> JsonText:
    content = {"items": items, "next_cursor": list_cursor(position)}
    is_shown = bool(items) and isinstance(items[0], Shown)
    return encode(answer, Shown(content) if is_shown else answer(**content))


def _number_that_fits(items: Sequence[Any]) -> int:
    """Returns how many of the items a page may have: at least one."""
    sizes = accumulate(len(to_json(item)) for item in items)
    return max(1, sum(size <= MAX_PAGE_BYTES for size in sizes))


def list_cursor(position: str | None) -> str | None:
    """Returns the cursor for the page after `position`."""
    return encode_cursor(position, _cursor_binding())


def list_position(cursor: str | None) -> str | None:
    """Returns the position after which this request's page starts."""
    return decode_cursor(cursor, _cursor_binding())


def public_document(content: Any, *, max_age: int | None) -> Response[Any]:
    """Returns public JSON with an ETag of its content. Caches may keep it for `max_age` seconds; None forbids caching.

    If API Gateway has CORS rules, they replace Access-Control-Allow-Origin.
    """
    headers: dict[str, str | list[str]] = {
        "ETag": _content_tag(content),
        "Cache-Control": "no-store" if max_age is None else f"public, max-age={max_age}",
        "Access-Control-Allow-Origin": "*",
    }
    return Response(200, "application/json", content, headers)


def private_document[T: BaseModel](content: T, *, max_age: int) -> Response[T]:
    """Returns a document for the caller, as `public_document`. Only the caller's own cache may keep it."""
    headers: dict[str, str | list[str]] = {
        "ETag": _content_tag(content.model_dump()),
        "Cache-Control": f"private, max-age={max_age}",
    }
    return Response(200, "application/json", content, headers)


def _content_tag(content: Any) -> str:
    """Returns an ETag of the content. Weak, because the plain and the compressed form have the same ETag."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:20]
    return f'W/"{digest}"'


def accepted() -> Response[None]:
    """Returns 202 Accepted without content, which does not reveal whether work follows."""
    return Response(status_code=202)


def no_content(*, version: int | None = None) -> Response[None]:
    return Response(status_code=204, headers={} if version is None else {"ETag": entity_tag(version)})


def _answer(status: int, content: Any, version: int | None, replayed: bool) -> Response[Any]:
    headers: dict[str, str | list[str]] = {}
    if version is not None:
        headers["ETag"] = entity_tag(version)
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(status_code=status, content_type="application/json", body=content, headers=headers)


def problem(error: OmsError) -> Response[str]:
    """Returns the problem response (RFC 9457) of an error. `instance` is the path; `request_id` finds the log lines."""
    request = current_request.get()
    content = {
        "type": f"{ERROR_PAGE}#{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": str(error),
        "instance": request.path,
        "code": error.code,
        "request_id": request.id,
        **error.extra,
    }
    return Response(error.status, "application/problem+json", json.dumps(content), dict(error.headers))
