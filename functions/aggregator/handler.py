"""Adds the events of orders and users to the sums of the reports."""

from collections.abc import Sequence

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from oms.core.settings import require
from oms.events.consumers import ReceivedMessage, queue_consumer
from oms.reports import aggregation

require()

logger = Logger()
metrics = Metrics()


def consume(messages: Sequence[ReceivedMessage]) -> list[str]:
    """Returns the failed messages. A message that cannot be added up does not fail the others."""
    outcome = aggregation.add_up({message.id: message.body for message in messages})
    metrics.add_metric("ContributionsMoved", MetricUnit.Count, outcome.moved)
    logger.info("added up", events=len(messages), moved=outcome.moved, failed=len(outcome.failed))
    return list(outcome.failed)


lambda_handler = queue_consumer(consume)
