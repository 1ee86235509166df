"""Sends the mails that events and messages cause."""

from collections.abc import Sequence

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from oms.core.retries import deadline
from oms.core.settings import require
from oms.events.consumers import ReceivedMessage, one_by_one, queue_consumer
from oms.mail import notifications
from oms.mail import service as mail

require()

metrics = Metrics()


def notify(message: ReceivedMessage) -> None:
    """Sends the mail that a message causes, if any.

    Takes at most 43 seconds: 19 for the reads and the claim, 12 for SES, and 12 for the mark.
    """
    with deadline():
        notification = notifications.notification_for(message.body)
        if notification is not None and mail.is_set_up():
            mail.send(notification)


def consume(messages: Sequence[ReceivedMessage]) -> list[str]:
    metrics.add_metric("MailsAsked", MetricUnit.Count, len(messages))
    return one_by_one(messages, notify, failure="a mail was not sent", private=True)


# Private: SES names the recipient in its errors.
lambda_handler = queue_consumer(consume, private=True)
