"""The responses to failures: those of each route, their headers, and their problems (RFC 9457)."""

import re
from collections.abc import Collection
from functools import cache
from types import FunctionType
from typing import cast

from aws_lambda_powertools.event_handler.api_gateway import Route
from pydantic import BaseModel

from local.openapi import problem
from local.openapi.failures import errors_of
from local.openapi.paths import ROOT, Json
from local.openapi.problem import error_types
from oms.core.errors import (
    BodyTooLargeError,
    ForbiddenError,
    IdempotencyKeyReusedError,
    InsufficientScopeError,
    InvalidRequestError,
    MalformedJsonError,
    NotFoundError,
    OmsError,
    StaleVersionError,
    TooManyRequestsError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedMediaTypeError,
)
from oms.http.api import is_versioned

HEADERS: Json = {
    "X-Request-Id": {
        "description": "Identifies the request in the logs. Quote it when you ask for help.",
        "required": True,
        "schema": {"type": "string"},
        "example": "JKJaXmPLvHcESHA=",
    },
    "ETag": {
        "description": "The version of the resource, for `If-Match` of a later change. "
        "Public documents have a weak tag, for `If-None-Match`.",
        "required": True,
        "schema": {"type": "string", "pattern": '^(W/)?"[^"]+"$'},
        "example": '"1"',
    },
    "Location": {
        "description": "The path of the resource that was created or has the result, or the URL of a file.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
        "example": "/api/v1/orders/0C8Z4V6T2R9QKX1M5N7P",
    },
    "Idempotency-Replayed": {
        "description": "`true` if an earlier request with this Idempotency-Key was carried out, not this one.",
        "schema": {"type": "string", "const": "true"},
        "example": "true",
    },
    "RateLimit-Policy": {
        "description": "The limit that applies to the request: its name, and `q` requests in `w` seconds.",
        "schema": {"type": "string"},
        "example": '"login";q=5;w=60',
    },
    "RateLimit": {
        "description": "The rest of the limit: `r` requests remain, and the full limit is available in `t` seconds.",
        "schema": {"type": "string"},
        "example": '"login";r=4;t=37',
    },
    "Retry-After": {
        "description": "The seconds to wait before repeating the request or requesting the result.",
        "schema": {"type": "integer", "minimum": 0},
        "example": 1,
    },
    "WWW-Authenticate": {
        "description": 'The authentication that the route requires: a bearer token. `error="invalid_token"` means '
        "that the sent token is malformed, expired or revoked.",
        "required": True,
        "schema": {"type": "string"},
        "example": 'Bearer error="invalid_token"',
    },
    "Set-Cookie": {
        "description": "The cookies `__Secure-oms-refresh` and, of a sign-in, `__Secure-oms-device`, each in a header "
        'of its own. Only in responses to requests with `"refresh_token_in": "cookie"` or with such a cookie.',
        "schema": {"type": "string"},
        "example": "__Secure-oms-refresh=YVT65M7QNAW9TXAQ7PHA.0C8Z4V6T2R9QKX1M5N7P.k3v0b2; Path=/api/v1/auth; "
        "Max-Age=604800; HttpOnly; Secure; SameSite=Strict",
    },
    "Allow": {
        "description": "The methods that this path allows, separated by commas; on 405.",
        "schema": {"type": "string"},
        "example": "GET, HEAD, POST",
    },
}
# Lists of the catalogue have it in responses to requests without a token.
OPTIONAL_ETAG: Json = HEADERS["ETag"] | {"required": False}
_PROBLEM: Json = {"$ref": "#/components/schemas/Problem"}
_LIMITED = ("RateLimit-Policy", "RateLimit")
_OF_STATUS = {401: ("WWW-Authenticate",), 412: ("ETag",), 429: ("Retry-After", *_LIMITED), 503: ("Retry-After",)}
_OF_CODE = {"too-many-exports": ("Retry-After",), "insufficient-scope": ("WWW-Authenticate",)}
# The codes with which all operations of service keys refuse a caller.
_DENIED = {ForbiddenError.code, InsufficientScopeError.code}
_BY_GATEWAY = {
    413: "`body-too-large`, or the gateway's own response for a body of over 10 MB: send a smaller body.",
    429: "`too-many-requests`, or the gateway's own response: too many requests at once. Wait, then repeat.",
    500: "`internal-error`, or the gateway's own response: an error of the system, which has raised an alarm.",
    503: "`unavailable`, or the gateway's own response: the result is unknown. Repeat with the same `Idempotency-Key`.",
}


def shows_version(route: Route, used: set[str]) -> bool:
    """Returns whether the route returns a resource with an ETag and checks If-Match (`oms.http.api.check_shown`)."""
    return route.method == "GET" and not used.isdisjoint({"version=", "api.public_document", "api.private_document"})


def is_in_catalogue(route: Route) -> bool:
    """Returns whether the route is one of the public catalogue, whose responses without a token have an ETag."""
    return "x-public-setting" in (route.openapi_extensions or {})


