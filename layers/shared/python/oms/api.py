"""The HTTP protocol, once for all routes: who may call, what a request may hold, how an answer looks.

A handler module makes its resolver and calls `serve`. Powertools validates requests before any middleware runs, so
the checks that come first in the contract (401, 403, then the body's form) sit in front of its own validation.
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NoReturn, Protocol, cast
from urllib.parse import parse_qsl, quote

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import Route
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as RouteNotFoundError
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.middlewares.openapi_validation import OpenAPIRequestValidationMiddleware
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError, ResponseValidationError
from aws_lambda_powertools.event_handler.types import EventHandlerInstance
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from oms import audit, body
from oms.dynamodb import patience
from oms.errors import (
    ForbiddenError,
    InvalidRequestError,
    MethodNotAllowedError,
    NotFoundError,
    OmsError,
    StaleVersionError,
    UnauthenticatedError,
)
from oms.identity.access import CurrentUser, authenticate
from oms.identity.addresses import client_address as address_of
from oms.pages import Page, decode_cursor, encode_cursor

logger = Logger()
tracer = Tracer()
metrics = Metrics()

type Role = Literal["public", "customer", "manager", "admin"]
_RANK: dict[str, int] = {"customer": 1, "manager": 2, "admin": 3}
_TAG = re.compile(r'"[\x21\x23-\x7e]*"')
_TAGS = re.compile(rf"(W/)?{_TAG.pattern}(\s*,\s*(W/)?{_TAG.pattern})*")
_ID = re.compile(r"[\x21-\x7e]{1,128}")
# Of a page's items, as characters of JSON. Four times that still fits where all of it has to be escaped.
_MAX_PAGE = 1024 * 1024
# What a URI may hold unescaped, and the sign of what is escaped already (RFC 3986).
_IN_URI = "~!$%&'()*+,;=:@/"


def _access(role: Role, managers_parameters: Sequence[str] = ()) -> dict[str, Any]:
    """Options of a route decorator that say who may call it; they also stand in the OpenAPI document."""
    security: list[dict[str, list[str]]] = [] if role == "public" else [{"accessToken": []}]
    extensions: dict[str, Any] = {"x-role": role}
    if managers_parameters:
        extensions["x-manager-parameters"] = list(managers_parameters)
    return {"openapi_extensions": extensions, "security": security}


def customer_with(*managers_parameters: str) -> dict[str, Any]:
    """As CUSTOMER, for a list some of whose filters are for managers only."""
    return _access("customer", managers_parameters)


PUBLIC = _access("public")
CUSTOMER = _access("customer")
MANAGER = _access("manager")
ADMIN = _access("admin")


# ---- the request at hand --------------------------------------------------------------------------------------------


@dataclass
class _Request:
    """What the routes may ask of the request being served; Lambda serves one at a time in a process."""

    event: Mapping[str, Any]
    headers: Mapping[str, str]
    user: CurrentUser | None = None
    answer_headers: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return str(self.event["requestContext"]["requestId"])

    @property
    def path(self) -> str:
        return quote(str(self.event["rawPath"]), safe=_IN_URI, errors="replace")


_request: ContextVar[_Request] = ContextVar("request")


def current_user() -> CurrentUser:
    """Who asks. Only routes that are not public have one."""
    user = _request.get().user
    if user is None:
        raise UnauthenticatedError
    return user


def acting_as(user_id: str) -> None:
    """Names the user on the log lines of a route that finds out itself who asks."""
    logger.append_keys(user_id=user_id)


def bearer_token() -> str | None:
    """The access token in the Authorization header, unchecked."""
    scheme, _, token = _request.get().headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def client_address() -> str:
    request = _request.get()
    return address_of(request.event["requestContext"]["http"]["sourceIp"], request.headers)


def user_agent() -> str:
    return _request.get().headers.get("user-agent", "")[:256]


def idempotency_key() -> str | None:
    key = _request.get().headers.get("idempotency-key")
    if key is not None and not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        raise InvalidRequestError.at("must be 1 to 255 visible ASCII characters", header="Idempotency-Key")
    return key


class _Versioned(Protocol):
    @property
    def version(self) -> int: ...


def version_check() -> Callable[[_Versioned], None]:
    """What refuses (412) a thing whose version If-Match does not name. Weak tags count as strong ones.

    The header's form is checked here (422), so that it comes before anything that depends on the thing itself.
    """
    header = _request.get().headers.get("if-match", "*").strip()
    if header != "*" and not _TAGS.fullmatch(header):
        raise InvalidRequestError.at('must be an entity tag such as "3"', header="If-Match")
    tags = _TAG.findall(header)

    def check(thing: _Versioned) -> None:
        if header != "*" and f'"{thing.version}"' not in tags:
            raise StaleVersionError(f"The current version is {thing.version}.")

    return check


def _list_scope() -> list[object]:
    """What a list's cursor is bound to: the user, the path, and the query without the page's own parameters."""
    request = _request.get()
    query = [pair for pair in _query(request.event) if pair[0] not in ("cursor", "limit")]
    return [current_user().id, request.path, sorted(query)]


def answer_header(name: str, value: str) -> None:
    """Adds a header to this request's answer, also when it ends as an error."""
    _request.get().answer_headers[name] = value


