"""Refuses what a web page may have sent, before the emulator sees it.

The emulator gives each caller all of AWS, Lambda functions that run as the developer among it, and lets each origin
read its answers. A page that the developer visits can reach loopback too, by its address or, with DNS rebinding, under
the page's own host name.
"""

import json
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from ministack.core.router import detect_service

type Scope = Mapping[str, Any]
type Message = dict[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type Application = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
# Browsers send one of them with each request that a page of another origin makes; no AWS client sends any.
OF_A_PAGE = (b"origin", b"sec-fetch-site")
# API Gateway's part of the emulator: its rules for other origins (CORS) are the API's, as on AWS.
API_PREFIX = "/_aws/execute-api/"
BUCKET_AND_KEY = re.compile(r"/[a-z0-9][a-z0-9.-]{2,62}/.")
OF_A_LINK = ("x-amz-", "response-", "x-id")


class Refusal(NamedTuple):
    status: int
    content_type: str
    body: str


FORBIDDEN = Refusal(
    403,
    "application/json",
    json.dumps({"message": "Forbidden: the local cloud takes no requests from web pages or under other host names."}),
)
TWO_SIGNATURES = Refusal(
    400,
    "application/xml",
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism '
    "allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header "
    "should be specified</Message><ArgumentName>Authorization</ArgumentName></Error>",
)


def guarded(application: Application, port: int) -> Application:
    """The ASGI application of the emulator at `port`, behind the guard. Its WebSockets are closed to all."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] == "http" and (refused := refusal(scope, port)):
            await _answer(refused, send)
        else:
            await application(scope, receive, send)

    return guard


def refusal(scope: Scope, port: int) -> Refusal | None:
    """The answer to a request that the emulator must not see, None for others."""
    headers: list[tuple[bytes, bytes]] = [(name.lower(), value) for name, value in scope["headers"]]
    hosts = [value.decode("latin-1").lower() for name, value in headers if name == b"host"]
    if hosts not in [[f"{name}:{port}"] for name in LOOPBACK]:
        return FORBIDDEN
    link = _is_signed_link(scope)
    if link and any(name == b"authorization" for name, _ in headers):
        return TWO_SIGNATURES
    from_a_page = any(name in OF_A_PAGE for name, _ in headers)
    if from_a_page and not link and not scope["path"].startswith(API_PREFIX):
        return FORBIDDEN
    return None


def _is_signed_link(scope: Scope) -> bool:
    """A signed link of an object in S3, as exports have; or the question whether a page may fetch it (preflight)."""
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    path = scope["path"]
    return (
        scope["method"] in ("GET", "HEAD", "OPTIONS")
        and "X-Amz-Signature" in query
        and all(name.lower().startswith(OF_A_LINK) for name in query)
        and BUCKET_AND_KEY.match(path) is not None
        and detect_service("GET", path, {}, query) == "s3"
    )


async def _answer(refused: Refusal, send: Send) -> None:
    body = refused.body.encode()
    headers = [(b"content-type", refused.content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
