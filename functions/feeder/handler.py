"""Writes the events of a queue into the feed."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from oms.events.envelope import PublishedEvent
from oms.feed import service

logger = Logger()
tracer = Tracer()
metrics = Metrics()


@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """A message that is no event comes back alone; the others are one batch, and one transaction at a time."""
    events: list[PublishedEvent] = []
    failed: list[dict[str, str]] = []
    for record in event["Records"]:
        try:
            events.append(PublishedEvent.read(record["body"]))
        except (ValueError, LookupError, TypeError):
            logger.exception("not an event", message_id=record["messageId"])
            failed.append({"itemIdentifier": record["messageId"]})
    written = service.append(events)
    metrics.add_metric("FeedRows", MetricUnit.Count, written)
    logger.info("written into the feed", events=len(events), rows=written)
    return {"batchItemFailures": failed}
