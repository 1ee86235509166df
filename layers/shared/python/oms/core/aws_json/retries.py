"""Retries of a call, as botocore's standard mode makes them.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html. A test compares the codes with botocore's.
"""

import random

from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError, ReadTimeoutError, SSLError
from botocore.retries.quota import RetryQuota

CODES = frozenset(
    {
        # Transient errors.
        "PriorRequestNotComplete",
        "RequestTimeout",
        "RequestTimeoutException",
        # Throttling.
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
        # Marked as retryable in DynamoDB's model.
        "ReplicatedWriteConflictException",
    }
)
STATUSES = frozenset({500, 502, 503, 504})
_MAX_PAUSE_SECONDS = 20
# A retry takes this much of the quota, and gives it back if it succeeds. So does a call without retries.
_COST, _TIME_OUT_COST, _REWARD = 5, 10, 1


class Retries:
    """The limits of a client's retries: attempts of a call, and a quota of all calls while a service often fails."""

    def __init__(self, max_attempts: int) -> None:
        self.max_attempts = max_attempts
        self._quota = RetryQuota()

    def take(self, error: Exception | None) -> int:
        """Returns the cost of a retry after `error` (None: an error that the service answered); 0 if it is refused."""
        cost = _TIME_OUT_COST if isinstance(error, ConnectTimeoutError | ReadTimeoutError) else _COST
        return cost if self._quota.acquire(cost) else 0

    def refund(self, cost: int) -> None:
        """Refunds the cost of a call's last retry, 0 if it had none."""
        self._quota.release(cost or _REWARD)


def pause_seconds(attempt: int, error: Exception | None) -> float:
    """Returns the pause after an attempt; the first is 1.

    There is none if AWS had closed an idle connection: nothing is overloaded then. botocore pauses after that too.
    """
    if isinstance(error, ConnectionClosedError | SSLError) and error.kwargs.get("was_idle"):
        return 0
    return random.random() * min(1 << (attempt - 1), _MAX_PAUSE_SECONDS)  # noqa: S311 - jitter, not a secret
