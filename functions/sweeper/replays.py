"""Takes a range replay one stretch further for each message."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from oms.webhooks import replay

logger = Logger()
tracer = Tracer()
metrics = Metrics()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def go_on(record: SQSRecord) -> None:
    try:
        message = record.json_body
        taken_up = replay.go_on(str(message["subscription"]), int(message["due_at"]))
    except Exception:
        logger.exception("a replay did not go on", message_id=record.message_id)
        raise
    metrics.add_metric("DeliveriesReplayed", MetricUnit.Count, taken_up or 0)


@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return process_partial_response(event=event, record_handler=go_on, processor=processor, context=context)
