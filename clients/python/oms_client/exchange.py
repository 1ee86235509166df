"""Requests and their retries, without I/O.

A flow is a generator that yields steps, such as Send and Sleep. `sending` performs the steps, with or without asyncio,
so that all rules are written once.
"""

import json
import random
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Generic, Protocol, TypeAlias, TypeVar
from urllib.parse import quote

import httpx

from oms_client.codec import DecodeError, ResponseInfo, ResponseModel, Unset, decode, encode, parse
from oms_client.errors import ApiError, ConnectionFailedError, UnexpectedResponseError
from oms_client.models import Problem
from oms_client.problems import BY_CODE

T = TypeVar("T")
# HTTP's methods whose repetition has no further effect (RFC 9110, section 9.2.2).
IDEMPOTENT = {"GET", "HEAD", "PUT", "DELETE"}
TRANSIENT = {500, 502, 503, 504}
# The connection failed before anything was sent.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# The request itself is wrong; a repetition fails too.
NOT_REPEATABLE = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
# The gateway's own responses have no code.
GATEWAY_CODES = {
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    413: "body-too-large",
    429: "too-many-requests",
    500: "internal-error",
    503: "unavailable",
}


Match: TypeAlias = str | int | ResponseModel
"""The expected version of a resource: the object as it was read, its number, or its ETag."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request of one operation. `returns` is the type of its result.

    `safe`: a POST may be repeated without a key. `public`: it needs no credentials.
    """

    method: str
    path: str
    returns: Any
    query: Mapping[str, object] = field(default_factory=dict)
    body: Mapping[str, object] | None = None
    key: str | None = None
    if_match: Match | None = None
    safe: bool = False
    public: bool = False

    @property
    def repeatable(self) -> bool:
        return self.safe or self.key is not None or self.method in IDEMPOTENT

    def with_query(self, **values: object) -> "Call[T]":
        return replace(self, query={**self.query, **values})


def new_key(given: str | None) -> str:
    """Returns the idempotency key of a request: all its attempts have the same."""
    return given or str(uuid.uuid4())


def quoted(value: str) -> str:
    """Returns an id as a part of a path."""
    if value in ("", ".", ".."):
        raise ValueError(f"{value!r} is not an id")
    return quote(value, safe="")


def etag(match: Match | None) -> str | None:
    """Returns the value of If-Match. An object from a list has no ETag of its own, but may have a version."""
    if isinstance(match, ResponseModel):
        found = match.response.etag if match.response else None
        match = found or getattr(match, "version", None)
        if match is None:
            raise ValueError("this object has neither an ETag nor a version")
    if isinstance(match, int):
        return f'"{match}"'
    return match if match is None or match == "*" or match.endswith('"') else f'"{match}"'


# ---- flows


@dataclass(frozen=True)
class Send:
    """Send the request; the result is the response, or the error of the transport."""

    request: httpx.Request


@dataclass(frozen=True)
class Sleep:
    seconds: float


@dataclass(frozen=True)
class Exclusive:
    """Run the flow while no other flow of the client is in such a step; the result is that of the flow."""

    flow: "Flow[Any]"


@dataclass(frozen=True)
class Emit:
    """Give the value to the caller of an iteration."""

    value: Any


Step: TypeAlias = Send | Sleep | Exclusive | Emit
Flow: TypeAlias = Generator[Step, Any, T]


class Credentials(Protocol):
    """The source of the token of each request."""

    def token(self, exchange: "Exchange") -> Flow[str]:
        """Returns the current token. Raises NotSignedInError."""

    def renewed(self, exchange: "Exchange", refused: str) -> Flow[str | None]:
        """Returns a token after a 401 refused this one; None if there is no other."""


@dataclass(frozen=True)
class RetryPolicy:
    """When and how often requests are repeated.

    A request is repeated after a 429; after a 500, 502, 503, 504, a time-out or a network error only if it is
    idempotent or has an idempotency key. The client waits for `Retry-After`, and then for a random time up to
    `base_seconds`, which doubles with each attempt up to `max_backoff_seconds`. A `Retry-After` above
    `max_wait_seconds` ends the attempts.
    """

    attempts: int = 5
    base_seconds: float = 0.5
    max_backoff_seconds: float = 20
    max_wait_seconds: float = 60
    random: Callable[[], float] = random.random

    def backoff(self, attempt: int) -> float:
        """Returns the seconds to wait after this attempt, counted from 0: exponential, with full jitter."""
        return self.random() * float(min(self.max_backoff_seconds, self.base_seconds * 2 ** min(attempt, 30)))

    def wait(self, call: Call[Any], outcome: httpx.Response | httpx.TransportError, attempt: int) -> float | None:
        """Returns the seconds to wait before the next attempt; None if there is none."""
        if attempt + 1 >= self.attempts or isinstance(outcome, NOT_REPEATABLE):
            return None
        if isinstance(outcome, httpx.TransportError):
            return self.backoff(attempt) if call.repeatable or isinstance(outcome, NOT_SENT) else None
        if outcome.status_code != 429 and not (outcome.status_code in TRANSIENT and call.repeatable):
            return None
        after = retry_after(outcome) or 0
        return None if after > self.max_wait_seconds else after + self.backoff(attempt)


def retry_after(response: httpx.Response) -> float | None:
    """Returns the seconds of Retry-After, which has a number or a date."""
    text = response.headers.get("Retry-After", "")
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


