"""Consumer of the dispatch queue: creates the deliveries of each event."""

from collections.abc import Sequence

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from oms.core.retries import deadline
from oms.core.settings import require
from oms.events.consumers import ReceivedMessage, one_by_one, queue_consumer
from oms.events.envelope import PublishedEvent
from oms.webhooks.dispatch import START_DEADLINE_SECONDS, Dispatch
from oms.webhooks.matcher import SubscriptionMatcher, all_subscriptions

require("delivery_queue_url", "slow_delivery_queue_url")

metrics = Metrics()


def consume(messages: Sequence[ReceivedMessage]) -> list[str]:
    """Returns the failed messages. It reads the subscriptions once for the batch."""
    with deadline(START_DEADLINE_SECONDS):
        dispatch = Dispatch(SubscriptionMatcher(all_subscriptions()))

        def deliver(message: ReceivedMessage) -> None:
            created = dispatch.of(PublishedEvent.read(message.body))
            metrics.add_metric("DeliveriesDispatched", MetricUnit.Count, created)

        return one_by_one(messages, deliver, failure="an event was not dispatched")


lambda_handler = queue_consumer(consume)
