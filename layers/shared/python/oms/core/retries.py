"""Retries and deadlines of calls: transient failures are retried with jitter, until the request has no time left."""

import math
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from itertools import count

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError
from pynamodb.exceptions import PynamoDBException, TransactWriteError

from oms.core import clock
from oms.core.aws_json.retries import CODES, STATUSES
from oms.core.errors import UnavailableError

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html, and the codes of
# cancellation reasons in the API reference of TransactWriteItems. CODES are those of all services.
_TRANSIENT = {
    "InternalServerError",
    "ProvisionedThroughputExceeded",
    "ServiceUnavailable",
    "ThrottlingError",
    "TransactionConflict",
    "TransactionConflictException",
    *CODES,
}
# Botocore's two unrelated classes: the connection could not be opened, and the connection broke.
_NO_ANSWER = (ConnectionError, HTTPClientError)
# The errors of calls of AWS. `is_transient` distinguishes those that may not happen again.
CALL_ERRORS = (ClientError, *_NO_ANSWER)
_MAX_ATTEMPTS = 7
# No new attempt starts after this time, even if the request's deadline is later: see `deadline`.
_RETRY_SECONDS = 6.0
_REQUEST_SECONDS = 13.0
_GRACE_SECONDS = 1.0
_MAX_PAUSE_SECONDS = 1.0
# Another shard is probably free, so more attempts are made, and sooner. The first pause is about one transaction.
_MAX_SHARD_ATTEMPTS = 12
_SHARD_PAUSE_SECONDS, _MAX_SHARD_PAUSE_SECONDS = 0.02, 0.04


class ConcurrentUpdateError(Exception):
    """The stored state has changed, such as a price or a version; `retrying` repeats the attempt with the new state."""


class ShardConflictError(ConcurrentUpdateError):
    """A shard was in conflict, was short, or has changed. The next attempt takes another one, so `retrying` makes it
    after a short pause.
    """


_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)


@contextmanager
def deadline(seconds: float = _REQUEST_SECONDS) -> Iterator[None]:
    """Prevents DynamoDB calls of this request that would start after 13 s, except within the grace period.

    An unanswered call takes 6 s: two attempts, each with a time-out for the connection and one for the read. So calls
    end before 19 s, and the read of the grace period before 26 s. API Gateway waits 30 s.
    """
    mark = _deadline.set(clock.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(mark)


@contextmanager
def extend_deadline(seconds: float) -> Iterator[None]:
    """Extends the current deadline by `seconds`."""
    mark = _deadline.set(_deadline.get() + seconds)
    try:
        yield
    finally:
        _deadline.reset(mark)


def grace_period() -> AbstractContextManager[None]:
    """Extends the deadline by one second, to read whether a write with a lost answer took effect."""
    return deadline(_GRACE_SECONDS)


def check_time() -> None:
    """Raises UnavailableError after the request's deadline: see `deadline`."""
    if clock.monotonic() > _deadline.get():
        raise UnavailableError


def retrying[T](attempt: Callable[[], T], *, until_deadline: bool = False) -> T:
    """Returns the result of `attempt`, and repeats it after transient failures (conflict, throttling, time-out).

    `attempt` must be safe to repeat after an unknown outcome. At most 7 attempts are made, or 12 if the last
    one met a busy shard, with full jitter, and none starts after 6 s
    (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/). Raises UnavailableError (503)
    after the last attempt, so contention never causes another error.

    With `until_deadline`, only the deadline ends the attempts. It is for consumers of queues that have set one: no
    caller waits for them, and their failed messages are delivered again only after minutes.
    """
    end = _deadline.get() if until_deadline else min(clock.monotonic() + _RETRY_SECONDS, _deadline.get())
    last: Exception | None = None
    for number in count():
        if number:
            is_shard = isinstance(last, ShardConflictError)
            if not until_deadline and number >= (_MAX_SHARD_ATTEMPTS if is_shard else _MAX_ATTEMPTS):
                break
            pause = random.uniform(0, _longest_pause(number, is_shard=is_shard))  # noqa: S311 - jitter, not a secret
            if clock.monotonic() + pause > end:
                break
            clock.sleep(pause)
        try:
            return attempt()
        except ConcurrentUpdateError as error:
            last = error
        except (PynamoDBException, *CALL_ERRORS) as error:
            if not is_transient(error):
                raise
            last = error
    raise UnavailableError from last


def _longest_pause(number: int, *, is_shard: bool) -> float:
    """Returns the longest pause in seconds before the attempt with this number, from 1."""
    if is_shard:
        return min(_MAX_SHARD_PAUSE_SECONDS, _SHARD_PAUSE_SECONDS * 2.0 ** min(number - 1, 5))
    return min(_MAX_PAUSE_SECONDS, 0.05 * 2.0 ** min(number, 5))


def is_transient(error: Exception) -> bool:
    """Returns whether the same call may succeed later.

    A cancelled transaction is transient if one of its reasons is.
    """
    if isinstance(error, TransactWriteError) and error.cancellation_reasons:
        return any(reason and reason.code in _TRANSIENT for reason in error.cancellation_reasons)
    cause = error.cause if isinstance(error, PynamoDBException) else error
    if isinstance(cause, ClientError):
        status = cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return cause.response["Error"].get("Code") in _TRANSIENT or status in STATUSES
    return isinstance(cause, _NO_ANSWER)
