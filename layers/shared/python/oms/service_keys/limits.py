"""The rate limit of a service key: requests in a minute, over all functions and workers of the API.

A worker takes up to ten requests of the current minute with one conditional write, and lets them pass without another
write until the minute ends. The stored count includes all that were taken, so the limit is never exceeded.

Requests that a worker has taken and does not use are lost until the minute ends. So a worker takes fewer at once from a
low limit, and at its end. With 20 workers, at least 95 % of any limit can be used.

A minute is counted by the clock of each worker.
"""

from collections import OrderedDict
from dataclasses import dataclass

from aws_lambda_powertools import Logger

from oms.core import clock
from oms.core.dynamodb import ConditionFailedError, update_item
from oms.core.rate_limits import RateWindow
from oms.core.retries import CALL_ERRORS, is_transient, retrying
from oms.service_keys.models import KeyRequests, KeyUse

logger = Logger()

MAX_LEASE = 10
# 20 workers that take one request more for each 400 of the limit leave at most one twentieth of it unused.
LIMIT_PER_LEASED = 400
# A use is noted if the noted one is older than this.
NOTED_EVERY_SECONDS = 600
_MAX_KEYS = 10_000


@dataclass
class _Lease:
    """The requests that one worker may let pass in a minute. `used` is the key's count that the worker read last."""

    minute: int
    limit: int
    remaining: int = 0
    used: int = 0


class KeyLeases:
    """The leases of one worker, of at most `size` keys. Beyond that, the oldest lease is dropped."""

    def __init__(self, size: int = _MAX_KEYS) -> None:
        self._size = size
        self._leases: OrderedDict[str, _Lease] = OrderedDict()

    def use(self, key_id: str, limit: int) -> None:
        """Lets one request of the key pass. Raises TooManyRequestsError, UnavailableError."""
        window = RateWindow("key", limit, int(clock.now().timestamp()))
        lease = self._leases.get(key_id)
        if lease is None or (lease.minute, lease.limit) != (window.number, limit):
            lease = _Lease(window.number, limit)
            self._leases[key_id] = lease
            self._leases.move_to_end(key_id)
            while len(self._leases) > self._size:
                self._leases.popitem(last=False)
        if not lease.remaining and lease.used < limit:
            _take(key_id, window, lease)
        if not lease.remaining:
            raise window.refusal()
        lease.remaining -= 1


def _lease_size(limit: int, used: int) -> int:
    return max(1, min(MAX_LEASE, 1 + limit // LIMIT_PER_LEASED, limit - used))


def _take(key_id: str, window: RateWindow, lease: _Lease) -> None:
    """Takes requests of the current minute, as many as the limit allows. None if it is used up.

    A write whose response was lost may take them twice, so fewer than the limit pass.
    """

    def write() -> int:
        while lease.used < window.limit:
            size = _lease_size(window.limit, lease.used)
            counter = KeyRequests.of(key_id, window)
            condition = KeyRequests.n.does_not_exist() | (KeyRequests.n <= window.limit - size)
            try:
                lease.used = update_item(counter, counter.count_by(size), condition).n
            except ConditionFailedError as error:
                lease.used = KeyRequests.from_raw_data(error.item or {}).n
            else:
                return size
        return 0

    lease.remaining = retrying(write)


class NotedUses:
    """Notes the uses of keys, at most one in ten minutes for each key, over all workers."""

    def __init__(self, size: int = _MAX_KEYS) -> None:
        self._size = size
        self._noted: OrderedDict[str, int] = OrderedDict()

    def note(self, key_id: str) -> None:
        """Notes a use, if the latest noted use is old enough. A failure is logged, since the request can continue."""
        now = int(clock.now().timestamp())
        if now - self._noted.get(key_id, 0) < NOTED_EVERY_SECONDS:
            return
        self._noted[key_id] = now
        while len(self._noted) > self._size:
            self._noted.popitem(last=False)
        try:
            update_item(
                KeyUse(*KeyUse.key(key_id)),
                [KeyUse.kind.set(KeyUse), KeyUse.at.set(now)],
                KeyUse.at.does_not_exist() | (KeyUse.at <= now - NOTED_EVERY_SECONDS),
            )
        except ConditionFailedError:
            pass  # another worker has noted a use
        except CALL_ERRORS as error:
            if not is_transient(error):
                raise
            logger.warning("the use of a service key was not noted", key_id=key_id, cause=type(error).__name__)


KEY_LEASES = KeyLeases()
NOTED_USES = NotedUses()
