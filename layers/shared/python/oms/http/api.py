"""HTTP helpers for route handlers: access rules, request accessors, response builders."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import CodeType, FunctionType
from typing import Any, Literal
from urllib.parse import parse_qsl, quote

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import ApiGatewayResolver, Response
from aws_lambda_powertools.event_handler.middlewares import BaseMiddlewareHandler, NextMiddleware
from pydantic import BaseModel

from oms.core import clock
from oms.core.errors import InvalidRequestError, OmsError, StaleVersionError, UnauthenticatedError
from oms.core.pages import Page, decode_cursor, encode_cursor
from oms.core.rate_limits import Allowance
from oms.core.versions import ANY_VERSION, ExpectedVersion, entity_tag
from oms.http.client_address import client_address as address_of
from oms.identity.access import CurrentUser

logger = Logger()

type Role = Literal["public", "customer", "manager", "admin"]
_TAG = re.compile(r'"[\x21\x23-\x7e]*"')
# A list may have empty elements (RFC 9110, section 5.6.1.2).
_TAGS = re.compile(rf"[\s,]*(W/)?{_TAG.pattern}(\s*,[\s,]*(W/)?{_TAG.pattern})*[\s,]*")
# The JSON of a page's items. Lambda's limit is 6 MB, and escapes can make the JSON three times as large.
MAX_PAGE_BYTES = 1024 * 1024
# The page that explains each code at an anchor of its name.
ERROR_PAGE = "/docs/errors"
# API Gateway ends a request after 30 seconds.
_MAX_REQUEST_TIME = timedelta(seconds=30)
# Characters that a URI holds unescaped, and a percent sign that escapes nothing (RFC 3986).
_IN_URI = "~!$%&'()*+,;=:@/"
_BARE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


class NotAdmittedError(Exception):
    """A request reached a route without admission by its access rule: a bug, which ends the request."""


class AccessRule(BaseMiddlewareHandler[ApiGatewayResolver]):
    """The roles that may call a route. As the route's middleware, it stops every request that it did not admit.

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
    """As CUSTOMER, for a list where only managers may send the query parameters `manager_params`."""
    return AccessRule("customer", manager_params).options


PUBLIC = AccessRule("public").options
CUSTOMER = AccessRule("customer").options
MANAGER = AccessRule("manager").options
# For a GET that has side effects: HEAD is not allowed.
MANAGER_WITHOUT_HEAD = AccessRule("manager", head=False).options
ADMIN = AccessRule("admin").options


# ---- the current request --------------------------------------------------------------------------------------------


