"""Adds the events of orders and users to the sums of the reports."""

from collections.abc import Sequence

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from oms.events.consumers import Message, queue_consumer
from oms.reports import aggregation

logger = Logger()
metrics = Metrics()


def consume(messages: Sequence[Message]) -> list[str]:
    """A message that cannot be added up, now or ever, fails alone."""
    outcome = aggregation.add_up({message.id: message.body for message in messages})
    metrics.add_metric("ContributionsMoved", MetricUnit.Count, outcome.moved)
    logger.info("added up", events=len(messages), moved=outcome.moved, failed=len(outcome.failed))
    return list(outcome.failed)


lambda_handler = queue_consumer(consume)
