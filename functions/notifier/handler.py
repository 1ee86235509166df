"""Mails what events and messages ask for."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from oms.core.dynamodb import patience
from oms.mail import notifications
from oms.mail import service as mail

logger = Logger()
# Calls of AWS are not traced one by one: of those that fail the text is kept, and SES's names whom a mail is for.
tracer = Tracer(auto_patch=False)
metrics = Metrics()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def notify(record: SQSRecord) -> None:
    """Sends the mail of one message, if there is one to send. What raises brings that message back alone.

    Its reads and the claim end within 19 s, SES within 12, and the mark within 12: 43 in all.
    """
    try:
        with patience():
            notice = notifications.asked_by(record.body)
            if notice is not None and mail.is_set_up():
                mail.send(notice)
    except Exception as error:
        # Neither the message nor the text of an error is logged: both may hold whom it is about.
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else None
        logger.error("a mail was not sent", cause=type(error).__name__, code=code, message_id=record.message_id)  # noqa: TRY400
        raise


@tracer.capture_lambda_handler(capture_response=False, capture_error=False)
@metrics.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    metrics.add_metric("MailsAsked", MetricUnit.Count, len(event["Records"]))
    return process_partial_response(event=event, record_handler=notify, processor=processor, context=context)
