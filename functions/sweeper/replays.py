"""Sends one batch of a range replay for each message."""

from collections.abc import Sequence

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from oms.core.settings import require
from oms.events.consumers import ReceivedMessage, one_by_one, queue_consumer
from oms.webhooks import replay

require("delivery_queue_url", "replay_queue_url", "slow_delivery_queue_url")

metrics = Metrics()


def run_batch(message: ReceivedMessage) -> None:
    content = message.content
    replayed = replay.run_batch(str(content["subscription"]), int(content["due_at"]))
    metrics.add_metric("DeliveriesReplayed", MetricUnit.Count, replayed or 0)


def consume(messages: Sequence[ReceivedMessage]) -> list[str]:
    return one_by_one(messages, run_batch, failure="a batch of a replay failed")


lambda_handler = queue_consumer(consume)
