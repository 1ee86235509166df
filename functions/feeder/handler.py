"""Writes the events of a queue into the feed."""

from collections.abc import Sequence

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from oms.events.consumers import Message, one_by_one, queue_consumer
from oms.events.envelope import PublishedEvent
from oms.feed import service

logger = Logger()
metrics = Metrics()


def consume(messages: Sequence[Message]) -> list[str]:
    """A message that is not an event fails alone; the others are one batch, and one transaction at a time."""
    events: list[PublishedEvent] = []
    failed = one_by_one(
        messages, lambda message: events.append(PublishedEvent.read(message.body)), failure="not an event"
    )
    written = service.append(events)
    metrics.add_metric("FeedRows", MetricUnit.Count, written)
    logger.info("written into the feed", events=len(events), rows=written)
    return failed


lambda_handler = queue_consumer(consume)
