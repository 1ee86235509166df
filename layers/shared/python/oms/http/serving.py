"""The HTTP protocol around every route: the checks before it, and the Lambda handler of a route group.

A handler module makes its resolver with RESOLVER_OPTIONS and calls `serve`. A request is admitted (401, 403) and its
body parsed before the resolver sees it; the resolver then checks the form of both (422) and calls the route.
"""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from types import UnionType
from typing import Annotated, Any, TypeAliasType, Union, get_args, get_origin
from urllib.parse import quote

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import Route
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError, ResponseValidationError
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from oms.core.dynamodb import deadline
from oms.core.errors import MAX_ERRORS, InvalidRequestError, NotFoundError, OmsError, shortened
from oms.core.settings import require
from oms.http import body
from oms.http.admission import admit, require_rules
from oms.http.api import RequestContext, check_conditions, check_shown, current_request, is_read, problem
from oms.http.representation import complete

logger = Logger()
tracer = Tracer()
metrics = Metrics()

_ID = re.compile(r"[\x21-\x7e]{1,128}")
# Of a field's name in a pointer: a client may send names as long as its body.
MAX_NAME = 100

RESOLVER_OPTIONS: dict[str, Any] = {
    "enable_validation": True,
    "response_validation_error_http_code": 500,
    # The body as `oms.http.body` has parsed it, not as Powertools has.
    "json_body_deserializer": lambda _: current_request.get().body,
    # Text as it is: escaped to ASCII it can be six times as long, and answers are limited in size.
    "serializer": partial(json.dumps, separators=(",", ":"), ensure_ascii=False),
}


# ---- the checks before a route --------------------------------------------------------------------------------------


def _check_query(route: Route) -> None:
    """Refuses unknown parameters, and repeated ones but lists.

    API Gateway folds what is repeated into one text with commas: in a list that is what it means.
    """
    known: dict[str, Any] = {}
    for parameter in route.dependant.query_params:
        annotation = parameter.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            known |= {entry.alias or name: entry.annotation for name, entry in annotation.model_fields.items()}
        else:
            known[parameter.alias] = annotation
    names = Counter(name for name, _ in current_request.get().query)
    wrong = {name: "is repeated" for name, times in names.items() if times > 1 and not _is_list(known.get(name))}
    wrong |= {name: "is not a parameter of this route" for name in names if name not in known}
    if wrong:
        raise InvalidRequestError([{"parameter": name, "detail": detail} for name, detail in wrong.items()])


def _is_list(annotation: Any) -> bool:
    """Whether it is a sequence, or may be one."""
    if isinstance(annotation, TypeAliasType):
        return _is_list(annotation.__value__)
    origin = get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, list | tuple):
        return True
    return origin in (Annotated, Union, UnionType) and any(map(_is_list, get_args(annotation)))


def _check_ids(app: APIGatewayHttpResolver, next_middleware: NextMiddleware) -> Response[Any]:
    """A middleware, so that it comes after validation (422): an id that cannot exist is not looked up."""
    if not all(_ID.fullmatch(value) for value in current_request.get().variables.values()):
        raise NotFoundError("Resource not found.")
    return next_middleware(app)


def _as_invalid_request(error: RequestValidationError) -> InvalidRequestError:
    found = error.errors()
    located = [_located(it["loc"], it["msg"], it["type"]) for it in found[:MAX_ERRORS]]
    return InvalidRequestError(located, total=len(found))


def _located(place: Sequence[str | int], message: str, kind: str) -> dict[str, str]:
    detail = message.removeprefix("Value error, ")
    source, *path = place
    if source == "body":
        names = [shortened(str(part), MAX_NAME) for part in _in_body(path, is_missing=kind == "missing")]
        pointer = "".join(
            "/" + quote(name.replace("~", "~0").replace("/", "~1"), safe="~!$&'()*+,;=:@") for name in names
        )
        return {"pointer": f"#{pointer}", "detail": detail}
    parameters = [part for part in path if isinstance(part, str)]
    return {"parameter": parameters[-1] if parameters else str(source), "detail": detail}


