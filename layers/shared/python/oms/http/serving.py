"""The HTTP protocol of all routes: the checks before a route, and the Lambda handler of a route group.

A handler module creates its resolver with RESOLVER_OPTIONS and calls `serve`. Admission (401, 403) and the parser of
the body run before the resolver. The resolver validates parameters and body (422) and calls the route.
"""

import json
import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from types import UnionType
from typing import Annotated, Any, TextIO, TypeAliasType, Union, cast, get_args, get_origin
from urllib.parse import quote

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import Route
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError, ResponseValidationError
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel
from pydantic_core import to_json

from oms.core import startup
from oms.core.aws_json.tracing import sampled_entity, trace_calls, trace_id
from oms.core.errors import MAX_ERRORS, InvalidRequestError, NotFoundError, OmsError, UnavailableError, shortened
from oms.core.retries import CALL_ERRORS, deadline, is_transient
from oms.core.settings import require
from oms.http import body
from oms.http.access_rules import RequestContext, current_request
from oms.http.admission import admit, admit_fields, require_rules
from oms.http.api import catalogue_headers, check_conditions, check_shown, is_read, problem
from oms.http.client_address import require_front
from oms.http.powertools import encode_responses
from oms.http.representation import complete
from oms.request_log.models import MESSAGE, logged_path

logger = Logger()
tracer = Tracer(auto_patch=False)
if not tracer.disabled:
    trace_calls()
metrics = Metrics()

_ID = re.compile(r"[\x21-\x7e]{1,128}")
# Characters of a field's name in a pointer: clients can send names as long as a body.
MAX_NAME = 100

RESOLVER_OPTIONS: dict[str, Any] = {
    "enable_validation": True,
    "response_validation_error_http_code": 500,
    # `oms.http.body` has parsed the body already, with stricter rules than Powertools.
    "json_body_deserializer": lambda _: current_request.get().body,
    # ASCII escapes can make text six times as long, and Lambda limits the size of responses.
    "serializer": partial(json.dumps, separators=(",", ":"), ensure_ascii=False),
}


# ---- the checks before a route --------------------------------------------------------------------------------------


def _check_query(route: Route) -> None:
    """Refuses unknown parameters, and repeated ones that are not lists.

    API Gateway joins repeated parameters with commas, which is the form of a list.
    """
    known: dict[str, Any] = {}
    for parameter in route.dependant.query_params:
        annotation = parameter.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            known |= {entry.alias or name: entry.annotation for name, entry in annotation.model_fields.items()}
        else:
            known[parameter.alias] = annotation
    names = Counter(name for name, _ in current_request.get().query)
    wrong = {
        name: "must not be repeated" for name, times in names.items() if times > 1 and not _is_list(known.get(name))
    }
    wrong |= {name: "is not a parameter of this operation" for name in names if name not in known}
    if wrong:
        raise InvalidRequestError([{"parameter": name, "detail": detail} for name, detail in wrong.items()])


def _is_list(annotation: Any) -> bool:
    """Returns whether the type is a list or tuple, or a union with one."""
    if isinstance(annotation, TypeAliasType):
        return _is_list(annotation.__value__)
    origin = get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, list | tuple):
        return True
    return origin in (Annotated, Union, UnionType) and any(map(_is_list, get_args(annotation)))


def _check_ids(app: APIGatewayHttpResolver, next_middleware: NextMiddleware) -> Response[Any]:
    """Answers 404 for an id that cannot exist, without a read. It is a middleware, so that validation (422) comes
    first.
    """
    if not all(_ID.fullmatch(value) for value in current_request.get().variables.values()):
        raise NotFoundError("Resource not found.")
    return next_middleware(app)


# In place of Pydantic's own texts, by the type of the error or by the text.
_PLAIN_TEXTS = {
    "extra_forbidden": "is not a field of this request",
    "missing": "is required",
    "String should have at least 1 character": "must not be empty",
}


def _as_invalid_request(error: RequestValidationError) -> InvalidRequestError:
    found = error.errors()
    located = [_located(item["loc"], item["msg"], item["type"]) for item in found[:MAX_ERRORS]]
    return InvalidRequestError(located, total=len(found))


def _located(place: Sequence[str | int], message: str, kind: str) -> dict[str, str]:
    detail = _PLAIN_TEXTS.get(kind) or _PLAIN_TEXTS.get(message) or message.removeprefix("Value error, ")
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
    """Returns the part of the path that exists in the body, plus the missing name if `is_missing`.

    Pydantic adds steps that are not in the body: `[key]` for the name of a member, or the tried choice of a union.
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
    """Returns the Lambda handler of a route group, which surrounds the resolver with the protocol."""
    require_rules(app)
    require("address_keys_secret", "jwks_parameter", "origin_secret")
    app.use([_check_ids])
    encode_responses(app)
    app.exception_handler(OmsError)(_refused)
    app.exception_handler(list(CALL_ERRORS))(_failed_call)
    app.exception_handler(RequestValidationError)(lambda error: problem(_as_invalid_request(error)))
    app.exception_handler(ResponseValidationError)(_broken_response)

    # X-Ray shows the function by this name.
    @tracer.capture_lambda_handler(capture_response=False)
    def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        return _handle(app, event, context)

    cold_starts = iter((True,))

    def invoked(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        is_cold = next(cold_starts, False)
        if is_cold:
            metrics.provider.add_cold_start_metric(context)
        if is_cold or sampled_entity():
            return lambda_handler(event, context)  # type: ignore[no-any-return]
        # X-Ray's SDK would do the same work, and send nothing.
        return _handle(app, event, context)

    startup.finish()
    return invoked


def _handle(app: APIGatewayHttpResolver, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Returns the response to a request. Writes its log line, and the metrics that it added."""
    started = time.perf_counter()
    headers = {name.lower(): value for name, value in event.get("headers", {}).items()}
    request = RequestContext(event, headers)
    line: dict[str, Any] = {"method": request.method, "path": logged_path(request.path)}
    logger.clear_state()
    logger.append_keys(request_id=request.id)
    try:
        answer = _answer(app, request, context)
    except Exception:
        # Log and raise again: the invocation fails, which raises an alarm, and the gateway answers 500.
        logger.exception("failed", **line)
        _log_request(request, line, status=500, started=started)
        raise
    finally:
        # Most requests have none: Lambda itself publishes their number and duration.
        if metrics.metric_set:
            metrics.flush_metrics()
    _log_request(request, line, status=answer["statusCode"], started=started)
    return answer


