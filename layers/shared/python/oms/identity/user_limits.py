"""How many requests a user may make in a minute, over all functions and workers of the API.

A worker counts a request by one conditional write, and leases nine more with it, which it lets pass without a write.
With its next write it reports how many of them it used in the current minute. A lease may be used until its period of
15 minutes ends, so a user whose requests are spread over many workers costs a tenth of a write a request too.

Two bounds hold in each minute, for any number of workers:

- At most a quarter more than the limit pass. The requests that were reported are at most the limit, and those that
  were not are leased ones: all leases of a user that may still be used are at most a quarter of the limit together.
  Beyond it a worker leases fewer, or counts each request.
- No request is refused before as many as the limit were made in that minute; but a write whose answer was lost may
  count twice. A worker that ends loses what is left of its lease, which counts as leased until the period ends.

Minutes are those of the workers' clocks.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.core import clock
from oms.core.dynamodb import ConcurrentUpdateError, ConditionFailedError, retrying, update_item
from oms.core.rate_limits import WINDOW_SECONDS, RateWindow
from oms.core.settings import settings
from oms.identity.models import RequestCount

LEASE_SIZE = 10
PERIOD_SECONDS = 15 * WINDOW_SECONDS
# Of the limit: how many requests may be leased at once beyond those that are counted.
LEASED_SHARE = 4
# Without a pause, as each has seen what the one before did not know: the minute of the count, and what is left of it.
_TRIES = 3


@dataclass
class _Lease:
    """What a worker may let pass in a period: `remaining` of the `leased` requests that it took beyond the one counted.

    `unreported` of them were used in the minute `used_in`; in the minute `refused_in` no more is let pass. `seen` is
    the count as the worker last saw it.
    """

    period: int
    leased: int = 0
    remaining: int = 0
    used_in: int = 0
    unreported: int = 0
    refused_in: int = 0
    seen: RequestCount = field(default_factory=RequestCount)


class Leases:
    """The leases of one worker, of at most `size` users; the one taken longest ago goes first."""

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._leases: OrderedDict[str, _Lease] = OrderedDict()

    def use(self, subject: str, limit: int) -> None:
        """Lets one request of the subject pass. Raises TooManyRequestsError, UnavailableError."""
        window = RateWindow("user", limit, int(clock.now().timestamp()))
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


def limit_requests(user_id: str, role: str) -> None:
    """Counts a request of this user. Raises TooManyRequestsError when the minute has none left, UnavailableError."""
    limit = settings().customer_requests if role == "customer" else settings().manager_requests
    if limit:
        LEASES.use(user_id, limit)


def _count(subject: str, window: RateWindow, lease: _Lease) -> _Lease:
    """Counts one request with those that `lease` has not reported, and takes the next lease in its place.

    A refusal is remembered for the rest of the minute: further requests of the client cost no write.
    """
    before = lease

    def write() -> _Lease:
        nonlocal before
        # An attempt whose outcome is unknown may have given the lease back, which must not happen twice.
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
    """The next lease, or this one, refused. Raises ConditionFailedError if the count has moved on from `lease.seen` and
    does not allow what that one does.
    """
    seen, is_new = lease.seen, lease.seen.minute < window.number
    left = window.limit - lease.unreported - 1
    most = window.limit // LEASED_SHARE + lease.leased
    left_as_seen = left if is_new else left - seen.used
    if left_as_seen < 0:
        lease.refused_in = window.number
        return lease
    size = max(0, min(LEASE_SIZE - 1, left_as_seen, most - seen.leased))
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
        condition &= RequestCount.leased <= most - size
    if is_new:
        condition = RequestCount.pk.does_not_exist() | condition
    counted = update_item(RequestCount.of(subject, lease.period), actions, condition)
    return _Lease(lease.period, leased=size, remaining=size, used_in=window.number, seen=counted)
