"""Requests to one handler in process, in the form of API Gateway's HTTP API (payload 2.0)."""

import base64
import gzip
import json
import time
from collections.abc import Mapping, Sequence
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
    # The value of Content-Length.
    length: int
    # The values of Set-Cookie.
    cookies: Sequence[str] = ()

    @property
    def text(self) -> str:
        return self.content.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Context(SimpleNamespace):
    """Lambda's context, as far as functions use it."""

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
    media_type: str | None = "application/json",
    cookies: Sequence[str] = (),
    address: str = "198.51.100.1",
    received_at: datetime | None = None,
    documented: bool = True,
) -> Answer:
    """Returns the answer of a handler module to one request of the HTTP API (payload 2.0). Bodies of type `str` are
    sent raw. `media_type` is that of a body without a Content-Type in `headers`. `cookies` are `name=value`.

    `documented` is False for a test's own routes, which are not in the document.
    """
    sent = {name.lower(): value for name, value in (headers or {}).items()}
    if token is not None:
        sent["authorization"] = f"Bearer {token}"
    if body is not None and not isinstance(body, str):
        body = json.dumps(body)
    if body is not None and media_type is not None:
        sent.setdefault("content-type", media_type)
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
    if cookies:
        event["cookies"] = list(cookies)
    if received_at is not None:
        event["requestContext"]["timeEpoch"] = int(received_at.timestamp() * 1000)
    folded: dict[str, list[str]] = {}
    for name, value in parse_qsl(raw_query, keep_blank_values=True):
        folded.setdefault(name, []).append(value)
    if folded:
        event["queryStringParameters"] = {name: ",".join(values) for name, values in folded.items()}
    if method == "POST":
        wait_for_next_millisecond()
    answer = handler.lambda_handler(event, Context())
    content = (answer.get("body") or "").encode()
    if answer.get("isBase64Encoded"):
        content = base64.b64decode(content, validate=True)
    # The gateway answers a HEAD with the length of the body alone.
    set_cookies = answer.get("cookies", [])
    shown = b"" if method == "HEAD" else content
    seen = Answer(answer["statusCode"], answer["headers"], shown, len(content), set_cookies)
    plain = gzip.decompress(seen.content) if seen.headers.get("Content-Encoding") == "gzip" else seen.content
    if documented:
        several = {"Set-Cookie": ", ".join(set_cookies)} if set_cookies else {}
        contract.check(method, path, seen.status, {**seen.headers, **several}, plain.decode())
    if seen.status == 422 and method != "HEAD" and body is not None:
        pointers.check(body, json.loads(plain))
    return seen


def wait_for_next_millisecond() -> None:
    """Waits until all that was created before has an earlier time: within a millisecond, lists are sorted by random id.

    A test that creates several resources can so expect them in that order.
    """
    begun = time.time_ns()
    while time.time_ns() // 1_000_000 == begun // 1_000_000:
        time.sleep((1_000_000 - begun % 1_000_000) / 1_000_000_000)


@dataclass(frozen=True)
class Person:
    """A signed-in user, with the data for acting as them."""

    id: str
    role: str
    session_id: str
    token: str
