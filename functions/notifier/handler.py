"""Mails what the identity table's stream asks for."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from oms import streams
from oms.identity import account_mails
from oms.identity.account_mails import Wanted
from oms.identity.models import without_hashes
from oms.mail import service as mail

logger = Logger()
tracer = Tracer()
metrics = Metrics()


def notify(wanted: Wanted) -> None:
    user = account_mails.recipient(wanted)
    if user is not None and mail.is_set_up():
        letter, bounds = account_mails.letter(user, wanted.purpose), account_mails.bounds(user, wanted.purpose)
        mail.send_once(wanted.cause, letter, bounds=bounds)


@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> None:
    metrics.add_metric("StreamRecords", MetricUnit.Count, len(event["Records"]))
    asked = streams.consume(event["Records"], understand=account_mails.wanted, carry_out=notify, shown=without_hashes)
    logger.info("looked for mails to send", records=len(event["Records"]), asked=asked)
