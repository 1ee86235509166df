"""Adding the events of a queue batch to the sums, in as few transactions as possible."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger

from oms.core.dynamodb import deadline
from oms.reports import order_sums, sums, user_sums
from oms.reports.order_sums import CountedOrder
from oms.reports.sums import Chunk
from oms.reports.user_sums import CountedUser

logger = Logger(child=True)

# No call for a batch starts later than this, so that the failed messages are reported before the function times out.
# The last call may take 6 more seconds.
START_DEADLINE_SECONDS = 80.0


@dataclass(frozen=True)
class BatchResult:
    """The number of moved contributions, and the ids of the messages to retry."""

    moved: int
    failed: Sequence[str]


def add_up(messages: Mapping[str, str]) -> BatchResult:
    """Adds the events in these messages, JSON by message id, to the sums."""
    failed: list[str] = []
    understood: dict[str, list[Chunk]] = {}
    for message_id, body in messages.items():
        try:
            understood[message_id] = contribution(json.loads(body))
        except (ValueError, LookupError, TypeError):
            logger.exception("not an event of an order or a user", message_id=message_id)
            failed.append(message_id)
    with deadline(START_DEADLINE_SECONDS):
        try:
            moved = sums.apply(chunk for it in understood.values() for chunk in it)
        except Exception:
            logger.exception("the batch was not added up as a whole")
            return _add_up_one_by_one(understood, failed)
    return BatchResult(moved, failed)


def contribution(event: Mapping[str, Any]) -> list[Chunk]:
    """The contribution of the order or user of an event.

    Raises LookupError, ValueError and TypeError for any other text.
    """
    if event["type"].startswith("order."):
        return order_sums.contribution(CountedOrder.from_event(event))
    return user_sums.contribution(CountedUser.from_event(event))


def _add_up_one_by_one(understood: Mapping[str, list[Chunk]], failed: list[str]) -> BatchResult:
    """Adds each message alone, so that a failing one does not block the others. It is retried, for any cause."""
    moved = 0
    for message_id, chunks in understood.items():
        try:
            moved += sums.apply(chunks)
        except Exception:
            logger.exception("not added up", message_id=message_id)
            failed.append(message_id)
    return BatchResult(moved, failed)
