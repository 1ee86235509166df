"""Stores the search terms of orders, from the orders table's stream."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from oms.core.settings import require
from oms.events import streams
from oms.events.consumers import observed
from oms.search import indexing

require("poison_queue_url")

logger = Logger()
metrics = Metrics()


@observed
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> None:
    records = event["Records"]
    metrics.add_metric("StreamRecords", MetricUnit.Count, len(records))
    changes = list(streams.decode_records(records, indexing.term_change))
    streams.process_batch(changes, indexing.store_terms)
    logger.info("stored the search terms", records=len(records), orders=len(changes))
