"""Adds up what the events of orders say."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from oms.dynamodb import patience
from oms.reports import open_orders
from oms.reports.open_orders import OrderState

logger = Logger()
tracer = Tracer()
metrics = Metrics()
# Seconds. A call takes 6 at most, so which messages come again is reported before the aggregator's time is over.
BEGUN_WITHIN = 80.0

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def aggregate(record: SQSRecord) -> None:
    state = OrderState.of(record.json_body)
    counted = open_orders.count(state)
    metrics.add_metric("OrdersCounted", MetricUnit.Count, counted)
    logger.info("counted" if counted else "counted before", order_id=state.order_id, version=state.version)


@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """A message that fails, or was not begun in time, comes back alone."""
    with patience(BEGUN_WITHIN):
        return process_partial_response(event=event, record_handler=aggregate, processor=processor, context=context)
