"""Writes the stock book from the inventory table's stream."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from oms import streams
from oms.inventory import book

logger = Logger()
tracer = Tracer()
metrics = Metrics()


@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> None:
    metrics.add_metric("StreamRecords", MetricUnit.Count, len(event["Records"]))
    written = streams.consume(event["Records"], understand=book.entry, carry_out=book.write)
    metrics.add_metric("BookEntries", MetricUnit.Count, written)
    logger.info("written into the stock book", records=len(event["Records"]), entries=written)
