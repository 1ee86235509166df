"""The rate limit of a user: requests in a minute, over all functions and workers of the API.

The requests of a client address without a token, which read the public catalogue, are limited in the same way.

A worker counts a request with one conditional write, and leases nine more with it, which it lets pass without a write.
With its next write it reports the number of them that it used in the current minute. A lease can be used until its
period of 15 minutes ends. So a request costs a tenth of a write even if a user's requests are spread over many workers.

Two bounds hold in each minute, for any number of workers:

- At most a quarter more requests than the limit pass. The reported requests are at most the limit. Requests that are
  not reported yet are leased ones, and all usable leases of a user are at most a quarter of the limit together. Near
  that bound a worker leases fewer requests, or counts each one.
- A request is refused only after as many requests as the limit were made in that minute, except that a write whose
  response was lost may count twice. The unused part of the lease of a worker that ends is lost, and counts as leased
  until the period ends.

A minute is counted by the clock of each worker.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.core import clock
from oms.core.dynamodb import ConditionFailedError, update_item
from oms.core.rate_limits import WINDOW_SECONDS, RateWindow
from oms.core.retries import ConcurrentUpdateError, retrying
from oms.core.settings import settings
from oms.identity.models import RequestCount

LEASE_SIZE = 10
PERIOD_SECONDS = 15 * WINDOW_SECONDS
# One quarter of the limit may be leased at once, in addition to the counted requests.
LEASED_SHARE = 4
# The tries need no pause between them, since a failed one learns the current minute and count from the response.
_TRIES = 3


@dataclass
class _Lease:
    """The requests that one worker may let pass in a period: `remaining` of `leased`.

    `unreported` of them were used in the minute `used_in`. In the minute `refused_in` all further requests are refused.
    `seen` is the count that the worker read last.
    """

    period: int
    leased: int = 0
    remaining: int = 0
    used_in: int = 0
    unreported: int = 0
    refused_in: int = 0
    seen: RequestCount = field(default_factory=RequestCount)


class Leases:
    """The leases of one worker, of at most `size` subjects. Beyond that, the oldest lease is dropped."""

    def __init__(self, policy: str = "user", size: int = 10_000) -> None:
        self.policy = policy
        self._size = size
        self._leases: OrderedDict[str, _Lease] = OrderedDict()

    def use(self, subject: str, limit: int) -> None:
        """Lets one request of the subject pass. Raises TooManyRequestsError, UnavailableError."""
        window = RateWindow(self.policy, limit, int(clock.now().timestamp()))
        period, minute = window.now // PERIOD_SECONDS, window.number
        lease = self._leases.get(subject)
        if lease is None or lease.period != period:
            lease = _Lease(period)
        if lease.used_in != minute:
            lease.used_in, lease.unreported = minute, 0
        if lease.refused_in != minute and lease.remaining:
            lease.remaining -= 1
            lease.unreported += 1
            return
        if lease.refused_in != minute:
            self._leases[subject] = lease = _count(subject, window, lease)
            self._leases.move_to_end(subject)
            while len(self._leases) > self._size:
                self._leases.popitem(last=False)
        if lease.refused_in == minute:
            raise window.refusal()


LEASES = Leases()
# Separate, so that many addresses do not drop the leases of users.
ADDRESS_LEASES = Leases("address")


def limit_requests(user_id: str, role: str) -> None:
    """Counts a request of this user. Raises TooManyRequestsError above the limit, or UnavailableError."""
    limit = settings().customer_requests if role == "customer" else settings().manager_requests
    if limit:
        LEASES.use(user_id, limit)


def limit_anonymous_requests(address: str) -> None:
    """Counts a request without a token. Raises TooManyRequestsError above the limit, or UnavailableError."""
    if limit := settings().anonymous_requests:
        ADDRESS_LEASES.use(address, limit)


def _count(subject: str, window: RateWindow, lease: _Lease) -> _Lease:
    """Counts one request and the unreported requests of `lease`, and returns the next lease.

    A refusal is remembered for the rest of the minute, so that further requests of the user cost no write.
    """
    before = lease

    def write() -> _Lease:
        nonlocal before
        # An attempt whose response was lost may have returned the lease, which must not happen twice.
        current, before = before, _Lease(lease.period, seen=before.seen)
        for _ in range(_TRIES):
            try:
                return _write(subject, window, current)
            except ConditionFailedError as error:
                current.seen = RequestCount.from_raw_data(error.item) if error.item else RequestCount()
        before = current
        raise ConcurrentUpdateError

    return retrying(write)


def _write(subject: str, window: RateWindow, lease: _Lease) -> _Lease:
    """Returns the next lease, or this one with the minute marked as refused.

    Raises ConditionFailedError if the stored count has changed since `lease.seen` and does not allow the new lease.
    """
    seen, is_new = lease.seen, lease.seen.minute < window.number
    left = window.limit - lease.unreported - 1
    max_leased = window.limit // LEASED_SHARE + lease.leased
    left_as_seen = left if is_new else left - seen.used
    if left_as_seen < 0:
        lease.refused_in = window.number
        return lease
    size = max(0, min(LEASE_SIZE - 1, left_as_seen, max_leased - seen.leased))
    actions: list[Action] = [
        RequestCount.kind.set(RequestCount),
        RequestCount.leased.add(size - lease.leased),
        RequestCount.expires_at.set((lease.period + 2) * PERIOD_SECONDS),
    ]
    condition: Condition
    if is_new:
        actions += [RequestCount.minute.set(window.number), RequestCount.used.set(lease.unreported + 1)]
        condition = RequestCount.minute < window.number
    else:
        actions.append(RequestCount.used.add(lease.unreported + 1))
        condition = (RequestCount.minute == seen.minute) & (RequestCount.used <= left - size)
    if size:
        condition &= RequestCount.leased <= max_leased - size
    if is_new:
        condition = RequestCount.pk.does_not_exist() | condition
    counted = update_item(RequestCount.of(window.policy, subject, lease.period), actions, condition)
    return _Lease(lease.period, leased=size, remaining=size, used_in=window.number, seen=counted)
