"""Adds the events of a queue batch to the sums, in as few transactions as possible."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger

from oms.core.retries import deadline
from oms.reports import order_sums, sums, user_sums
from oms.reports.order_sums import CountedOrder
from oms.reports.sums import Chunk
from oms.reports.user_sums import CountedUser

logger = Logger(child=True)

# No call for a batch starts later, so that the failed messages are reported before the function times out. The last
# call may take 6 more seconds.
START_DEADLINE_SECONDS = 80.0


@dataclass(frozen=True)
class BatchResult:
    """The number of applied contributions, and the ids of the messages to retry."""

    moved: int
    failed: Sequence[str]


def add_up(messages: Mapping[str, str]) -> BatchResult:
    """Adds the events in these messages, JSON by message id, to the sums."""
    failed: list[str] = []
    decoded: dict[str, list[Chunk]] = {}
    for message_id, body in messages.items():
        try:
            decoded[message_id] = contribution(json.loads(body))
        except (ValueError, LookupError, TypeError):
            logger.exception("not an event of an order or a user", message_id=message_id)
            failed.append(message_id)
    with deadline(START_DEADLINE_SECONDS):
        moved = _apply(list(decoded.items()), failed)
    return BatchResult(moved, failed)


def contribution(event: Mapping[str, Any]) -> list[Chunk]:
    """Returns the contribution of the order or user of an event.

    Raises LookupError, ValueError and TypeError for any other text.
    """
    if event["type"].startswith("order."):
        return order_sums.contribution(CountedOrder.from_event(event))
    return user_sums.contribution(CountedUser.from_event(event))


def _apply(messages: Sequence[tuple[str, list[Chunk]]], failed: list[str]) -> int:
    """Applies the contributions of these messages, and returns the number of applied ones.

    If that fails, it applies each half alone, so that a failing message does not block the others. A failing message is
    retried, for any cause.
    """
    try:
        return sums.apply(chunk for _, chunks in messages for chunk in chunks)
    except Exception:
        logger.exception("not added up", message_ids=[message_id for message_id, _ in messages])
        if len(messages) == 1:
            failed.append(messages[0][0])
            return 0
    middle = len(messages) // 2
    return _apply(messages[:middle], failed) + _apply(messages[middle:], failed)
