"""HTTP helpers for route handlers: request accessors, response builders."""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel
from pydantic_core import to_json

from oms.core import clock
from oms.core.errors import InvalidRequestError, OmsError, StaleVersionError, UnauthenticatedError
from oms.core.guests import Guest
from oms.core.pages import Page, decode_cursor, encode_cursor
from oms.core.rate_limits import Allowance
from oms.core.schemas import Shown
from oms.core.versions import ANY_VERSION, ExpectedVersion, entity_tag
from oms.http.access_rules import Caller, current_request
from oms.http.client_address import client_address as address_of
from oms.http.client_address import exact_address
from oms.http.powertools import JsonText, encode
from oms.identity.access import CurrentUser

logger = Logger()

_TAG = re.compile(r'"[\x21\x23-\x7e]*"')
# A list may have empty elements (RFC 9110, section 5.6.1.2).
_TAGS = re.compile(rf"[\s,]*(W/)?{_TAG.pattern}(\s*,[\s,]*(W/)?{_TAG.pattern})*[\s,]*")
# Of the JSON of a page's items. Lambda's limit is 6 MB, and escapes can make the JSON three times as large.
MAX_PAGE_BYTES = 1024 * 1024
# The page that explains the error codes, each at an anchor of its name.
ERROR_PAGE = "/docs/errors"
# The time for which shared caches may keep a response of the public catalogue.
CATALOGUE_SECONDS = 30
# API Gateway ends a request after 30 seconds.
_MAX_REQUEST_TIME = timedelta(seconds=30)


# ---- the current request --------------------------------------------------------------------------------------------


def current_caller() -> Caller:
    """Returns the signed-in user, or the service key. Raises UnauthenticatedError in a public route."""
    caller = current_request.get().caller
    if caller is None:
        raise UnauthenticatedError
    return caller


def current_reader() -> Caller | None:
    """Returns the caller, or None for a request without a token that the public catalogue admits."""
    return None if current_request.get().is_anonymous else current_caller()


def current_guest() -> Guest | None:
    """Returns the guest, in a route that admits guests; None if a user or a service key sent the request."""
    return current_request.get().guest


def current_user() -> CurrentUser:
    """Returns the signed-in user, in a route without a scope. Raises UnauthenticatedError for a service key too."""
    caller = current_caller()
    if not isinstance(caller, CurrentUser):
        raise UnauthenticatedError
    return caller


def tag_logs_with_user(user_id: str) -> None:
    """Adds the user to the log lines of this request."""
    logger.append_keys(user_id=user_id)


def tag_logs_with_key(key_id: str) -> None:
    """Adds the service key to the log lines of this request."""
    logger.append_keys(key_id=key_id)


def bearer_token() -> str | None:
    """Returns the token in the Authorization header, without checking it; None if there is none."""
    scheme, _, token = current_request.get().headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def client_address() -> str:
    request = current_request.get()
    return address_of(request.event["requestContext"]["http"]["sourceIp"], request.headers)


def exact_client_address() -> str:
    """Returns the whole IP address of the client: `client_address` shortens IPv6 addresses."""
    request = current_request.get()
    return exact_address(request.event["requestContext"]["http"]["sourceIp"], request.headers)


def received_at() -> datetime:
    """Returns the time when the request reached API Gateway. A cold function starts seconds later.

    It is the current time if API Gateway's time is missing or not within the last 30 seconds.
    """
    now, milliseconds = clock.now(), current_request.get().event["requestContext"].get("timeEpoch")
    if isinstance(milliseconds, int) and not isinstance(milliseconds, bool):
        received = clock.outside(clock.from_seconds(milliseconds / 1000))
        if now - _MAX_REQUEST_TIME <= received <= now:
            return received
    return now


def user_agent() -> str:
    return current_request.get().headers.get("user-agent", "")[:256]


def idempotency_key() -> str | None:
    key = current_request.get().headers.get("idempotency-key")
    if key is not None and not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        raise InvalidRequestError.at("must be 1 to 255 visible ASCII characters", header="Idempotency-Key")
    return key


_NOT_HONOURED = "is not supported here; omit it"
_versioned: set[Callable[..., Any]] = set()


