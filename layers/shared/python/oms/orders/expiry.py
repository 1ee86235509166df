"""Holds that end on time: pending orders past `expires_at` give their stock back, the oldest first."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from oms.core import clock
from oms.core.dynamodb import batch_get, deadline
from oms.core.errors import InvalidTransitionError, OmsError
from oms.core.pages import HIGHEST, KeyRange, merged_page
from oms.core.settings import settings
from oms.orders import moves
from oms.orders.models import OPEN_ORDERS, Order
from oms.orders.states import OrderStatus

logger = Logger(child=True)

# Seconds. What is still in conflict then is left for the next sweep, so that one product that everybody wants does not
# keep all other holds waiting.
_PATIENCE = 1.0


@dataclass
class Swept:
    """How many holds a sweep ended, and how many it could not end and left for the next."""

    expired: int = 0
    failed: int = 0
    # When the first of the due holds that are still pending was over.
    overdue_since: str | None = None

    def leave(self, expires_at: str) -> None:
        self.overdue_since = min(self.overdue_since or expires_at, expires_at)

    @property
    def overdue_seconds(self) -> float:
        """The age of the oldest due hold that the sweep left pending; 0 when it left none."""
        return (clock.now() - clock.instant(self.overdue_since)).total_seconds() if self.overdue_since else 0.0


def sweep(shard: int, *, has_time: Callable[[], bool]) -> Swept:
    """Ends the due holds of one index shard while `has_time`, going on after one that fails.

    Safe to run twice at once: each hold is ended by the same guarded transition that a cancel uses.
    """
    swept = Swept()
    for order in _due(shard, has_time):
        expires_at = order.expires_at  # a move that fails has changed the order in memory
        if expires_at is None:
            continue  # ended a moment ago: the index is behind
        if not has_time():
            swept.leave(expires_at)
            break
        try:
            with deadline(_PATIENCE):
                moves.expire_order(order.id, now=clock.now(), seen=order)
            swept.expired += 1
        except InvalidTransitionError:
            continue  # confirmed, cancelled or swept by another worker meanwhile
        except (OmsError, PynamoDBException, BotoCoreError, ClientError):
            logger.exception("a hold could not be ended", order_id=order.id)
            swept.leave(expires_at)
            swept.failed += 1
    return swept


def _due(shard: int, has_time: Callable[[], bool]) -> Iterator[Order]:
    """The overdue orders in the index, oldest first. It is read up to the shortest hold, no further.

    The orders of a page come by one BatchGet: with a Get for each, a worker would end half as many holds in its time.
    The index may still hold what was swept a moment ago; such an order costs no call of its own. After a page with
    overdue orders the next one is read also without time, so that the sweep knows the first one that it leaves.
    """
    now = clock.now()
    newest = clock.timestamp(now - settings().shortest_hold) + HIGHEST
    partition = f"{OrderStatus.PENDING}#{shard}"
    position: str | None = None
    while True:
        page = merged_page(OPEN_ORDERS, [partition], KeyRange(100, high=newest, after=position))
        due = [entry["id"] for entry in page.items if entry["expires_at"] <= clock.timestamp(now)]
        found = batch_get(Order, due)
        yield from (found[order_id] for order_id in due if order_id in found)
        position = page.position
        if position is None or not (due or has_time()):
            return