# ---- answers --------------------------------------------------------------------------------------------------------


def ok[T: BaseModel](content: T, *, version: int | None = None, replayed: bool = False) -> Response[T]:
    return _answer(200, content, version, replayed)


def created[T: BaseModel](
    content: T, *, location: str, version: int | None = None, replayed: bool = False
) -> Response[T]:
    response = _answer(201, content, version, replayed)
    response.headers["Location"] = location
    return response


def listed[T, P: BaseModel](page: Page[T], show: Callable[[T], BaseModel], answer: type[P]) -> Response[P]:
    """A page as `answer(items=…, next_cursor=…)`. It ends early where items are large: Lambda answers 6 MB."""
    items: list[BaseModel] = []
    size, position = 0, page.position
    for number, (_, thing) in enumerate(page.placed):
        item = show(thing)
        size += len(item.model_dump_json())
        if items and size > _MAX_PAGE:
            position = page.placed[number - 1][0]
            break
        items.append(item)
    return ok(answer(items=items, next_cursor=encode_cursor(position, _list_scope())))


def list_position(cursor: str | None) -> str | None:
    """Where this request's list is to go on."""
    return decode_cursor(cursor, _list_scope())


def accepted() -> Response[None]:
    """What was asked for is done later, if at all; nothing is said of it."""
    return Response(status_code=202)


def no_content() -> Response[None]:
    return Response(status_code=204)


def _answer[T: BaseModel](status: int, content: T, version: int | None, replayed: bool) -> Response[T]:
    headers: dict[str, str | list[str]] = {}
    if version is not None:
        headers["ETag"] = f'"{version}"'
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(status_code=status, content_type="application/json", body=content, headers=headers)


def problem(error: OmsError) -> Response[str]:
    """The answer to a refusal (RFC 9457). `instance` is the path; `request_id` finds the log lines."""
    request = _request.get()
    content = {
        "type": f"urn:oms:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": str(error),
        "instance": request.path,
        "code": error.code,
        "request_id": request.id,
        **error.extra,
    }
    return Response(error.status, "application/problem+json", json.dumps(content), dict(error.headers))


# ---- the checks before a route --------------------------------------------------------------------------------------


