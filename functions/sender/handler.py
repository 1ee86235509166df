"""Makes one attempt at a delivery for each message of two queues: that of all subscriptions, and that of the slow."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from oms.core.settings import settings
from oms.webhooks import outcomes, sending
from oms.webhooks.deliveries import Nudge
from oms.webhooks.models import DayOfAttempts

logger = Logger()
tracer = Tracer()
metrics = Metrics()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def attempt(record: SQSRecord) -> None:
    # arn:aws:sqs:<region>:<account>:<queue>, and https://…/<account>/<queue>
    is_slow = record.event_source_arn.rpartition(":")[2] == settings().slow_delivery_queue_url.rpartition("/")[2]
    try:
        nudge = Nudge.read(record.json_body)
        outcome = sending.attempt(nudge, slow=is_slow)
    except Exception:
        logger.exception("a delivery was not attempted", message_id=record.message_id)
        raise
    metrics.add_metric(f"Delivery{outcome}", MetricUnit.Count, 1)
    if outcome.lower() in DayOfAttempts.OUTCOMES:
        outcomes.count(outcome.lower())
    logger.info("attempted", outcome=outcome, subscription_id=nudge.subscription, delivery_id=nudge.delivery)


@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """A message that fails comes back alone."""
    return process_partial_response(event=event, record_handler=attempt, processor=processor, context=context)