def versioned[F: Callable[..., Any]](function: F) -> F:
    """Marks the function of a route that honours If-Match by `expected_version`. Changes without the mark refuse
    If-Match.
    """
    _versioned.add(function)
    return function


def is_versioned(function: Callable[..., Any]) -> bool:
    return function in _versioned


def check_conditions(function: Callable[..., Any]) -> None:
    """Refuses (422) conditions that a change would ignore, because the client relies on them (RFC 9110, 13.1).

    `If-Match: *` requires that the resource exists, which a 404 answers. `check_shown` checks reads.
    """
    request = current_request.get()
    if is_read():
        _named_tags()
        return
    refused = ["If-None-Match"] if "if-none-match" in request.headers and request.method != "GET" else []
    if not is_versioned(function) and request.headers.get("if-match", "*").strip() != "*":
        refused.append("If-Match")
    if refused:
        raise InvalidRequestError([{"header": name, "detail": _NOT_HONOURED} for name in refused])


def is_read() -> bool:
    """Returns whether the request only reads. Some GETs have side effects: see `manager`."""
    request = current_request.get()
    return request.method in ("GET", "HEAD") and request.admitted_by is not None and request.admitted_by.head


def check_shown(etag: str | None) -> None:
    """Checks If-Match of a read: 412 if it does not name the current `etag`, 422 if the resource has none."""
    tags = _named_tags()
    if tags is None:
        return
    if etag is None:
        raise InvalidRequestError.at(_NOT_HONOURED, header="If-Match")
    if etag.removeprefix("W/") not in tags:
        raise StaleVersionError(
            f"If-Match does not name the current ETag, which is {etag}. Get the resource again.", headers={"ETag": etag}
        )


def _named_tags() -> list[str] | None:
    """Returns the tags in If-Match; None if it allows every version. Weak tags count as strong ones.

    Raises InvalidRequestError if the header is malformed.
    """
    header = current_request.get().headers.get("if-match", "*").strip()
    if header == "*":
        return None
    if not _TAGS.fullmatch(header):
        raise InvalidRequestError.at('must be an ETag from a response, such as "3", or *', header="If-Match")
    return [found[0] for found in _TAG.finditer(header)]


def expected_version() -> ExpectedVersion:
    """Returns the version that If-Match names. Raises InvalidRequestError (422) for a malformed header.

    Routes call it before the service, so a malformed header gives 422 even if the resource does not exist.
    """
    tags = _named_tags()
    return ANY_VERSION if tags is None else ExpectedVersion(frozenset(tags))


def _cursor_binding() -> list[object]:
    """Returns the values to which a cursor is bound: caller, path, and the query without `cursor` and `limit`."""
    request = current_request.get()
    query = [pair for pair in request.query if pair[0] not in ("cursor", "limit")]
    reader = current_reader()
    return [reader and reader.id, request.path, sorted(query)]


def show_allowance(allowance: Allowance) -> None:
    """Adds the rate-limit headers to this request's response, also to an error."""
    for name, value in allowance.headers.items():
        answer_header(name, value)


def answer_header(name: str, value: str) -> None:
    """Adds a header to this request's response, also to an error."""
    current_request.get().answer_headers[name] = value


# ---- responses ------------------------------------------------------------------------------------------------------


def ok[T: BaseModel](content: T | Shown[T], *, version: int | None = None, replayed: bool = False) -> Response[T]:
    return _answer(200, content, version, replayed)


def created[T: BaseModel](
    content: T | Shown[T], *, location: str, version: int | None = None, replayed: bool = False
) -> Response[T]:
    response = _answer(201, content, version, replayed)
    response.headers["Location"] = location
    return response


def started[T: BaseModel](
    content: T, *, location: str | None = None, replayed: bool = False, retry_after: int | None = None
) -> Response[T]:
    """Returns 202 Accepted with the state of the job. `retry_after`: seconds until the next poll."""
    response = _answer(202, content, None, replayed)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    if location is not None:
        response.headers["Location"] = location
    return response


