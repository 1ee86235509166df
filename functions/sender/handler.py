"""Makes one attempt at a delivery for each message of two queues: the shared one, and that of slow subscriptions."""

from collections.abc import Sequence

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from oms.core.settings import require, settings
from oms.events.consumers import ReceivedMessage, one_by_one, queue_consumer
from oms.webhooks import outcomes, sending
from oms.webhooks.deliveries import Trigger
from oms.webhooks.models import DayOfAttempts

require("delivery_queue_url", "slow_delivery_queue_url", "webhook_keys_secret")

logger = Logger()
metrics = Metrics()


def attempt(message: ReceivedMessage) -> None:
    """Makes the attempt that the trigger in this message names, and counts and logs its outcome."""
    # https://sqs.<region>.amazonaws.com/<account>/<queue>
    is_slow = message.queue_name == settings().slow_delivery_queue_url.rpartition("/")[2]
    trigger = Trigger.read(message.content)
    outcome = sending.attempt(trigger, slow=is_slow)
    metrics.add_metric(f"Delivery{outcome}", MetricUnit.Count, 1)
    if outcome.lower() in DayOfAttempts.OUTCOMES:
        outcomes.count(outcome.lower(), trigger.delivery)
    logger.info(
        "an attempt was made", outcome=outcome, subscription_id=trigger.subscription, delivery_id=trigger.delivery
    )


def consume(messages: Sequence[ReceivedMessage]) -> list[str]:
    return one_by_one(messages, attempt, failure="a delivery was not attempted")


lambda_handler = queue_consumer(consume)
