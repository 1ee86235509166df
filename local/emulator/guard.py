"""A guard that rejects requests of web pages and of other users of this machine, before they reach the emulator.

The emulator gives its callers all of AWS, including Lambda functions that run as the developer. A page that the
developer visits can reach loopback by its address or, with DNS rebinding, by the page's own host name. Other users of
the machine can also reach it. The emulator checks signatures, but serves S3 and its own routes without one.
"""

import hmac
import json
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from ministack.core.router import detect_service

from local.access import SECRET_HEADER

type Scope = Mapping[str, Any]
type Message = dict[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type Application = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]

# The emulator's own routes: sent mails, queues, health, and a reset of all data.
BESIDE_AWS = "/_ministack/"
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
# Browsers send one of these headers with each request to another origin. AWS clients send neither.
OF_A_PAGE = (b"origin", b"sec-fetch-site")
# The emulator's API Gateway, which applies the API's CORS rules as on AWS.
API = re.compile(r"/_aws/execute-api/[^/]+/\$default(/.*)?", re.DOTALL)
SIGNED = re.compile(r"AWS4-HMAC-SHA256 +Credential=([^/]+)/")
BUCKET_AND_KEY = re.compile(r"/[a-z0-9][a-z0-9.-]{2,62}/.")
# With the preflight of a read.
READS = ("GET", "HEAD", "OPTIONS")
OF_A_LINK = ("X-Amz-", "response-", "x-id")
# The key of a role's session, whose signature the emulator checks. It treats other keys, such as `test`, as its root
# user and does not check them.
SESSION_KEY = re.compile(r"A[A-Z0-9]{15,127}")


class Refusal(NamedTuple):
    status: int
    content_type: str
    body: str


FORBIDDEN = Refusal(
    403,
    "application/json",
    json.dumps({"message": "Forbidden: send signed requests to localhost. Web pages may not send requests."}),
)
TWO_SIGNATURES = Refusal(
    400,
    "application/xml",
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism '
    "allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header "
    "should be specified</Message><ArgumentName>Authorization</ArgumentName></Error>",
)


def guarded(application: Application, port: int, secret: str) -> Application:
    """Returns the emulator's ASGI application at `port`, behind the guard.

    WebSockets are rejected, and the emulator's own routes need the secret in a header.
    """

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] == "http" and (refused := refusal(scope, port, secret)):
            await _answer(refused, send)
        else:
            await application(_over_tls(scope), receive, send)

    return guard


def refusal(scope: Scope, port: int, secret: str) -> Refusal | None:
    """Returns the response to a request that must not reach the emulator, or None for other requests."""
    headers: list[tuple[bytes, bytes]] = [(name.lower(), value) for name, value in scope["headers"]]
    hosts = [value.decode("latin-1").lower() for name, value in headers if name == b"host"]
    signatures = [value for name, value in headers if name == b"authorization"]
    if hosts not in [[f"{name}:{port}"] for name in LOOPBACK]:
        return FORBIDDEN
    if API.fullmatch(scope["path"]) and not _names_a_key(scope, signatures):
        return None
    if _is_signed_link(scope, secret, READS):
        return TWO_SIGNATURES if signatures else None
    if any(name in OF_A_PAGE for name, _ in headers):
        return FORBIDDEN
    if _is_signed_link(scope, secret, ("PUT",)):
        return TWO_SIGNATURES if signatures else None
    if scope["path"].startswith(BESIDE_AWS):
        known = [value for name, value in headers if name == SECRET_HEADER.lower().encode()]
        return None if known and hmac.compare_digest(known[0], secret.encode()) else FORBIDDEN
    if len(signatures) == 1 and (signed := SIGNED.match(signatures[0].decode("latin-1"))):
        return None if _may_sign(signed[1], secret) else FORBIDDEN
    return FORBIDDEN


def _names_a_key(scope: Scope, signatures: list[bytes]) -> bool:
    """Returns whether the request names an access key in a header or the query. The emulator trusts some keys without a
    check.
    """
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    named = {"x-amz-credential", "awsaccesskeyid"} & {name.lower() for name in query}
    return bool(named) or any(value.lower().lstrip().startswith(b"aws") for value in signatures)


def _may_sign(key: str, secret: str) -> bool:
    return SESSION_KEY.fullmatch(key) is not None or hmac.compare_digest(key.encode(), secret.encode())


def _over_tls(scope: Scope) -> Scope:
    """Returns the request as if it was sent by TLS, since policies deny requests without it."""
    if scope["type"] != "http":
        return scope
    headers = [(name, value) for name, value in scope["headers"] if name.lower() != b"x-forwarded-proto"]
    return {**scope, "headers": [*headers, (b"x-forwarded-proto", b"https")]}


def _is_signed_link(scope: Scope, secret: str, methods: Sequence[str]) -> bool:
    """Returns whether the request uses a signed link of an S3 object by one of these methods. Exports have links to
    read, imports also to upload.
    """
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    path = scope["path"]
    return (
        scope["method"] in methods
        and "X-Amz-Signature" in query
        and all(name.startswith(OF_A_LINK) and len(values) == 1 for name, values in query.items())
        and _may_sign(query.get("X-Amz-Credential", [""])[0].partition("/")[0], secret)
        and BUCKET_AND_KEY.match(path) is not None
        and detect_service(scope["method"], path, {}, query) == "s3"
    )


async def _answer(refused: Refusal, send: Send) -> None:
    body = refused.body.encode()
    headers = [(b"content-type", refused.content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
