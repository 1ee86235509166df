"""Appends the events of a queue to the feed."""

from collections.abc import Sequence

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from oms.core.settings import require
from oms.events.consumers import ReceivedMessage, one_by_one, queue_consumer
from oms.events.envelope import PublishedEvent
from oms.feed import service

require()

logger = Logger()
metrics = Metrics()


def consume(messages: Sequence[ReceivedMessage]) -> list[str]:
    """Appends the events of the messages as one batch, and returns the ids of the messages that are not events."""
    events: list[PublishedEvent] = []
    failed = one_by_one(
        messages, lambda message: events.append(PublishedEvent.read(message.body)), failure="a message is not an event"
    )
    written = service.append(events)
    metrics.add_metric("FeedRows", MetricUnit.Count, written)
    logger.info("events were appended to the feed", events=len(events), rows=written)
    return failed


lambda_handler = queue_consumer(consume)
