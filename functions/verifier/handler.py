"""Works on a check of the stock book: one message is one stretch of a run, or asks for a new one."""

import json
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from oms.core.errors import UnavailableError
from oms.stock_ledger import check as stock_check

logger = Logger()
tracer = Tracer()
metrics = Metrics()

# What a page may still take once it is begun, and then the handing over.
_RESERVE_MS = 120_000


def check(message: dict[str, Any], lambda_context: LambdaContext) -> None:
    if "start" in message:
        full = message["start"] == "full"
        started = stock_check.start(full=full)
        if full and not started.full:
            raise UnavailableError("Another check is under way: the full one follows.")
        return
    run = stock_check.work(
        message["run"],
        message["step"],
        has_time=lambda: lambda_context.get_remaining_time_in_millis() > _RESERVE_MS,
    )
    if run is not None and run.status == "done":
        metrics.add_metric("StockDrift", MetricUnit.Count, run.drifted)
        metrics.add_metric("ProductsChecked", MetricUnit.Count, run.products)
        metrics.add_metric("ProductsUnsettled", MetricUnit.Count, run.unsettled)
        logger.info(
            "the stock book is checked",
            products=run.products,
            orders=run.orders,
            unsettled=run.unsettled,
            drifted=run.drifted,
        )


@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """What can go on later comes again, three times. What else fails, fails aloud."""
    (record,) = event["Records"]
    metrics.add_metric("Stretches", MetricUnit.Count, 1)
    try:
        check(json.loads(record["body"]), context)
    except UnavailableError as error:
        logger.warning("the message comes again", cause=str(error))
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}
    return {"batchItemFailures": []}
