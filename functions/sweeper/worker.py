"""Expires the overdue orders of one shard for each message."""

from collections.abc import Sequence

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from oms.events.consumers import Message, one_by_one, queue_consumer
from oms.orders import expiry

logger = Logger()
metrics = Metrics()

# One order takes up to 26 s if every call is retried to its limit, and should not be interrupted.
RESERVE_SECONDS = 30


def expire(message: Message) -> None:
    swept = expiry.sweep(int(message.content["shard"]), has_time=lambda: message.has_time(RESERVE_SECONDS))
    metrics.add_metric("HoldsExpired", MetricUnit.Count, swept.expired)
    metrics.add_metric("OldestOverdueHold", MetricUnit.Seconds, swept.overdue_seconds)
    logger.info("swept", expired=swept.expired, failed=swept.failed)
    if swept.failed:
        # The message is retried, and goes to the dead-letter queue after its last attempt, which raises an alarm.
        raise RuntimeError(f"{swept.failed} orders could not be expired")


def consume(messages: Sequence[Message]) -> list[str]:
    return one_by_one(messages, expire, failure="not all overdue orders of a shard were expired")


lambda_handler = queue_consumer(consume)
