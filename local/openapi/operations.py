"""The operations of routes: their texts, access, parameters and headers."""

import ast
import inspect
from types import FunctionType
from typing import cast

from aws_lambda_powertools.event_handler.api_gateway import Route
from pydantic import BaseModel

from local.openapi import responses
from local.openapi.paths import Json
from local.openapi.responses import is_in_catalogue
from local.openapi.schemas import never_null
from oms.http.api import is_versioned

BASE_PATH = "/api/v1"
PARAMETERS: Json = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Makes repetition safe: requests with the same key and the same body take effect once. "
        "A repetition gets the status of the first response, and `Idempotency-Replayed: true`. "
        "Use a new random key for each new request.",
        "schema": {
            "type": "string",
            "pattern": "^[\\x21-\\x7e]{1,255}$",
            "examples": ["7c0e5d6a-2b9f-4d0e-9a41-5f6f3f0a8b11"],
        },
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "description": "The `ETag` of the version that the request is about. If the current version differs, nothing "
        "is changed or returned, and the response is 412. Without the header, the request applies to any version. A "
        "replay under an `Idempotency-Key` is found first: it succeeds although the version has changed.",
        "schema": {
            "type": "string",
            "pattern": r'^(\s*\*\s*|[\s,]*(W/)?"[^"]*"(\s*,[\s,]*(W/)?"[^"]*")*[\s,]*)$',
            "examples": ['"1"', "*"],
        },
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The `ETag` of the document that the client has. If it is current, the response is 304.",
        "schema": {"type": "string", "examples": ['W/"5d41402abc4b2a76b9719d911017c592"']},
    },
}
# The parameter in the document, by the part of the protocol that a route's code uses.
_TAKES = {
    "api.idempotency_key": "IdempotencyKey",
    "api.public_document": "IfNoneMatch",
    "api.private_document": "IfNoneMatch",
}
_GIVES = {
    "version=": ["ETag"],
    "location=": ["Location"],
    "replayed=": ["Idempotency-Replayed"],
    "retry_after=": ["Retry-After"],
    "api.public_document": ["ETag"],
    "api.private_document": ["ETag"],
    "api.show_allowance": ["RateLimit-Policy", "RateLimit"],
    "cookies.set_refresh_token": ["Set-Cookie"],
    "cookies.clear_refresh_token": ["Set-Cookie"],
}
_SUCCESS = {
    "200": "The result.",
    "201": "Created: the new resource, with its path in `Location`.",
    "202": "Accepted: the work is in progress.",
    "204": "Done; the response has no body.",
    "303": "Ready: fetch the result from `Location`.",
}
_MAY_CALL = {
    "public": "**Access:** anyone, without a token.",
    "customer": "**Access:** every signed-in user.",
    "manager": "**Access:** managers and admins.",
    "admin": "**Access:** admins.",
}
_BY_TOKENS = "**Access:** the user of the session, by its access token, or by a refresh token in the body or a cookie."


def tag_of(path: str) -> str:
    """Returns the route's group: the first part of its path, or `docs` for routes about the system itself."""
    group = path.removeprefix(BASE_PATH).split("/")[1]
    groups = ("auth", "shop", "inventory", "orders", "reports", "imports", "webhooks", "events", "admin")
    return group if group in groups else "docs"


def complete(operation: Json, route: Route, schemas: Json) -> None:
    """Adds to a route's operation the properties that Powertools does not find in the route's code."""
    function = cast(FunctionType, route.func)
    used = protocol_used(function)
    by_token_or_body = "api.bearer_token" in used
    summary, description = _texts(function)
    at_root = not route.openapi_path.startswith(f"{BASE_PATH}/")
    if at_root:
        description = f"The same as `{route.method} {BASE_PATH}{route.openapi_path}`.\n\n{description}"
    operation["operationId"] = f"{function.__name__}_at_root" if at_root else function.__name__
    operation["summary"] = f"{summary} (at the root)" if at_root else summary
    access = _BY_TOKENS if by_token_or_body else _may_call(route)
    operation["description"] = "\n\n".join(part for part in (description.strip(), access) if part)
    operation["tags"] = [tag_of(route.openapi_path)]
    # Not for a refresh: generators read any security of an operation as a need of the access token.
    by_choice: list[Json] = [{"accessToken": []}, {"refreshCookie": []}, {}]
    operation["security"] = by_choice if by_token_or_body else list(route.security or [])

    parameters = _described(operation.get("parameters", []), route, schemas)
    takes = {name for use, name in _TAKES.items() if use in used}
    if is_in_catalogue(route):
        takes.add("IfNoneMatch")
    if is_versioned(function) or responses.shows_version(route, used):
        takes.add("IfMatch")
    parameters += [{"$ref": f"#/components/parameters/{name}"} for name in PARAMETERS if name in takes]
    if parameters:
        operation["parameters"] = parameters
    if body := operation.get("requestBody"):
        # The system reads a missing body as {}.
        model = schemas[_referred(body)]
        body["required"] = bool(model.get("required") or model.get("minProperties"))
    operation["responses"] = _successes(operation, route, used) | responses.failures(operation, route, used)