class _RequestChecks(OpenAPIRequestValidationMiddleware):
    """Everything that is checked before a route runs, in the contract's order; Powertools' validation comes last."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def handler(self, app: EventHandlerInstance, next_middleware: NextMiddleware) -> Response[Any]:
        route: Route = app.context["_route"]
        # Without extensions it is the resolver's own stand-in for "no such route".
        if route.openapi_extensions is None or route.method not in _methods(app):
            _unknown_route(app)
        _admit(route.openapi_extensions)
        _check_query(route)
        plausible = all(_ID.fullmatch(value) for value in app.context["_route_args"].values())

        def run(app: EventHandlerInstance) -> Response[Any]:
            if not plausible:
                raise NotFoundError("There is no such thing.")
            return next_middleware(app)

        return super().handler(app, cast(NextMiddleware, run))

    def _get_body(self, app: EventHandlerInstance) -> dict[str, Any]:  # noqa: ARG002 - the signature is Powertools'
        request = _request.get()
        return body.parse(request.event, request.headers)


def _admit(rules: Mapping[str, Any]) -> None:
    role = rules["x-role"]
    if role == "public":
        return
    token = bearer_token()
    if token is None:
        raise UnauthenticatedError
    request = _request.get()
    request.user = user = authenticate(token)
    acting_as(user.id)
    asks_as_manager = {name for name, _ in _query(request.event)} & set(rules.get("x-manager-parameters", ()))
    needed = "manager" if asks_as_manager and role == "customer" else role
    if _RANK[user.role] < _RANK[needed]:
        method = request.event["requestContext"]["http"]["method"]
        audit.denied(user, address=client_address(), target=f"{method} {request.path}")
        raise ForbiddenError(f"This needs the role {needed}.")


def _unknown_route(app: EventHandlerInstance) -> NoReturn:
    methods = _methods(app)
    if not methods:
        raise NotFoundError("There is nothing at this path.")
    if "GET" in methods:
        methods.add("HEAD")
    raise MethodNotAllowedError("This path does not take the method.", headers={"Allow": ", ".join(sorted(methods))})


def _methods(app: EventHandlerInstance) -> set[str]:
    """The methods of the path asked for. A fixed path (`/orders/quote`) is never meant as an id (`/orders/<id>`)."""
    for routes in (app._static_routes, app._dynamic_routes):
        methods = {route.method for route in routes if route.rule.match(app.current_event.path)}
        if methods:
            return methods
    return set()


def _query(event: Mapping[str, Any]) -> list[tuple[str, str]]:
    return parse_qsl(event.get("rawQueryString") or "", keep_blank_values=True)


def _check_query(route: Route) -> None:
    """Refuses unknown and repeated parameters, which API Gateway and Powertools would fold into one."""
    known: set[str] = set()
    for parameter in route.dependant.query_params:
        annotation = parameter.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            known.update(entry.alias or name for name, entry in annotation.model_fields.items())
        else:
            known.add(parameter.alias)
    names = [name for name, _ in _query(_request.get().event)]
    wrong = {name: "is repeated" for name in names if names.count(name) > 1}
    wrong |= {name: "is not a parameter of this route" for name in names if name not in known}
    if wrong:
        raise InvalidRequestError([{"parameter": name, "detail": detail} for name, detail in wrong.items()])


def _as_invalid_request(error: RequestValidationError) -> InvalidRequestError:
    return InvalidRequestError([_located(found["loc"], found["msg"]) for found in error.errors()])


def _located(place: Sequence[str | int], message: str) -> dict[str, str]:
    detail = message.removeprefix("Value error, ")
    source, *path = place
    if source == "body":
        pointer = "".join(
            "/" + quote(str(part).replace("~", "~0").replace("/", "~1"), safe="~!$&'()*+,;=:@") for part in path
        )
        return {"pointer": f"#{pointer}", "detail": detail}
    names = [part for part in path if isinstance(part, str)]
    return {"parameter": names[-1] if names else str(source), "detail": detail}


# ---- the function ---------------------------------------------------------------------------------------------------


def serve(app: APIGatewayHttpResolver) -> Callable[[dict[str, Any], LambdaContext], dict[str, Any]]:
    """The Lambda handler of a route group: the resolver with the protocol around it."""
    app._request_validation_middleware = _RequestChecks()
    # Text as it is: escaped to ASCII it can be six times as long, and answers are limited in size.
    app._serializer = partial(json.dumps, separators=(",", ":"), ensure_ascii=False)
    app.exception_handler(OmsError)(_refused)
    app.exception_handler(RequestValidationError)(lambda error: problem(_as_invalid_request(error)))
    app.exception_handler(ResponseValidationError)(_broken_response)
    app.exception_handler(RouteNotFoundError)(lambda _: problem(NotFoundError("There is nothing at this path.")))

    @tracer.capture_lambda_handler(capture_response=False)
    @metrics.log_metrics(capture_cold_start_metric=True)
    def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        started = time.perf_counter()
        http = event["requestContext"]["http"]
        method = http["method"]
        headers = {name.lower(): value for name, value in event.get("headers", {}).items()}
        request = _Request(event, headers)
        mark = _request.set(request)
        logger.clear_state()
        logger.append_keys(request_id=request.id)
        try:
            asked = event if method != "HEAD" else _with_method(event, "GET")
            with patience():
                answer = app.resolve(asked, context)
        except Exception:
            # Not answered here: the invocation fails, alarms, and the gateway says 500. Only the log is ours.
            logger.exception("failed", method=method, path=request.path)
            raise
        finally:
            _request.reset(mark)
            duration = round((time.perf_counter() - started) * 1000, 1)
            metrics.add_metric("Duration", MetricUnit.Milliseconds, duration)
        for name, value in _standing_headers(request).items():
            answer["headers"].setdefault(name, value)
        if method == "HEAD" or answer.get("body") is None:  # a 204 has none; the local cloud's gateway wants text
            answer["body"] = ""
        logger.info("request", method=method, path=request.path, status=answer["statusCode"], duration_ms=duration)
        return answer

    return lambda_handler  # type: ignore[no-any-return]


def _with_method(event: Mapping[str, Any], method: str) -> dict[str, Any]:
    context = event["requestContext"]
    return {**event, "requestContext": {**context, "http": {**context["http"], "method": method}}}


def _refused(error: OmsError) -> Response[str]:
    if error.status >= 500:
        logger.exception("refused", code=error.code)
    return problem(error)


def _broken_response(error: ResponseValidationError) -> Response[str]:
    logger.error("an answer does not fit its schema", errors=[found["loc"] for found in error.errors()])
    return problem(OmsError("The answer could not be built."))


def _standing_headers(request: _Request) -> dict[str, str]:
    return {
        "X-Request-Id": request.id,
        "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        **request.answer_headers,
    }