def _log_request(request: RequestContext, line: dict[str, Any], *, status: int, started: float) -> None:
    """Writes the line of a request, which the request log reads (`oms.request_log`)."""
    log(
        MESSAGE,
        **line,
        operation=request.operation,
        status=status,
        code=request.code,
        duration_ms=round((time.perf_counter() - started) * 1000, 1),
        role=request.caller.role if request.caller else None,
        address=request.address,
    )


def log(message: str, **fields: Any) -> None:
    """Writes a line about a request as `logger.info` would, whose general way takes five times as long."""
    if logger.log_level > logging.INFO:
        return
    now = datetime.now(UTC)
    values = {
        **logger.get_current_keys(),
        "level": "INFO",
        "location": "lambda_handler",
        "message": message,
        "timestamp": f"{now:%Y-%m-%d %H:%M:%S},{now.microsecond // 1000:03}+0000",
        **fields,
        "xray_trace_id": trace_id(),
    }
    text = to_json({name: value for name, value in values.items() if value is not None}).decode()
    stream = cast(logging.StreamHandler[TextIO], logger.registered_handler).stream
    stream.write(f"{text}\n")
    stream.flush()


def _answer(app: APIGatewayHttpResolver, request: RequestContext, context: LambdaContext) -> dict[str, Any]:
    mark = current_request.set(request)
    try:
        with deadline():
            answer = _conditional_answer(app, request, context)
    finally:
        current_request.reset(mark)
    return complete(answer, request.headers, request.method)


def _conditional_answer(app: APIGatewayHttpResolver, request: RequestContext, context: LambdaContext) -> dict[str, Any]:
    """Returns the response, or a refusal (412) if a read's If-Match names a different version."""
    answer = _with_headers(_admitted_answer(app, request, context), request)
    try:
        if answer["statusCode"] == 200 and is_read():
            check_shown(answer["headers"].get("ETag"))
    except OmsError as error:
        request.answer_headers.clear()  # they describe the replaced response, such as its cache lifetime
        return _with_headers(_as_answer(error), request)
    # After the check: the public catalogue does not support If-Match, which needs a version.
    if request.is_anonymous and answer["statusCode"] == 200:
        answer["headers"] |= catalogue_headers(answer["body"])
    return answer


def _with_headers(answer: dict[str, Any], request: RequestContext) -> dict[str, Any]:
    for name, value in _standing_headers(request).items():
        answer["headers"].setdefault(name, value)
    return answer


def _admitted_answer(app: APIGatewayHttpResolver, request: RequestContext, context: LambdaContext) -> dict[str, Any]:
    try:
        require_front(request.headers)
        match = admit(app, request)
        request.variables = match.variables
        _check_query(match.route)
        check_conditions(match.route.func)
        if match.route.dependant.body_params:
            request.body = body.parse(request.event, request.headers)
            admit_fields(request)
    except OmsError as error:
        return _as_answer(error)
    return app.resolve(_checked_event(request, match.route), context)


def _checked_event(request: RequestContext, route: Route) -> dict[str, Any]:
    """Returns the event for the resolver, with the route's method and a JSON body.

    It has no raw query, because Powertools would find repeated parameters there, and keep only the first value of lists
    whose types it does not resolve. The gateway's joined parameters stay.
    """
    context = request.event["requestContext"]
    return {
        **request.event,
        "requestContext": {**context, "http": {**context["http"], "method": route.method}},
        # Powertools copies all headers twice, and routes read them by `oms.http.api`.
        "headers": {"content-type": "application/json"},
        "body": request.event.get("body") or "{}",
        "rawQueryString": "",
    }


def _as_answer(error: OmsError) -> dict[str, Any]:
    """Returns a refusal as Lambda's response, for errors outside the resolver."""
    refusal = _refused(error)
    return {"statusCode": refusal.status_code, "headers": refusal.headers, "body": refusal.body, "cookies": []}


def _refused(error: OmsError) -> Response[str]:
    if error.status >= 500:
        logger.exception("refused", code=error.code)
    return problem(error)


def _failed_call(error: Exception) -> Response[str]:
    """Returns 503 for a call of AWS that may succeed later, such as one that SQS throttles. Raises other errors."""
    if not is_transient(error):
        raise error
    return _refused(UnavailableError())


def _broken_response(error: ResponseValidationError) -> Response[str]:
    logger.error("a response does not match its schema", errors=[found["loc"] for found in error.errors()])
    return problem(OmsError("The response could not be built."))


def _standing_headers(request: RequestContext) -> dict[str, str]:
    return {
        "X-Request-Id": request.id,
        "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        # API Gateway adds the CORS header of the request's origin.
        **({"Vary": "Authorization, Origin"} if request.is_public else {}),
        **request.answer_headers,
    }
