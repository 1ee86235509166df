"""Publishes what the tables' streams tell."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from oms import catalogue, publishing

logger = Logger()
tracer = Tracer()
metrics = Metrics()


@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, int]:
    records = event["Records"]
    published = publishing.publish(catalogue.told_by(records))
    metrics.add_metric("EventsPublished", MetricUnit.Count, published)
    logger.info("published", records=len(records), events=published)
    return {"published": published}
