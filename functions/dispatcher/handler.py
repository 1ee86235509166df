"""Turns each event of a queue into its deliveries."""

from functools import partial
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from oms.core.dynamodb import patience
from oms.events.envelope import PublishedEvent
from oms.webhooks.dispatch import BEGUN_WITHIN, Dispatch
from oms.webhooks.matcher import Audience, all_subscriptions

logger = Logger()
tracer = Tracer()
metrics = Metrics()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def deliver(dispatch: Dispatch, record: SQSRecord) -> None:
    try:
        made = dispatch.of(PublishedEvent.read(record.body))
    except Exception:
        logger.exception("an event was not dispatched", message_id=record.message_id)
        raise
    metrics.add_metric("DeliveriesDispatched", MetricUnit.Count, made)


@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """A message that fails comes back alone."""
    with patience(BEGUN_WITHIN):
        deliver_to = partial(deliver, Dispatch(Audience(all_subscriptions())))
        return process_partial_response(event=event, record_handler=deliver_to, processor=processor, context=context)
