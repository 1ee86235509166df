"""Drains one shard of overdue holds for each message."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from oms.orders import expiry

logger = Logger()
tracer = Tracer()
metrics = Metrics()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)

# One hold takes up to 26 s when every call of it is retried to its limit; none is to be cut off half-way.
_RESERVE_MS = 30_000


def expire(record: SQSRecord, lambda_context: LambdaContext) -> None:
    swept = expiry.sweep(
        int(record.json_body["shard"]),
        has_time=lambda: lambda_context.get_remaining_time_in_millis() > _RESERVE_MS,
    )
    metrics.add_metric("HoldsExpired", MetricUnit.Count, swept.expired)
    metrics.add_metric("OldestOverdueHold", MetricUnit.Seconds, swept.overdue_seconds)
    logger.info("swept", expired=swept.expired, failed=swept.failed)
    if swept.failed:
        # The message comes back, and after its last try stands in the dead-letter queue, which alarms.
        raise RuntimeError(f"{swept.failed} holds could not be ended")


@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return process_partial_response(event=event, record_handler=expire, processor=processor, context=context)
