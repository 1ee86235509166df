"""What routes speak HTTP with: who may call them, what they may ask of the request, how they answer."""

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
# Of a page's items, in bytes of their JSON. Three times that still fits where all of it has to be escaped.
MAX_PAGE_BYTES = 1024 * 1024
# The page that explains each code at an anchor of its name.
ERROR_PAGE = "/docs/errors"
# API Gateway ends a request after 30 seconds.
_MAX_REQUEST_TIME = timedelta(seconds=30)
# What a URI may hold unescaped, and the sign of what is escaped already (RFC 3986).
_IN_URI = "~!$%&'()*+,;=:@/"
_BARE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


class NotAdmittedError(Exception):
    """A route was reached by a request that its access rule did not admit: a fault of the program, never answered."""


class AccessRule(BaseMiddlewareHandler[ApiGatewayResolver]):
    """Who may call a route. As the route's own middleware it ends every request that was not admitted by it.

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
        """Options of a route's decorator: the rule itself, and what the OpenAPI document says of it."""
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


# ---- the request at hand --------------------------------------------------------------------------------------------


@dataclass
class RequestContext:
    """What the routes may ask of the request being served; Lambda serves one at a time in a process."""

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
    """Who asks. Only routes that are not public have one."""
    user = current_request.get().user
    if user is None:
        raise UnauthenticatedError
    return user


def tag_logs_with_user(user_id: str) -> None:
    """Names the user on the log lines of a route that finds out itself who asks."""
    logger.append_keys(user_id=user_id)


def bearer_token() -> str | None:
    """The access token in the Authorization header, unchecked."""
    scheme, _, token = current_request.get().headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def client_address() -> str:
    request = current_request.get()
    return address_of(request.event["requestContext"]["http"]["sourceIp"], request.headers)


def received_at() -> datetime:
    """When the request reached API Gateway, which alone sets this; a cold function gets to it seconds later. Now where
    that is not said, or is no time within the 30 seconds that a request can take.
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


_NOT_HONOURED = "is not honoured here: leave it out"
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
    """Refuses (422) conditions that a change would pass over: its client would think itself protected (RFC 9110, 13.1).

    `If-Match: *` asks that the thing exists, which a 404 answers. That of a read is looked at by `check_shown`.
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
    """Refuses a read: with 412 where If-Match does not name what is shown, with 422 where this has no version."""
    tags = _named_tags()
    if tags is None:
        return
    if etag is None:
        raise InvalidRequestError.at(_NOT_HONOURED, header="If-Match")
    if etag.removeprefix("W/") not in tags:
        raise StaleVersionError(f"The current ETag is {etag}.", headers={"ETag": etag})


def _named_tags() -> list[str] | None:
    """The tags that If-Match names; None where every version will do. Weak tags count as strong ones.

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
    """What a list's cursor is bound to: the user, the path, and the query without the page's own parameters."""
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
    """202 with what is under way now. `retry_after` is the seconds after which to look again."""
    response = _answer(202, content, None, replayed)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    if location is not None:
        response.headers["Location"] = location
    return response


def see_other[T: BaseModel](content: T, *, location: str) -> Response[T]:
    """303: what was asked for is there."""
    response = _answer(303, content, None, False)
    response.headers["Location"] = location
    return response


def listed[T, P: BaseModel](page: Page[T], show: Callable[[T], BaseModel], answer: type[P]) -> Response[P]:
    """A page as `answer(items=…, next_cursor=…)`. It ends early where items are large: Lambda answers 6 MB."""
    items: list[BaseModel] = []
    size, position = 0, page.position
    for number, (_, thing) in enumerate(page.placed):
        item = show(thing)
        size += len(item.model_dump_json().encode())
        if items and size > MAX_PAGE_BYTES:
            position = page.placed[number - 1][0]
            break
        items.append(item)
    return ok(answer(items=items, next_cursor=list_cursor(position)))


def list_cursor(position: str | None) -> str | None:
    """What leads this request's list on after `position`."""
    return encode_cursor(position, _list_scope())


def list_position(cursor: str | None) -> str | None:
    """Where this request's list is to go on."""
    return decode_cursor(cursor, _list_scope())


def public_document(content: Any, *, max_age: int | None) -> Response[Any]:
    """JSON that anyone may read, and keep for `max_age` seconds, with a tag of what it says.

    Where API Gateway has CORS rules of its own, it puts them in the place of Access-Control-Allow-Origin.
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
    """What was asked for is done later, if at all; nothing is said of it."""
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
