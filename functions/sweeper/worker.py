"""Expires the overdue orders of one shard for each message."""

from collections.abc import Sequence

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from oms.core.settings import require
from oms.events.consumers import ReceivedMessage, one_by_one, queue_consumer
from oms.orders import expiry

require()

logger = Logger()
metrics = Metrics()

# One order takes up to 26 s if every call is retried to its limit, and should not be interrupted.
RESERVE_SECONDS = 30


def expire(message: ReceivedMessage) -> None:
    swept = expiry.sweep(int(message.content["shard"]), has_time=lambda: message.has_time(RESERVE_SECONDS))
    metrics.add_metric("HoldsExpired", MetricUnit.Count, swept.expired)
    metrics.add_metric("OldestOverdueHold", MetricUnit.Seconds, swept.overdue_seconds)
    logger.info("overdue orders were expired", expired=swept.expired, failed=swept.failed)
    if swept.failed:
        # Retries the message. After the last attempt it goes to the dead-letter queue, which raises an alarm.
        raise RuntimeError(f"{swept.failed} orders could not be expired")


def consume(messages: Sequence[ReceivedMessage]) -> list[str]:
    return one_by_one(messages, expire, failure="not all overdue orders of a shard were expired")


lambda_handler = queue_consumer(consume)
