"""How many requests a user may make in a minute, over all functions and workers of the API.

A worker leases ten requests of the minute by one conditional write and uses them for the requests that reach it, so a
user costs a tenth of a write a request. A lease is used up after its minute too, since a user's requests may be spread
over many workers: each would else take ten for one. A worker that ends loses what is left of its leases, which lets
fewer requests pass and never more.
"""

from collections import OrderedDict
from dataclasses import dataclass

from pynamodb.expressions.update import Action

from oms.core import clock
from oms.core.dynamodb import ConditionFailedError, retrying, update_item
from oms.core.rate_limits import Window
from oms.core.settings import settings
from oms.identity.models import Slot

LEASE_SIZE = 10
LEASE_SECONDS = 15 * 60


@dataclass
class _Lease:
    """`remaining` requests until the epoch second `ends_at`. Where it was refused there are none until then."""

    remaining: int
    ends_at: int
    refused: bool = False


class Leases:
    """The leases of one worker, of at most `size` users; the one taken longest ago goes first."""

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._leases: OrderedDict[str, _Lease] = OrderedDict()

    def use(self, subject: str, limit: int) -> None:
        """Lets one request of the subject pass. Raises TooManyRequestsError, UnavailableError."""
        window = Window("user", limit, int(clock.now().timestamp()))
        lease = self._leases.get(subject)
        if lease is None or lease.ends_at <= window.now or not (lease.remaining or lease.refused):
            lease = self._leases[subject] = _take(subject, window)
            self._leases.move_to_end(subject)
            while len(self._leases) > self._size:
                self._leases.popitem(last=False)
        if lease.refused:
            raise window.refusal()
        lease.remaining -= 1


LEASES = Leases()


def limit_requests(user_id: str, role: str) -> None:
    """Counts a request of this user. Raises TooManyRequestsError when the minute has none left, UnavailableError."""
    limit = settings().customer_requests if role == "customer" else settings().manager_requests
    if limit:
        LEASES.use(user_id, limit)


def _take(subject: str, window: Window) -> _Lease:
    """An attempt whose answer was lost counts as well: the minute then has fewer requests."""
    slot = Slot.of(window.policy, subject, window.number)
    actions: list[Action] = [Slot.kind.set(Slot), Slot.n.add(LEASE_SIZE), Slot.expires_at.set(window.forgotten_at)]
    condition = Slot.n.does_not_exist() | (Slot.n <= window.limit - LEASE_SIZE)
    try:
        retrying(lambda: update_item(slot, actions, condition))
    except ConditionFailedError:
        # Remembered for the rest of the minute: a client that goes on costs no write.
        return _Lease(0, window.now + window.resets_in, refused=True)
    return _Lease(LEASE_SIZE, window.now + LEASE_SECONDS)