def _in_body(path: Sequence[str | int], *, is_missing: bool) -> Sequence[str | int]:
    """As far as a path leads in the body, and to the name that is missing there.

    Pydantic's places have steps of its own: `[key]` for the name of a member, or which choice of a union it tried.
    """
    value: Any = current_request.get().body
    for steps, part in enumerate(path):
        if not (part in value if isinstance(value, dict) else _is_index(part, value)):
            return path[: steps + is_missing]
        value = value[part]
    return path


def _is_index(part: str | int, value: Any) -> bool:
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


# ---- the function ---------------------------------------------------------------------------------------------------


def serve(app: APIGatewayHttpResolver) -> Callable[[dict[str, Any], LambdaContext], dict[str, Any]]:
    """The Lambda handler of a route group: the resolver with the protocol around it."""
    require_rules(app)
    require("address_keys_secret", "jwks_parameter", "origin_secret")
    app.use([_check_ids])
    app.exception_handler(OmsError)(_refused)
    app.exception_handler(RequestValidationError)(lambda error: problem(_as_invalid_request(error)))
    app.exception_handler(ResponseValidationError)(_broken_response)

    @tracer.capture_lambda_handler(capture_response=False)
    @metrics.log_metrics(capture_cold_start_metric=True)
    def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        started = time.perf_counter()
        headers = {name.lower(): value for name, value in event.get("headers", {}).items()}
        request = RequestContext(event, headers)
        line: dict[str, Any] = {"method": request.method, "path": request.path}
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


def _answer(app: APIGatewayHttpResolver, request: RequestContext, context: LambdaContext) -> dict[str, Any]:
    mark = current_request.set(request)
    try:
        with deadline():
            answer = _conditional_answer(app, request, context)
    finally:
        current_request.reset(mark)
    return complete(answer, request.headers, request.method)


def _conditional_answer(app: APIGatewayHttpResolver, request: RequestContext, context: LambdaContext) -> dict[str, Any]:
    """The answer, or the refusal of a read whose If-Match names another version than is shown."""
    answer = _with_headers(_admitted_answer(app, request, context), request)
    try:
        if answer["statusCode"] == 200 and is_read():
            check_shown(answer["headers"].get("ETag"))
    except OmsError as error:
        request.answer_headers.clear()  # they describe the replaced answer, such as its cache lifetime
        return _with_headers(_as_answer(error), request)
    return answer


def _with_headers(answer: dict[str, Any], request: RequestContext) -> dict[str, Any]:
    for name, value in _standing_headers(request).items():
        answer["headers"].setdefault(name, value)
    return answer


def _admitted_answer(app: APIGatewayHttpResolver, request: RequestContext, context: LambdaContext) -> dict[str, Any]:
    try:
        match = admit(app, request)
        request.variables = match.variables
        _check_query(match.route)
        check_conditions(match.route.func)
        if match.route.dependant.body_params:
            request.body = body.parse(request.event, request.headers)
    except OmsError as error:
        return _as_answer(error)
    return app.resolve(_checked_event(request, match.route), context)


def _checked_event(request: RequestContext, route: Route) -> dict[str, Any]:
    """The event for the resolver: of the route's method, and with a body that it takes for JSON.

    Without the query as it was sent, in which Powertools finds what is repeated, and then keeps the first of a list
    whose type it does not see through. The gateway's folded parameters stay.
    """
    context = request.event["requestContext"]
    return {
        **request.event,
        "requestContext": {**context, "http": {**context["http"], "method": route.method}},
        "headers": {**request.headers, "content-type": "application/json"},
        "body": request.event.get("body") or "{}",
        "rawQueryString": "",
    }


def _as_answer(error: OmsError) -> dict[str, Any]:
    """A refusal that the resolver does not see."""
    refusal = _refused(error)
    return {"statusCode": refusal.status_code, "headers": refusal.headers, "body": refusal.body, "cookies": []}


def _refused(error: OmsError) -> Response[str]:
    if error.status >= 500:
        logger.exception("refused", code=error.code)
    return problem(error)


def _broken_response(error: ResponseValidationError) -> Response[str]:
    logger.error("an answer does not fit its schema", errors=[found["loc"] for found in error.errors()])
    return problem(OmsError("The answer could not be built."))


def _standing_headers(request: RequestContext) -> dict[str, str]:
    return {
        "X-Request-Id": request.id,
        "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        **request.answer_headers,
    }
