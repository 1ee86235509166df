"""The schemas of error responses: a problem (RFC 9457) with the members that errors add, and the gateway's message."""

from local.openapi.paths import Json
from oms.core.errors import OmsError


def error_types(root: type[OmsError] = OmsError) -> list[type[OmsError]]:
    """Returns the types of the whole tree of errors."""
    return [root, *(found for child in root.__subclasses__() for found in error_types(child))]


_GATEWAY_PROBLEM: Json = {
    "type": "object",
    "description": "The response of API Gateway itself, if a request did not reach a function or the function failed.",
    "properties": {
        "message": {
            "type": "string",
            "description": "The error, as a text for people.",
            "examples": ["Too Many Requests"],
        }
    },
    "required": ["message"],
}


def schemas() -> Json:
    return {"Problem": _problem(), "GatewayProblem": _GATEWAY_PROBLEM}


def _problem() -> Json:
    place = {"type": "string", "description": "The query parameter with the invalid value.", "examples": ["limit"]}
    error = {
        "type": "object",
        "description": "An invalid value and its place: exactly one of `pointer`, `parameter` and `header` is present.",
        "properties": {
            "pointer": {
                "type": "string",
                "description": "The place of the value in the body, as a URI fragment (RFC 6901); `#` is the body "
                "itself.",
                "examples": ["#/items/0/quantity"],
            },
            "parameter": place,
            "header": place | {"description": "The header with the invalid value.", "examples": ["If-Match"]},
            "detail": {
                "type": "string",
                "description": "The rule that the value breaks, for people.",
                "examples": ["Input should be greater than or equal to 1"],
            },
        },
        "required": ["detail"],
        "minProperties": 2,
        "maxProperties": 2,
    }
    properties = _always_there() | _members(error)
    return {
        "type": "object",
        "description": "The reason that a request failed (RFC 9457). Members that are not required depend on `code`.",
        "properties": properties,
        "required": list(_always_there()),
    }


def _members(error: Json) -> Json:
    """Returns the members that the `extra` of errors adds."""
    return {
        "errors": {"type": "array", "minItems": 1, "items": error, "description": "For 422: the first invalid values."},
        "omitted_errors": {
            "type": "integer",
            "minimum": 1,
            "description": "For 422: the number of further invalid values, which `errors` does not list.",
            "examples": [15],
        },
        "scope": _text("For `insufficient-scope`: the scope that the service key lacks.", "orders:read"),
        "shortfalls": _listed("ShortfallResponse", "For `insufficient-stock` of an order: products that are short."),
        **{name: _number(text, example) for name, (text, example) in _STOCK.items()},
        "order_id": _text(
            "For `external-ref-taken`: the id of the order that has the reference.", "0C8Z4V6T2R9QKX1M5N7P"
        ),
        "from": _text("For `invalid-transition`: the order's status.", "shipped"),
        "to": _text("For `invalid-transition`: the status that the move leads to.", "cancelled"),
        "limits": _listed("LineLimitResponse", "For `order-limit-exceeded`: lines with too many units."),
        "order_units": _one("UnitsLimitResponse", "For `order-limit-exceeded`: set if the order has too many units."),
        "order_value": _one("ValueLimitResponse", "For `order-limit-exceeded`: set if the goods are worth too much."),
        "quote": _one("QuoteResponse", "For `price-changed`: the current price of the order."),
    }


_STOCK = {
    "on_hand": ("`available` + `reserved`.", 40),
    "available": ("Units that can be ordered now.", 38),
    "reserved": ("Units in orders that are not shipped yet.", 2),
    "stock_version": ("The version of the stock.", 8),
}


def _number(description: str, example: int) -> Json:
    text = f"For `stock-changed` and `stock-reserved`: {description}"
    return {"type": "integer", "description": text, "examples": [example]}


def _text(description: str, example: str) -> Json:
    return {"type": "string", "description": description, "examples": [example]}


def _listed(name: str, description: str) -> Json:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}, "description": description}


def _one(name: str, description: str) -> Json:
    return {"anyOf": [{"$ref": f"#/components/schemas/{name}"}, {"type": "null"}], "description": description}


def _always_there() -> Json:
    codes = sorted({error.code for error in error_types()})
    return {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": "The page of this API that explains the problem. Use `code` to distinguish problems.",
            "examples": ["/docs/errors#insufficient-stock"],
        },
        "title": {
            "type": "string",
            "description": "The kind of problem, for people.",
            "examples": ["Not enough stock"],
        },
        "status": {
            "type": "integer",
            "minimum": 400,
            "maximum": 599,
            "description": "The HTTP status of the response.",
            "examples": [409],
        },
        "detail": {
            "type": "string",
            "description": "The error in this request, for people. Its wording may change.",
            "examples": ["Not enough stock of product 7. Order fewer units, or try again later."],
        },
        "instance": {
            "type": "string",
            "format": "uri-reference",
            "description": "The path of the request.",
            "examples": ["/api/v1/orders"],
        },
        "code": {
            "type": "string",
            "description": "The kind of problem, for programs. A code never changes its meaning. `x-extensible-enum` "
            "lists the "
            "known codes. Later versions may add codes; handle an unknown one by its status.",
            "examples": ["insufficient-stock"],
            "x-extensible-enum": codes,
        },
        "request_id": {
            "type": "string",
            "description": "The request's id in the logs, as in `X-Request-Id`.",
            "examples": ["JKJaXmPLvHcESHA="],
        },
    }
