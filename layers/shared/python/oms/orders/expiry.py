"""Holds that end on time: pending orders past `expires_at` give their stock back, the oldest first."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from oms import clock
from oms.dynamodb import patience
from oms.errors import InvalidTransitionError, OmsError
from oms.orders import service
from oms.orders.models import OPEN_ORDERS
from oms.orders.states import Status
from oms.pages import HIGHEST, Range, merged_page
from oms.settings import settings

logger = Logger(child=True)


@dataclass
class Swept:
    """How many holds a sweep ended, and how many it could not end and left for the next."""

    expired: int = 0
    failed: int = 0


def sweep(shard: int, *, has_time: Callable[[], bool]) -> Swept:
    """Ends the due holds of one index shard while `has_time`, going on after one that fails.

    Safe to run twice at once: each hold is ended by the same guarded transition that a cancel uses.
    """
    swept = Swept()
    for order_id in _due(shard):
        if not has_time():
            break
        try:
            with patience():
                service.expire_order(order_id, now=clock.now())
            swept.expired += 1
        except InvalidTransitionError:
            continue  # confirmed, cancelled or swept by another worker meanwhile
        except (OmsError, PynamoDBException, BotoCoreError, ClientError):
            logger.exception("a hold could not be ended", order_id=order_id)
            swept.failed += 1
    return swept


def _due(shard: int) -> Iterator[str]:
    """Ids of the overdue orders in the index, oldest first. It is read up to the shortest hold, no further."""
    now = clock.now()
    newest = clock.timestamp(now - settings().shortest_hold) + HIGHEST
    partition = f"{Status.PENDING}#{shard}"
    position: str | None = None
    while True:
        page = merged_page(OPEN_ORDERS, [partition], Range(100, high=newest, after=position))
        yield from (entry["id"] for entry in page.items if entry["expires_at"] <= clock.timestamp(now))
        position = page.position
        if position is None:
            return