def failures(operation: Json, route: Route, used: set[str]) -> Json:
    """Returns the responses of a route to failures, by status, and `default` for all others."""
    by_status: dict[int, set[str]] = {}
    for error in _errors(operation, route, used):
        by_status.setdefault(error.status, set()).add(error.code)
    limited = "api.show_allowance" in used
    answers = {str(status): _response(status, codes, limited) for status, codes in sorted(by_status.items())}
    return answers | {"default": {"$ref": "#/components/responses/Problem"}}


def _errors(operation: Json, route: Route, used: set[str]) -> set[type[OmsError]]:
    """Returns the errors that the route's code raises, and those of the code around every route, such as 401."""
    rule = route.openapi_extensions or {}
    found = set(errors_of(cast(FunctionType, route.func))) | {InvalidRequestError, OmsError, UnavailableError}
    found.add(TooManyRequestsError)
    if rule["x-role"] != "public":
        found.add(UnauthenticatedError)
        # A service key is refused, unless it has the scope.
        found.add(ForbiddenError)
    if "x-scope" in rule:
        found.add(InsufficientScopeError)
    if "requestBody" in operation:
        found |= {MalformedJsonError, BodyTooLargeError, UnsupportedMediaTypeError}
        if not _has_fields(route):  # without fields, two requests with the same key cannot differ
            found.discard(IdempotencyKeyReusedError)
    if "{" in route.openapi_path:
        found.add(NotFoundError)
    if shows_version(route, used):
        found.add(StaleVersionError)
    elif not is_versioned(route.func):  # it shares code with a route that uses If-Match
        found.discard(StaleVersionError)
    return found


def _has_fields(route: Route) -> bool:
    """Returns whether the model of the route's body has fields."""
    models = [parameter.field_info.annotation for parameter in route.dependant.body_params]
    return any(isinstance(model, type) and issubclass(model, BaseModel) and model.model_fields for model in models)


def _response(status: int, codes: set[str], limited: bool) -> Json:
    """Returns the response to a status: a reference to a shared response if it has one code, or those of `_DENIED`."""
    if (len(codes) == 1 or codes == _DENIED) and not limited:
        return {"$ref": f"#/components/responses/{_component(codes)}"}
    return _described(status, codes, _LIMITED if limited else ())


def _component(codes: Collection[str]) -> str:
    return "Or".join("".join(part.capitalize() for part in code.split("-")) for code in sorted(codes))


def _described(status: int, codes: set[str], more_headers: tuple[str, ...] = ()) -> Json:
    of_codes = [name for code in sorted(codes) for name in _OF_CODE.get(code, ())]
    headers: Json = {
        name: {"$ref": f"#/components/headers/{name}"}
        for name in ("X-Request-Id", *_OF_STATUS.get(status, ()), *more_headers)
    }
    if len(codes) > 1:
        headers |= {name: HEADERS[name] | {"required": False} for name in of_codes}
    else:
        headers |= {name: {"$ref": f"#/components/headers/{name}"} for name in of_codes}
    listed = "\n".join(f"- `{code}`: {meanings()[code]}" for code in sorted(codes))
    response: Json = {
        "description": _BY_GATEWAY.get(status, listed),
        "headers": headers,
        "content": {"application/problem+json": {"schema": _PROBLEM}},
    }
    return response | _or_by_gateway(response) if status in _BY_GATEWAY else response


def _or_by_gateway(response: Json) -> Json:
    """Returns the headers and the content of a response that may come from the gateway instead of the function."""
    # The same schema for both media types, because client generators read one of them and use it for every response.
    schema = {"anyOf": [_PROBLEM, {"$ref": "#/components/schemas/GatewayProblem"}]}
    return {
        # The gateway's own responses have the request's id in another header.
        "headers": response["headers"] | {"X-Request-Id": HEADERS["X-Request-Id"] | {"required": False}},
        "content": {media_type: {"schema": schema} for media_type in ("application/problem+json", "application/json")},
    }


def components(document: Json) -> None:
    """Adds the responses that operations share, and the schemas of a problem."""
    shareable = [(error.status, {error.code}) for error in error_types()] + [(ForbiddenError.status, _DENIED)]
    by_component = {_component(codes): (status, codes) for status, codes in shareable}
    used = {
        str(answer["$ref"]).rpartition("/")[2]
        for methods in document["paths"].values()
        for operation in methods.values()
        for answer in operation["responses"].values()
        if "$ref" in answer
    } - {"Problem"}
    shared = {name: _described(*by_component[name]) for name in sorted(used)}
    other = {
        "description": "Any other problem, such as `method-not-allowed` (405) with `Allow`, or another response of "
        "the gateway, such as 431. Later versions may add codes and statuses.",
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", "Allow")},
    }
    document["components"]["responses"] = {"Problem": other | _or_by_gateway(other), **shared}
    document["components"]["schemas"] |= problem.schemas()


@cache
def meanings() -> dict[str, str]:
    """Returns the meaning of each code, from the table in functions/docs/errors.md."""
    rows = re.findall(
        r"^\| `([a-z-]+)` \| \d{3} \| ([^|]+) \|", (ROOT / "functions/docs/errors.md").read_text(), re.MULTILINE
    )
    return dict(rows)