class Exchange:
    """Calls of one deployment with one set of credentials."""

    def __init__(
        self,
        base_url: str,
        credentials: Credentials | None,
        *,
        retries: RetryPolicy,
        timeout: httpx.Timeout,
        agent: str,
    ) -> None:
        self.base_url = base_url.rstrip("/").removesuffix("/api/v1")
        self.credentials = credentials
        self.retries = retries
        self._timeout = timeout
        self._headers = {"Accept": "application/json", "User-Agent": agent}

    def call(self, call: Call[T]) -> Flow[T]:
        """Returns the result. Raises ApiError, ConnectionFailedError or UnexpectedResponseError."""
        token = None
        if self.credentials and not call.public:
            token = yield from self.credentials.token(self)
        response = yield from self._attempts(call, self._request(call, token))
        if response.status_code == 401 and self.credentials and token:
            token = yield from self.credentials.renewed(self, token)
            if token:
                response = yield from self._attempts(call, self._request(call, token))
        return self._result(call, response)

    def pages(self, call: Call[Any]) -> Flow[None]:
        """Emits the items of all pages. A page may be empty before the end."""
        cursor = None
        while True:
            page = yield from self.call(call.with_query(cursor=cursor))
            for item in page.items:
                yield Emit(item)
            cursor = page.next_cursor
            if cursor is None:
                return

    def transfer(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> Flow[httpx.Response]:
        """Sends a request to a signed URL, which takes no token. Raises OmsClientError."""
        request = httpx.Request(
            method, url, headers=headers, content=content, extensions={"timeout": self._timeout.as_dict()}
        )
        response = yield from self._attempts(Call(method, request.url.path, None), request)
        if not response.is_success:
            message = f"{method} {request.url.copy_with(query=None)}: status {response.status_code}"
            raise UnexpectedResponseError(message, status=response.status_code)
        return response

    def _attempts(self, call: Call[Any], request: httpx.Request) -> Flow[httpx.Response]:
        attempt = 0
        unknown = False  # Whether an earlier attempt may have taken effect.
        while True:
            outcome = yield Send(request)
            if (wait := self.retries.wait(call, outcome, attempt)) is None:
                break
            unknown = unknown or not (isinstance(outcome, NOT_SENT) or getattr(outcome, "status_code", 0) == 429)
            attempt += 1
            yield Sleep(wait)
        if isinstance(outcome, httpx.TransportError):
            effect = unknown or not isinstance(outcome, (*NOT_SENT, *NOT_REPEATABLE))
            # Without the query, which may have personal data.
            message = f"{call.method} {request.url.copy_with(query=None)}: {outcome or type(outcome).__name__}"
            raise ConnectionFailedError(
                message, may_have_taken_effect=effect and call.method != "GET", idempotency_key=call.key
            ) from outcome
        if unknown and call.method == "DELETE" and outcome.status_code == 404:
            # An earlier attempt has deleted it, and its response was lost.
            return httpx.Response(204, headers=outcome.headers, request=request)
        return outcome  # type: ignore[no-any-return]

    def _request(self, call: Call[Any], token: str | None) -> httpx.Request:
        headers = dict(self._headers)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if call.key:
            headers["Idempotency-Key"] = call.key
        if (match := etag(call.if_match)) is not None:
            headers["If-Match"] = match
        content = None
        if call.body is not None:
            headers["Content-Type"] = "application/json"
            content = dumped(call.body)
        return httpx.Request(
            call.method,
            self.base_url + call.path,
            params=query_of(call.query),
            headers=headers,
            content=content,
            extensions={"timeout": self._timeout.as_dict()},
        )

    def _result(self, call: Call[T], response: httpx.Response) -> T:
        info = ResponseInfo(
            response.status_code,
            response.headers.get("X-Request-Id"),
            response.headers.get("ETag"),
            response.headers.get("Location"),
            response.headers.get("Idempotency-Replayed") == "true",
        )
        if response.is_success or response.status_code == 303:
            try:
                result = decode(call.returns, parse(response.content) if response.content else None)
            except DecodeError as error:
                raise UnexpectedResponseError(
                    f"{call.method} {call.path}: {error}", status=info.status, request_id=info.request_id
                ) from error
            if isinstance(result, ResponseModel):
                result.response = info
            return result  # type: ignore[no-any-return]
        raise problem_of(response, call.key)


def problem_of(response: httpx.Response, key: str | None) -> ApiError | UnexpectedResponseError:
    """Returns the error of a response. The gateway's own ones have only a message, and get the code of their status."""
    try:
        content = parse(response.content)
        if "code" not in content:
            status, path = response.status_code, response.request.url.path
            code = GATEWAY_CODES.get(status, f"http-{status}")
            request_id = response.headers.get("X-Request-Id", response.headers.get("apigw-requestid", ""))
            members = {"type": "about:blank", "title": code, "status": status, "instance": path, "code": code}
            content = {**members, "detail": str(content["message"]), "request_id": request_id}
        problem = decode(Problem, content)
    except (DecodeError, TypeError, KeyError):
        status, place = response.status_code, response.request.url.copy_with(query=None)
        message = f"{response.request.method} {place}: status {status}, and no problem response"
        return UnexpectedResponseError(message, status=status, request_id=response.headers.get("X-Request-Id"))
    kind = BY_CODE.get(problem.code, ApiError)
    return kind(problem, retry_after=retry_after(response), idempotency_key=key)


def dumped(body: Mapping[str, object]) -> bytes:
    return json.dumps(encode(body), ensure_ascii=False, separators=(",", ":")).encode()


def query_of(values: Mapping[str, object]) -> httpx.QueryParams:
    """Returns the parameters of a query. None and UNSET are left out; a list becomes several parameters."""
    found: list[tuple[str, str]] = []
    for name, value in values.items():
        if value is None or isinstance(value, Unset):
            continue
        encoded = encode(value)
        for it in encoded if isinstance(encoded, list) else [encoded]:
            found.append((name, str(it).lower() if isinstance(it, bool) else str(it)))
    return httpx.QueryParams(tuple(found))