def protocol_used(function: FunctionType) -> set[str]:
    """Returns the parts of the protocol that a route's code uses, directly or through functions of its module.

    Each is a name, as `api.idempotency_key`, or a keyword of a response, as `version=`.
    """
    used: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(function))):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name("api")), keywords=keywords):
                used |= {f"{keyword.arg}=" for keyword in keywords}
            case ast.Attribute(value=ast.Name(module), attr=name):
                used.add(f"{module}.{name}")
            case ast.Name(name):
                other = function.__globals__.get(name)
                if isinstance(other, FunctionType) and other.__module__ == function.__module__:
                    used |= protocol_used(other)
    return used


def _texts(function: FunctionType) -> tuple[str, str]:
    """Returns the summary, which is the first line of the route's docstring, and the description, which is the rest."""
    docstring = inspect.getdoc(function) or function.__name__.replace("_", " ").capitalize()
    summary, _, description = docstring.partition("\n")
    return summary.strip().removesuffix("."), description.strip()


_GUESTS = {
    "checkout": " If the shop has switched on `guest_checkout`: also guests, without a token.",
    "order": " Also guests, with the token of this order.",
}


def _may_call(route: Route) -> str:
    """Returns the sentence about the route's access rule."""
    rule = route.openapi_extensions or {}
    names = " and ".join(f"`{name}`" for name in rule.get("x-manager-parameters", ()))
    access = _MAY_CALL[rule["x-role"]] + (
        f" Of the users, only managers and admins may filter by {names}." if names else ""
    )
    if rule["x-role"] == "public":
        return access
    for name, scope in rule.get("x-manager-fields", {}).items():
        access += f" Only managers and admins, and keys with the scope `{scope}`, may send `{name}`."
    scope = rule.get("x-scope")
    access += f" Service keys with the scope `{scope}`." if scope else " No service keys."
    if is_in_catalogue(route):
        access += " If the shop has switched on `public_catalogue`: also anyone, without a token."
    return access + _GUESTS.get(rule.get("x-guests", ""), "")


def _described(parameters: list[Json], route: Route, schemas: Json) -> list[Json]:
    """Returns the parameters with their full schemas from the query model, since Powertools has only basic types."""
    models = [parameter.field_info.annotation for parameter in route.dependant.query_params]
    fields: Json = {}
    for model in models:
        if isinstance(model, type) and issubclass(model, BaseModel):
            fields |= schemas[model.__name__]["properties"]
    for_managers = (route.openapi_extensions or {}).get("x-manager-parameters", ())
    return [_parameter(parameter, fields, parameter["name"] in for_managers) for parameter in parameters]


def _parameter(parameter: Json, fields: Json, for_managers: bool) -> Json:
    name = parameter["name"]
    schema: Json = dict(never_null(fields[name] if name in fields else parameter["schema"]))
    text = schema.pop("description", "") or _PATH_PARAMETERS.get(name, "")
    described: Json = {"name": name, "in": parameter["in"], "required": parameter["required"]}
    if text or for_managers:
        described["description"] = f"{text} For managers and admins.".strip() if for_managers else text
    if schema.get("type") == "array":
        # The server also accepts commas, but many clients can only repeat parameters.
        described |= {"style": "form", "explode": True}
    if name in _PATH_PARAMETERS:
        schema |= {"minLength": 1, "maxLength": 128}
    return described | {"schema": schema}


_PATH_PARAMETERS = {
    "product_id": "The id of the product.",
    "order_id": "The `id` of the order; its `number` is not an id.",
    "user_id": "The id of the user.",
    "session_id": "The id of the session, from the list of sessions.",
    "key_id": "The id of the service key.",
    "webhook_id": "The id of the webhook.",
    "delivery_id": "The id of the delivery, from the webhook's list of deliveries.",
    "event_id": "The id of the event: `webhook-id` of its deliveries.",
    "export_id": "The id of the export.",
    "address_id": "The id of the saved address.",
    "schedule_id": "The id of the schedule.",
    "import_id": "The id of the import.",
}


def _successes(operation: Json, route: Route, used: set[str]) -> Json:
    # Powertools' own responses to invalid requests are left out, since this API sends problems instead.
    found = {status: answer for status, answer in operation["responses"].items() if status < "400"}
    for status, answer in found.items():
        headers = ["X-Request-Id", *(header for use, given in _GIVES.items() if use in used for header in given)]
        answer["headers"] = {header: {"$ref": f"#/components/headers/{header}"} for header in headers}
        if is_in_catalogue(route) and "ETag" not in headers:
            answer["headers"]["ETag"] = responses.OPTIONAL_ETAG
        answer["description"] = _SUCCESS[status]
        if answer["content"]["application/json"]["schema"].get("type") == "null":
            del answer["content"]
    if is_in_catalogue(route) or not used.isdisjoint({"api.public_document", "api.private_document"}):
        found["304"] = {"description": "The client has the current document.", "headers": answer["headers"]}
    return found


def _referred(body: Json) -> str:
    return str(body["content"]["application/json"]["schema"]["$ref"]).rpartition("/")[2]
