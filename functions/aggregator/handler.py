"""Adds up what the events of orders and users say."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from oms.reports import aggregation

logger = Logger()
tracer = Tracer()
metrics = Metrics()


@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """What cannot be added up, now or ever, comes back alone."""
    outcome = aggregation.add_up({record["messageId"]: record["body"] for record in event["Records"]})
    metrics.add_metric("ContributionsMoved", MetricUnit.Count, outcome.moved)
    logger.info("added up", events=len(event["Records"]), moved=outcome.moved, failed=len(outcome.failed))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in outcome.failed]}
