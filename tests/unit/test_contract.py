"""The comparison of answers with the OpenAPI document finds each kind of difference."""

import json
from typing import Any

import pytest

from tests.support import contract
from tests.support.documented import SCHEMAS, example

IDS = {"X-Request-Id": "request-1", "Content-Type": "application/json"}
PROBLEM = IDS | {"Content-Type": "application/problem+json"}
ORDER = "/api/v1/orders/0C8Z4V6T2R9QKX1M5N7P"
REFUSAL = {
    "type": "/docs/errors#not-found",
    "title": "Not found",
    "status": 404,
    "detail": "Resource not found.",
    "instance": ORDER,
    "code": "not-found",
    "request_id": "request-1",
}


CANCEL = f"{ORDER}/cancel"
GATEWAY = {"Content-Type": "application/json"}


def a_refusal(**changes: Any) -> str:
    return json.dumps(REFUSAL | changes)


def an_order(**changes: Any) -> str:
    return json.dumps(example(SCHEMAS["OrderResponse"]) | changes)


def test_a_documented_answer_passes() -> None:
    contract.check("GET", ORDER, 200, IDS | {"ETag": '"1"'}, an_order())
    contract.check("HEAD", ORDER, 200, IDS | {"ETag": '"1"'}, "")
    contract.check("GET", ORDER, 404, PROBLEM, json.dumps(REFUSAL))
    contract.check("GET", ORDER, 503, GATEWAY, '{"message":"Service Unavailable"}')
    contract.check("GET", "/nowhere", 429, GATEWAY, '{"message":"Too Many Requests"}')
    contract.check("GET", ORDER, 503, PROBLEM | {"Retry-After": "1"}, a_refusal(status=503, code="unavailable"))
    contract.check("POST", CANCEL, 409, PROBLEM, a_refusal(status=409, code="invalid-transition"))
    contract.check("GET", "/nowhere", 404, PROBLEM, a_refusal())
    contract.check("PUT", ORDER, 405, PROBLEM | {"Allow": "GET"}, a_refusal(status=405, code="method-not-allowed"))
    contract.check("GET", "/docs/none", 404, PROBLEM, a_refusal())
    for page, media_type in (("/docs", "text/html; charset=utf-8"), ("/api/v1/docs/page.css", "text/css")):
        contract.check("GET", page, 200, {"Content-Type": media_type}, "…")
        contract.check("GET", page, 304, {"ETag": 'W/"1"'}, "")


@pytest.mark.parametrize(
    ("fault", "method", "path", "status", "headers", "text"),
    [
        ("the status is not declared", "GET", ORDER, 409, PROBLEM, json.dumps(REFUSAL)),
        ("the status is not declared", "PUT", "/api/v1/auth/password", 200, IDS, "{}"),
        ("the header location is not declared", "GET", ORDER, 200, IDS | {"ETag": '"1"', "Location": "/"}, an_order()),
        ("the header etag is missing", "GET", ORDER, 200, IDS, an_order()),
        ("the header x-request-id is missing", "GET", ORDER, 404, {"Content-Type": "application/problem+json"}, "{}"),
        ("the header etag: ", "GET", ORDER, 200, IDS | {"ETag": "1"}, an_order()),
        ("the content type text/html", "GET", ORDER, 404, PROBLEM | {"Content-Type": "text/html"}, "{}"),
        ("the body is not JSON", "GET", ORDER, 404, PROBLEM, "<html>"),
        ("there is a body", "HEAD", ORDER, 200, IDS | {"ETag": '"1"'}, an_order()),
        ("there is a body", "DELETE", "/api/v1/auth/sessions/1", 204, {"X-Request-Id": "1"}, "{}"),
        ("('surprise' was unexpected)", "GET", "/health", 200, IDS, '{"status":"ok","version":"1","surprise":1}'),
        ("is not valid under any", "GET", ORDER, 200, IDS | {"ETag": '"1"'}, an_order(surprise=1)),
        ("is not valid under any", "GET", ORDER, 200, IDS | {"ETag": '"1"'}, an_order(created_at="yesterday")),
        ("is not valid under any", "GET", ORDER, 200, IDS | {"ETag": '"1"'}, an_order(total=54.7)),
        (
            '"code" is a required',
            "GET",
            ORDER,
            404,
            PROBLEM,
            json.dumps({k: REFUSAL[k] for k in REFUSAL if k != "code"}),
        ),
        ('"code" is a required', "GET", "/nowhere", 404, PROBLEM, "{}"),
        ("the code email-taken", "POST", CANCEL, 409, PROBLEM, a_refusal(status=409, code="email-taken")),
        ("the code nonsense", "GET", ORDER, 404, PROBLEM, a_refusal(code="nonsense")),
        ("the code nonsense", "GET", "/nowhere", 404, PROBLEM, a_refusal(code="nonsense")),
        ("the code not-found", "PUT", ORDER, 405, PROBLEM | {"Allow": "GET"}, a_refusal(status=405)),
        ("the code gone", "GET", "/nowhere", 410, PROBLEM, a_refusal(status=410, code="gone")),
        ("the body says the status 409", "GET", ORDER, 404, PROBLEM, a_refusal(status=409)),
        ("the header retry-after is missing", "GET", ORDER, 503, PROBLEM, a_refusal(status=503, code="unavailable")),
        ("the header retry-after is missing", "HEAD", ORDER, 503, PROBLEM, ""),
        (
            "the header retry-after is missing",
            *("GET", ORDER, 429, PROBLEM, a_refusal(status=429, code="too-many-requests")),
        ),
        (
            "the header allow is missing",
            *("PUT", ORDER, 405, PROBLEM, a_refusal(status=405, code="method-not-allowed")),
        ),
        (
            "the header x-request-id is missing",
            *("GET", "/nowhere", 404, {"Content-Type": "application/problem+json"}, a_refusal()),
        ),
        ('"message" is a required', "GET", ORDER, 503, GATEWAY, a_refusal(status=503, code="unavailable")),
        ('"code" is a required', "GET", ORDER, 503, PROBLEM | {"Retry-After": "1"}, '{"message":"x"}'),
        ("the content type application/json", "GET", "/docs", 200, GATEWAY, "{}"),
        ("the code nonsense", "GET", "/docs/none", 404, PROBLEM, a_refusal(code="nonsense")),
        ('"message" is a required', "GET", "/docs", 500, GATEWAY, "{}"),
        ("the status is not declared", "GET", "/docs/a/b", 200, {"Content-Type": "text/html"}, "…"),
        ("the status is not declared", "GET", "/nowhere", 200, GATEWAY, "{}"),
    ],
)
def test_each_kind_of_fault_is_seen(
    fault: str, method: str, path: str, status: int, headers: dict[str, str], text: str
) -> None:
    with pytest.raises(AssertionError, match="differs from the document") as refused:
        contract.check(method, path, status, headers, text)

    assert fault in str(refused.value)


def test_a_fixed_path_is_never_meant_as_an_id() -> None:
    """GET is not a method of the path /orders/quote."""
    headers = PROBLEM | {"Allow": "POST"}

    contract.check("GET", "/api/v1/orders/quote", 405, headers, a_refusal(status=405, code="method-not-allowed"))
