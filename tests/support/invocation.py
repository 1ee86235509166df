"""Requests to one handler in process, as API Gateway's HTTP API (payload 2.0) would bring them."""

import base64
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from tests.support import contract, pointers


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    content: bytes
    # What Content-Length says.
    length: int

    @property
    def text(self) -> str:
        return self.content.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Context(SimpleNamespace):
    """What a function may ask of Lambda."""

    def __init__(self, milliseconds_left: int = 29_000) -> None:
        super().__init__(
            function_name="tests",
            memory_limit_in_mb=128,
            invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:tests",
            aws_request_id="00000000-0000-0000-0000-000000000000",
        )
        self.get_remaining_time_in_millis = lambda: milliseconds_left


def invoke(
    handler: ModuleType,
    method: str,
    path: str,
    body: Any = None,
    *,
    token: str | None = None,
    query: Mapping[str, str] | str = "",
    headers: Mapping[str, str] | None = None,
    address: str = "198.51.100.1",
    received_at: datetime | None = None,
    documented: bool = True,
) -> Answer:
    """The answer of a handler module to one request, as HTTP API (payload 2.0) would bring it. `str` bodies go raw.

    `documented` is False for routes that a test has made, which are not in the document.
    """
    sent = {name.lower(): value for name, value in (headers or {}).items()}
    if token is not None:
        sent["authorization"] = f"Bearer {token}"
    if body is not None and not isinstance(body, str):
        body = json.dumps(body)
    if body is not None:
        sent.setdefault("content-type", "application/json")
    raw_query = query if isinstance(query, str) else urlencode(query)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": raw_query,
        "headers": sent,
        "requestContext": {
            "http": {"method": method, "path": path, "sourceIp": address, "protocol": "HTTP/1.1", "userAgent": "tests"},
            "requestId": "request-1",
            "stage": "$default",
            "routeKey": "$default",
        },
        "body": body,
        "isBase64Encoded": False,
    }
    if received_at is not None:
        event["requestContext"]["timeEpoch"] = int(received_at.timestamp() * 1000)
    folded: dict[str, list[str]] = {}
    for name, value in parse_qsl(raw_query, keep_blank_values=True):
        folded.setdefault(name, []).append(value)
    if folded:
        event["queryStringParameters"] = {name: ",".join(values) for name, values in folded.items()}
    answer = handler.lambda_handler(event, Context())
    content = (answer.get("body") or "").encode()
    if answer.get("isBase64Encoded"):
        content = base64.b64decode(content, validate=True)
    # The gateway answers a HEAD with the length of the body alone.
    seen = Answer(answer["statusCode"], answer["headers"], b"" if method == "HEAD" else content, len(content))
    plain = gzip.decompress(seen.content) if seen.headers.get("Content-Encoding") == "gzip" else seen.content
    if documented:
        contract.check(method, path, seen.status, seen.headers, plain.decode())
    if seen.status == 422 and method != "HEAD" and body is not None:
        pointers.check(body, json.loads(plain))
    return seen


@dataclass(frozen=True)
class Person:
    """A signed-in user: what a test needs to act as them."""

    id: str
    role: str
    session_id: str
    token: str
