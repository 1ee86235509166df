"""Daily counts of delivery attempts by outcome.

The counts are approximate: an interrupted sender does not count its attempt, and botocore's retry after a lost response
may count one twice. No decision depends on them.
"""

from datetime import timedelta

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from oms.core import clock
from oms.core.dynamodb import update_item
from oms.core.errors import UnavailableError
from oms.webhooks import shards
from oms.webhooks.models import DayOfAttempts

logger = Logger(child=True)

RETENTION = timedelta(days=90)


def count(outcome: str, delivery_id: str) -> None:
    """Counts one of `DayOfAttempts.OUTCOMES`, in the delivery's shard.

    A failure is only logged: the trigger is stale when it is retried.
    """
    now = clock.now()
    day = DayOfAttempts(*DayOfAttempts.key(clock.day_of(now).isoformat(), shards.outcomes_shard_of(delivery_id)))
    counted = getattr(DayOfAttempts, outcome)
    ends = DayOfAttempts.expires_at.set(int((now + RETENTION).timestamp()))
    try:
        update_item(day, [DayOfAttempts.kind.set(DayOfAttempts), counted.add(1), ends])
    except (BotoCoreError, ClientError, UnavailableError):
        logger.warning("an attempt was not counted", outcome=outcome, exc_info=True)
