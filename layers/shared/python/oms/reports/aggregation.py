"""From events to sums: a batch of a queue is folded into as few transactions as can be."""

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

# Seconds in which calls are begun for the events of one batch, so that which messages come again is reported before the
# aggregator's time is over. The last call may take 6 more.
START_DEADLINE_SECONDS = 80.0


@dataclass(frozen=True)
class BatchResult:
    """How many contributions were moved, and which messages are to come again."""

    moved: int
    failed: Sequence[str]


def add_up(messages: Mapping[str, str]) -> BatchResult:
    """Adds up the events in these messages, JSON by the messages' ids."""
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
    """What the thing that an event tells of contributes. Raises LookupError, ValueError and TypeError for what tells of
    none.
    """
    if event["type"].startswith("order."):
        return order_sums.contribution(CountedOrder.from_event(event))
    return user_sums.contribution(CountedUser.from_event(event))


def _add_up_one_by_one(understood: Mapping[str, list[Chunk]], failed: list[str]) -> BatchResult:
    """So that one that fails holds up none of its neighbours. Whatever the cause, its message comes again."""
    moved = 0
    for message_id, chunks in understood.items():
        try:
            moved += sums.apply(chunks)
        except Exception:
            logger.exception("not added up", message_id=message_id)
            failed.append(message_id)
    return BatchResult(moved, failed)
