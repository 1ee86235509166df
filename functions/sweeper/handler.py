"""The sweep of each minute: triggers overdue deliveries and replays, and the expiry of orders in each shard."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from oms.core import queues
from oms.core.settings import require, settings
from oms.events.consumers import observed
from oms.webhooks import overdue

require("delivery_queue_url", "expiry_queue_url", "replay_queue_url", "slow_delivery_queue_url")

logger = Logger()
metrics = Metrics()


@observed
def lambda_handler(_event: dict[str, Any], _context: LambdaContext) -> None:
    for shard in range(settings().order_shards):
        queues.send(settings().expiry_queue_url, {"shard": shard})
    metrics.add_metric("SweepsAsked", MetricUnit.Count, settings().order_shards)
    triggered = overdue.sweep()
    metrics.add_metric("DeliveriesOverdue", MetricUnit.Count, triggered)
    logger.info("the sweep was triggered", shards=settings().order_shards, overdue=triggered)