@dataclass
class RequestContext:
    """The request that is being served. Lambda serves one at a time in a process."""

    event: Mapping[str, Any]
    headers: Mapping[str, str]
    user: CurrentUser | None = None
    # Set by `oms.http.admission` alone.
    admitted_by: AccessRule | None = None
    # The variables in the path and the parsed body, once the request is admitted.
    variables: Mapping[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    answer_headers: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return str(self.event["requestContext"]["requestId"])

    @property
    def method(self) -> str:
        """As the client sent it: the resolver sees a HEAD as GET."""
        return str(self.event["requestContext"]["http"]["method"])

    @property
    def path(self) -> str:
        return _BARE_PERCENT.sub("%25", quote(str(self.event["rawPath"]), safe=_IN_URI, errors="replace"))

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(self.event.get("rawQueryString") or "", keep_blank_values=True)


current_request: ContextVar[RequestContext] = ContextVar("request")


def current_user() -> CurrentUser:
    """The caller. Raises UnauthenticatedError in a public route."""
    user = current_request.get().user
    if user is None:
        raise UnauthenticatedError
    return user


def tag_logs_with_user(user_id: str) -> None:
    """Adds the user to the log lines of this request."""
    logger.append_keys(user_id=user_id)


def bearer_token() -> str | None:
    """The access token in the Authorization header, unchecked."""
    scheme, _, token = current_request.get().headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def client_address() -> str:
    request = current_request.get()
    return address_of(request.event["requestContext"]["http"]["sourceIp"], request.headers)


def received_at() -> datetime:
    """When the request reached API Gateway; a cold function starts seconds later.

    Returns the current time if API Gateway's time is missing or not within the last 30 seconds.
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
    """Marks the function of a change that honours If-Match, by `expected_version`. Every other one refuses it."""
    _versioned.add(function)
    return function


def is_versioned(function: Callable[..., Any]) -> bool:
    return function in _versioned


def require_honest_mark(function: FunctionType) -> None:
    """Raises TypeError for a function that is marked `versioned` without calling `expected_version`, or the reverse."""
    calls = "expected_version" in _names_used(function)
    if calls != is_versioned(function):
        lacks = "the mark @api.versioned" if calls else "a call of api.expected_version"
        raise TypeError(f"lacks {lacks}: If-Match would be refused, or passed over")


def _names_used(function: FunctionType) -> set[str]:
    """The names in a function's code, and in that of the functions of its module which it uses."""
    found: set[str] = set()
    codes, followed = [function.__code__], {function}
    while codes:
        code = codes.pop()
        codes += [it for it in code.co_consts if isinstance(it, CodeType)]
        for name in code.co_names:
            used = function.__globals__.get(name)
            if isinstance(used, FunctionType) and used.__module__ == function.__module__ and used not in followed:
                followed.add(used)
                codes.append(used.__code__)
        found |= set(code.co_names)
    return found


def check_conditions(function: Callable[..., Any]) -> None:
    """Refuses (422) conditions that a change would ignore: its client would rely on them (RFC 9110, 13.1).

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
    """Whether the request only reads. There is a GET that starts something: see `MANAGER_WITHOUT_HEAD`."""
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
        raise StaleVersionError(f"The current ETag is {etag}.", headers={"ETag": etag})


def _named_tags() -> list[str] | None:
    """The tags in If-Match; None if it allows every version. Weak tags count as strong ones.

    Raises InvalidRequestError where the header is malformed.
    """
    header = current_request.get().headers.get("if-match", "*").strip()
    if header == "*":
        return None
    if not _TAGS.fullmatch(header):
        raise InvalidRequestError.at('must be an entity tag such as "3"', header="If-Match")
    return [found[0] for found in _TAG.finditer(header)]


def expected_version() -> ExpectedVersion:
    """The version that If-Match names. Raises InvalidRequestError (422) for a malformed header.

    A route calls it before its service, so that a malformed header is refused before a resource that is missing.
    """
    tags = _named_tags()
    return ANY_VERSION if tags is None else ExpectedVersion(frozenset(tags))


def _list_scope() -> list[object]:
    """The scope of a list's cursor: the user, the path, and the query without `cursor` and `limit`."""
    request = current_request.get()
    query = [pair for pair in request.query if pair[0] not in ("cursor", "limit")]
    return [current_user().id, request.path, sorted(query)]


def show_allowance(allowance: Allowance) -> None:
    """Puts it on this request's answer, however that ends."""
    for name, value in allowance.headers.items():
        answer_header(name, value)


def answer_header(name: str, value: str) -> None:
    """Adds a header to this request's answer, also when it ends as an error."""
    current_request.get().answer_headers[name] = value


# ---- answers --------------------------------------------------------------------------------------------------------


def ok[T: BaseModel](content: T, *, version: int | None = None, replayed: bool = False) -> Response[T]:
    return _answer(200, content, version, replayed)


def created[T: BaseModel](
    content: T, *, location: str, version: int | None = None, replayed: bool = False
) -> Response[T]:
    response = _answer(201, content, version, replayed)
    response.headers["Location"] = location
    return response


def started[T: BaseModel](
    content: T, *, location: str | None = None, replayed: bool = False, retry_after: int | None = None
) -> Response[T]:
    """202 Accepted with the state of the job. `retry_after`: seconds until the next poll."""
    response = _answer(202, content, None, replayed)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    if location is not None:
        response.headers["Location"] = location
    return response


def see_other[T: BaseModel](content: T, *, location: str) -> Response[T]:
    """303 See Other to `location`."""
    response = _answer(303, content, None, False)
    response.headers["Location"] = location
    return response


def listed[T, P: BaseModel](page: Page[T], show: Callable[[T], BaseModel], answer: type[P]) -> Response[P]:
    """A page as `answer(items=…, next_cursor=…)`. It ends early where items are large: Lambda answers 6 MB."""
    items: list[BaseModel] = []
    size, position = 0, page.position
    for number, (_, shown) in enumerate(page.placed):
        item = show(shown)
        size += len(item.model_dump_json().encode())
        if items and size > MAX_PAGE_BYTES:
            position = page.placed[number - 1][0]
            break
        items.append(item)
    return ok(answer(items=items, next_cursor=list_cursor(position)))


def list_cursor(position: str | None) -> str | None:
    """Cursor for the page after `position`."""
    return encode_cursor(position, _list_scope())


def list_position(cursor: str | None) -> str | None:
    """The position after which this request's page starts."""
    return decode_cursor(cursor, _list_scope())


def public_document(content: Any, *, max_age: int | None) -> Response[Any]:
    """Public JSON with an ETag of its content. Caches may keep it for `max_age` seconds; None forbids it.

    If API Gateway has CORS rules, they replace Access-Control-Allow-Origin.
    """
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:20]
    headers: dict[str, str | list[str]] = {
        # Weak: the same for the plain and the compressed form.
        "ETag": f'W/"{digest}"',
        "Cache-Control": "no-store" if max_age is None else f"public, max-age={max_age}",
        "Access-Control-Allow-Origin": "*",
    }
    return Response(200, "application/json", content, headers)


def accepted() -> Response[None]:
    """202 Accepted without content: the answer does not reveal whether work follows."""
    return Response(status_code=202)


def no_content(*, version: int | None = None) -> Response[None]:
    return Response(status_code=204, headers={} if version is None else {"ETag": entity_tag(version)})


def _answer[T: BaseModel](status: int, content: T, version: int | None, replayed: bool) -> Response[T]:
    headers: dict[str, str | list[str]] = {}
    if version is not None:
        headers["ETag"] = entity_tag(version)
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(status_code=status, content_type="application/json", body=content, headers=headers)


def problem(error: OmsError) -> Response[str]:
    """The answer to a refusal (RFC 9457). `instance` is the path; `request_id` finds the log lines."""
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
