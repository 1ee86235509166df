"""Publishes what the tables' streams tell."""

from collections import Counter
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from oms.core.settings import require
from oms.events.consumers import observed
from oms.publishing import bus, registry

require("poison_queue_url")

logger = Logger()
metrics = Metrics()

# For the dashboard. A batch that comes again counts again.
COUNTED = {
    "order.created": "OrdersCreated",
    "order.confirmed": "OrdersConfirmed",
    "order.shipped": "OrdersShipped",
    "order.cancelled": "OrdersCancelled",
    "order.expired": "OrdersExpired",
}


@observed
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, int]:
    records = event["Records"]
    told = registry.told_by(records)
    published = bus.publish(told)
    metrics.add_metric("EventsPublished", MetricUnit.Count, published)
    for event_type, count in Counter(it.type for it in told if it.type in COUNTED).items():
        metrics.add_metric(COUNTED[event_type], MetricUnit.Count, count)
    logger.info("published", records=len(records), events=published)
    return {"published": published}
