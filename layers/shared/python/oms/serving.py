"""The HTTP protocol around every route: the checks before it, and the Lambda handler of a route group.

A handler module makes its resolver and calls `serve`. Powertools validates requests before any middleware runs, so
the checks that come first in the contract (401, 403, then the body's form) sit in front of its own validation.
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn, cast
from urllib.parse import quote

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
from oms.api import RequestAtHand, acting_as, at_hand, bearer_token, client_address, problem
from oms.dynamodb import patience
from oms.errors import (
    ForbiddenError,
    InvalidRequestError,
    MethodNotAllowedError,
    NotFoundError,
    OmsError,
    UnauthenticatedError,
)
from oms.identity.access import authenticate

logger = Logger()
tracer = Tracer()
metrics = Metrics()

_RANK = {"customer": 1, "manager": 2, "admin": 3}
_ID = re.compile(r"[\x21-\x7e]{1,128}")


# ---- the checks before a route --------------------------------------------------------------------------------------


class RequestChecks(OpenAPIRequestValidationMiddleware):
    """Everything that is checked before a route runs, in the contract's order; Powertools' validation comes last."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def handler(self, app: EventHandlerInstance, next_middleware: NextMiddleware) -> Response[Any]:
        route: Route = app.context["_route"]
        # Without extensions it is the resolver's own stand-in for "no such route".
        if route.openapi_extensions is None or not {route.method, _asked_method()} <= _methods(app):
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
        request = at_hand.get()
        return body.parse(request.event, request.headers)


def _admit(rules: Mapping[str, Any]) -> None:
    role = rules["x-role"]
    if role == "public":
        return
    token = bearer_token()
    if token is None:
        raise UnauthenticatedError
    request = at_hand.get()
    request.user = user = authenticate(token)
    acting_as(user.id)
    asks_as_manager = {name for name, _ in request.query} & set(rules.get("x-manager-parameters", ()))
    needed = "manager" if asks_as_manager and role == "customer" else role
    if _RANK[user.role] < _RANK[needed]:
        audit.denied(user, address=client_address(), target=f"{_asked_method()} {request.path}")
        raise ForbiddenError("This is for admins." if needed == "admin" else "This is for managers and admins.")


def _asked_method() -> str:
    """As it came: the resolver sees a HEAD as GET."""
    return str(at_hand.get().event["requestContext"]["http"]["method"])


def _unknown_route(app: EventHandlerInstance) -> NoReturn:
    methods = _methods(app)
    if not methods:
        raise NotFoundError("There is nothing at this path.")
    raise MethodNotAllowedError("This path does not take the method.", headers={"Allow": ", ".join(sorted(methods))})


def _methods(app: EventHandlerInstance) -> set[str]:
    """The methods of the path asked for. A fixed path (`/orders/quote`) is never meant as an id (`/orders/<id>`)."""
    for routes in (app._static_routes, app._dynamic_routes):
        here = [route for route in routes if route.rule.match(app.current_event.path)]
        if here:
            # A HEAD comes to the route of GET, unless that is no route for it.
            heads = {"HEAD" for it in here if it.method == "GET" and (it.openapi_extensions or {}).get("x-head", True)}
            return {route.method for route in here} | heads
    return set()


def _check_query(route: Route) -> None:
    """Refuses unknown and repeated parameters, which API Gateway and Powertools would fold into one."""
    known: set[str] = set()
    for parameter in route.dependant.query_params:
        annotation = parameter.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            known.update(entry.alias or name for name, entry in annotation.model_fields.items())
        else:
            known.add(parameter.alias)
    names = [name for name, _ in at_hand.get().query]
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
    app._request_validation_middleware = RequestChecks()
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
        headers = {name.lower(): value for name, value in event.get("headers", {}).items()}
        request = RequestAtHand(event, headers)
        line = {"method": event["requestContext"]["http"]["method"], "path": request.path}
        logger.clear_state()
        logger.append_keys(request_id=request.id)
        try:
            answer = _answer(app, request, context)
        except Exception:
            # Not answered here: the invocation fails, alarms, and the gateway says 500. Only the log is ours.
            logger.exception("failed", **line)
            raise
        finally:
            duration = round((time.perf_counter() - started) * 1000, 1)
            metrics.add_metric("Duration", MetricUnit.Milliseconds, duration)
        logger.info("request", **line, status=answer["statusCode"], duration_ms=duration)
        return answer

    return lambda_handler  # type: ignore[no-any-return]


def _answer(app: APIGatewayHttpResolver, request: RequestAtHand, context: LambdaContext) -> dict[str, Any]:
    method = request.event["requestContext"]["http"]["method"]
    asked = dict(request.event) if method != "HEAD" else _with_method(request.event, "GET")
    mark = at_hand.set(request)
    try:
        with patience():
            answer = app.resolve(asked, context)
    finally:
        at_hand.reset(mark)
    for name, value in _standing_headers(request).items():
        answer["headers"].setdefault(name, value)
    if method == "HEAD" or answer.get("body") is None:  # a 204 has none; the local cloud's gateway wants text
        answer["body"] = ""
    return answer


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


def _standing_headers(request: RequestAtHand) -> dict[str, str]:
    return {
        "X-Request-Id": request.id,
        "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        **request.answer_headers,
    }
