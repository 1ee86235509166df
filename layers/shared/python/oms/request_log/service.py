"""The list of the latest requests for admins, newest first, from the log group of the functions with routes."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Self

from botocore.exceptions import ClientError

from oms.core import clock
from oms.core.aws_json.client import Client
from oms.core.errors import InvalidRequestError, RequestLogOffError
from oms.core.pages import Page
from oms.core.retries import CALL_ERRORS, is_transient
from oms.core.settings import settings
from oms.request_log.pattern import pattern_of
from oms.request_log.schemas import ListRequestsQuery, LoggedRequestResponse

KEPT = timedelta(days=7)
# CloudWatch Logs' token of the next page ends after a day.
_CURSOR_LIFE = timedelta(days=1)
# One call searches a part of the log. Of a busy log with few matches, a page is what these calls have found.
_MAX_CALLS = 10
# No call starts later. A call takes a second or so, and at most 5 s, so a page takes 10 s at most.
_START_WITHIN_SECONDS = 5.0
_READ_SECONDS = 5.0


@dataclass(frozen=True)
class _Position:
    """The position after a page. CloudWatch Logs accepts the token only with the start of the first page.

    `start` is in milliseconds since 1970.
    """

    start: int
    token: str

    def __str__(self) -> str:
        return f"{self.start}:{self.token}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises InvalidRequestError for a position of another form, or of a page that is more than a day old."""
        start, _, token = text.partition(":")
        oldest = _milliseconds(clock.now() - KEPT - _CURSOR_LIFE)
        if not (start.isascii() and start.isdigit() and token and len(start) < 16 and int(start) >= oldest):
            raise _expired()
        return cls(int(start), token)


def list_requests(query: ListRequestsQuery, *, after: str | None) -> Page[LoggedRequestResponse]:
    """Returns a page of the log. It takes 1 to 10 calls, which start within 5 s; so it can be short or empty.

    Raises InvalidRequestError for a cursor that has expired, RequestLogOffError, and UnavailableError if CloudWatch
    Logs limits the calls.
    """
    if not settings().request_log_group:
        raise RequestLogOffError(
            "The request log is off, because the setting log_level of this stage excludes the lines of requests."
        )
    position = _Position.parse(after) if after else _first_position(query)
    if query.to and _milliseconds(clock.instant(query.to)) <= position.start:
        return Page([], None)
    stop_at = clock.monotonic() + _START_WITHIN_SECONDS
    found: list[LoggedRequestResponse] = []
    for number in range(_MAX_CALLS):
        if number and (len(found) >= query.limit or clock.monotonic() > stop_at):
            break
        try:
            answer = _read(query, position, limit=query.limit - len(found))
        except CALL_ERRORS as error:
            if number and is_transient(error):
                break  # the next page continues here
            raise
        found += _requests(answer["events"])
        position = _Position(position.start, answer.get("nextToken", ""))
        if not position.token:
            break
    return Page([(str(position), it) for it in found], str(position) if position.token else None)


def _first_position(query: ListRequestsQuery) -> _Position:
    oldest = _milliseconds(clock.now() - KEPT)
    requested = _milliseconds(clock.instant(query.from_)) if query.from_ else oldest
    return _Position(max(oldest, requested), "")


def _read(query: ListRequestsQuery, position: _Position, *, limit: int) -> Mapping[str, Any]:
    """Makes one call: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html"""
    request = {
        "logGroupName": settings().request_log_group,
        "filterPattern": pattern_of(query),
        "startTime": position.start,
        "startFromHead": False,
        "limit": limit,
    }
    if query.to:
        request["endTime"] = _milliseconds(clock.instant(query.to)) - 1  # inclusive
    if position.token:
        request["nextToken"] = position.token
    try:
        answer: Mapping[str, Any] = _client().filter_log_events(**request)
    except ClientError as error:
        if position.token and error.response["Error"]["Code"] == "InvalidParameterException":
            raise _expired() from error
        raise
    return answer


@cache
def _client() -> Client:
    return Client("logs", read_seconds=_READ_SECONDS, max_attempts=2)


def _requests(events: list[dict[str, Any]]) -> Iterator[LoggedRequestResponse]:
    """Yields the requests of log events. A line of another form is left out: the pattern selects only these lines."""
    for event in events:
        try:
            line = json.loads(event["message"])
            at = clock.timestamp(clock.outside(clock.from_seconds(event["timestamp"] / 1000)))
            yield LoggedRequestResponse.of(at, line)
        except ValueError:
            continue


def _milliseconds(moment: datetime) -> int:
    """Returns the time of CloudWatch Logs, whose clock tests cannot move."""
    return round((moment - settings().clock_offset).timestamp() * 1000)


def _expired() -> InvalidRequestError:
    return InvalidRequestError.at("has expired; omit it to begin at the first page", parameter="cursor")
