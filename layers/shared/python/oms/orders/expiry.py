"""Expiry of holds: releases the stock of pending orders that are past `expires_at`, the oldest first."""

from collections.abc import Iterator
from dataclasses import dataclass

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from oms.core import clock
from oms.core.clock import HasTime
from oms.core.dynamodb import batch_get
from oms.core.errors import InvalidTransitionError, OmsError
from oms.core.pages import HIGHEST, KeyRange, merged_page
from oms.core.retries import deadline
from oms.core.settings import settings
from oms.orders import moves
from oms.orders.models import BY_STATUS, Order, status_shard
from oms.orders.states import OrderStatus

logger = Logger(child=True)

# An order with a longer conflict is left for the next sweep, so that a product in high demand does not delay the expiry
# of all other orders.
_RETRY_SECONDS = 1.0


@dataclass
class SweepResult:
    """The number of holds that a sweep ended, and the number that it failed to end and left for the next sweep."""

    expired: int = 0
    failed: int = 0
    # `expires_at` of the oldest due hold that is still pending.
    overdue_since: str | None = None

    def leave(self, expires_at: str) -> None:
        self.overdue_since = min(self.overdue_since or expires_at, expires_at)

    @property
    def overdue_seconds(self) -> float:
        """The age of the oldest due hold that the sweep left pending; 0 when it left none."""
        return (clock.now() - clock.instant(self.overdue_since)).total_seconds() if self.overdue_since else 0.0


def sweep(shard: int, *, has_time: HasTime) -> SweepResult:
    """Ends the due holds of one index shard while `has_time`. A hold that fails does not stop the sweep.

    Two sweeps may run at once: each hold is ended by a conditional write, like a cancellation.
    """
    result = SweepResult()
    for order in _due(shard, has_time):
        expires_at = order.expires_at  # a failed move has changed the order in memory
        if expires_at is None:
            continue  # ended recently, and the index lags
        if not has_time():
            result.leave(expires_at)
            break
        try:
            with deadline(_RETRY_SECONDS):
                moves.expire_order(order.id, now=clock.now(), seen=order)
            result.expired += 1
        except InvalidTransitionError:
            continue  # confirmed, cancelled or swept by another worker meanwhile
        except (OmsError, PynamoDBException, BotoCoreError, ClientError):
            logger.exception("a hold was not ended", order_id=order.id)
            result.leave(expires_at)
            result.failed += 1
    return result


def _due(shard: int, has_time: HasTime) -> Iterator[Order]:
    """Yields the overdue orders in the index, oldest first. It reads no orders that are younger than the shortest hold.

    One BatchGet reads the orders of a page: with a Get for each order, a worker ends half as many holds in its time.
    The index may still list an order that was swept recently, which costs no further call. After a page with overdue
    orders, it reads the next page even if the time is up. So the sweep knows the oldest hold that it leaves.
    """
    now = clock.now()
    newest = clock.timestamp(now - settings().shortest_hold) + HIGHEST
    partition = status_shard(OrderStatus.PENDING, shard)
    position: str | None = None
    while True:
        page = merged_page(BY_STATUS, [partition], KeyRange(100, high=newest, after=position))
        due = [entry["id"] for entry in page.items if entry["expires_at"] <= clock.timestamp(now)]
        found = batch_get(Order, due)
        yield from (found[order_id] for order_id in due if order_id in found)
        position = page.position
        if position is None or not (due or has_time()):
            return
