"""How many attempts at deliveries ended how, by day.

A statistic: an attempt is counted after it is settled, and nothing depends on it. What a sender that was cut off did
not count stays uncounted, and botocore's own second try, where an answer was lost, may count it twice.
"""

from datetime import timedelta

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from oms.core import clock
from oms.core.dynamodb import update_item
from oms.core.errors import UnavailableError
from oms.webhooks.models import DayOfAttempts

logger = Logger(child=True)

KEPT = timedelta(days=90)


def count(outcome: str) -> None:
    """Counts one of `DayOfAttempts.OUTCOMES`. Never raises for what DynamoDB does: the attempt is done, and a message
    that came back would change nothing of it.
    """
    now = clock.now()
    day = DayOfAttempts(*DayOfAttempts.key(clock.day_of(now).isoformat()))
    counted = getattr(DayOfAttempts, outcome)
    ends = DayOfAttempts.expires_at.set(int((now + KEPT).timestamp()))
    try:
        update_item(day, [DayOfAttempts.kind.set(DayOfAttempts), counted.add(1), ends])
    except (BotoCoreError, ClientError, UnavailableError):
        logger.warning("an attempt was not counted", outcome=outcome, exc_info=True)
