"""Each minute: one message for each shard of the index of open orders, for the worker to drain."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from oms import queues
from oms.settings import settings

logger = Logger()
tracer = Tracer()
metrics = Metrics()


@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def lambda_handler(_event: dict[str, Any], _context: LambdaContext) -> None:
    for shard in range(settings().order_shards):
        queues.send(settings().expiry_queue_url, {"shard": shard})
    metrics.add_metric("SweepsAsked", MetricUnit.Count, settings().order_shards)
    logger.info("sweep asked for", shards=settings().order_shards)
