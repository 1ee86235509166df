"""Publishes the events that the changes of the tables' streams cause."""

from collections import Counter
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from oms.core.settings import require
from oms.events.consumers import observed
from oms.publishing import bus, registry

require("event_bus", "poison_queue_url")

logger = Logger()
metrics = Metrics()

# The event types that have a metric on the dashboard. A retried batch is counted again.
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
    events = registry.events_from_records(records)
    published = bus.publish(events)
    metrics.add_metric("EventsPublished", MetricUnit.Count, published)
    for event_type, count in Counter(it.type for it in events if it.type in COUNTED).items():
        metrics.add_metric(COUNTED[event_type], MetricUnit.Count, count)
    logger.info("events were published", records=len(records), events=published)
    return {"published": published}