def see_other[T: BaseModel](content: T, *, location: str) -> Response[T]:
    """Returns 303 See Other with `location`."""
    response = _answer(303, content, None, False)
    response.headers["Location"] = location
    return response


def listed[T, P: BaseModel](page: Page[T], show: Callable[[T], BaseModel | Shown[Any]], answer: type[P]) -> Response[P]:
    """Returns a page as `answer(items=…, next_cursor=…)`. A page of large items ends early: Lambda's limit is 6 MB."""
    items = [show(item) for item in page.items]
    text = _page_json(answer, items, page.position)
    if len(text.encode()) > MAX_PAGE_BYTES:
        number = _number_that_fits(items)
        position = page.position if number == len(items) else page.placed[number - 1][0]
        text = _page_json(answer, items[:number], position)
    return _answer(200, text, None, False)


def _page_json(answer: type[BaseModel], items: Sequence[Any], position: str | None) -> JsonText:
    content = {"items": items, "next_cursor": list_cursor(position)}
    is_shown = bool(items) and isinstance(items[0], Shown)
    return encode(answer, Shown(content) if is_shown else answer(**content))


def _number_that_fits(items: Sequence[Any]) -> int:
    """Returns how many of the items a page may have: at least one."""
    sizes = accumulate(len(to_json(item)) for item in items)
    return max(1, sum(size <= MAX_PAGE_BYTES for size in sizes))


def list_cursor(position: str | None) -> str | None:
    """Returns the cursor for the page after `position`."""
    return encode_cursor(position, _cursor_binding())


def list_position(cursor: str | None) -> str | None:
    """Returns the position after which this request's page starts."""
    return decode_cursor(cursor, _cursor_binding())


def public_document(content: Any, *, max_age: int | None) -> Response[Any]:
    """Returns public JSON with an ETag of its content. Caches may keep it for `max_age` seconds; None forbids caching.

    If API Gateway has CORS rules, they replace Access-Control-Allow-Origin.
    """
    headers: dict[str, str | list[str]] = {
        "ETag": _content_tag(content),
        "Cache-Control": "no-store" if max_age is None else f"public, max-age={max_age}",
        "Access-Control-Allow-Origin": "*",
    }
    return Response(200, "application/json", content, headers)


def private_document[T: BaseModel](content: T, *, max_age: int) -> Response[T]:
    """Returns a document for the caller, as `public_document`. Only the caller's own cache may keep it."""
    headers: dict[str, str | list[str]] = {
        "ETag": _content_tag(content.model_dump()),
        "Cache-Control": f"private, max-age={max_age}",
    }
    return Response(200, "application/json", content, headers)


def catalogue_headers(text: str) -> dict[str, str]:
    """Returns the headers of a successful response of the public catalogue to a request without a token."""
    return {"ETag": _text_tag(text), "Cache-Control": f"public, s-maxage={CATALOGUE_SECONDS}"}


def _content_tag(content: Any) -> str:
    return _text_tag(json.dumps(content, sort_keys=True))


def _text_tag(text: str) -> str:
    """Returns an ETag of the content. Weak, because the plain and the compressed form have the same ETag."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:20]
    return f'W/"{digest}"'


def accepted() -> Response[None]:
    """Returns 202 Accepted without content, which does not reveal whether work follows."""
    return Response(status_code=202)


def no_content(*, version: int | None = None) -> Response[None]:
    return Response(status_code=204, headers={} if version is None else {"ETag": entity_tag(version)})


def _answer(status: int, content: Any, version: int | None, replayed: bool) -> Response[Any]:
    headers: dict[str, str | list[str]] = {}
    if version is not None:
        headers["ETag"] = entity_tag(version)
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(status_code=status, content_type="application/json", body=content, headers=headers)


def problem(error: OmsError) -> Response[str]:
    """Returns the problem response (RFC 9457) of an error. `instance` is the path; `request_id` finds the log lines."""
    request = current_request.get()
    request.code = error.code
    content = {
        "type": f"{ERROR_PAGE}#{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": str(error),
        "instance": request.path,
        "code": error.code,
        "request_id": request.id,
        **error.extra,
    }
    return Response(error.status, "application/problem+json", json.dumps(content), dict(error.headers))
