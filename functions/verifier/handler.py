"""Runs stock checks: a message starts a run, or continues one for the time of one invocation."""

from collections.abc import Sequence

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from oms.core.errors import UnavailableError
from oms.core.settings import require
from oms.events.consumers import ReceivedMessage, queue_consumer
from oms.stock_ledger import check as stock_check

require("stock_check_queue_url")

logger = Logger()
metrics = Metrics()

# The time that the current page and the handover of the run need.
RESERVE_SECONDS = 120


def check(message: ReceivedMessage) -> None:
    content = message.content
    if "start" in content:
        full = content["start"] == "full"
        started = stock_check.start(full=full)
        if full and not started.full:
            raise UnavailableError("Another check is running. The full check starts after it.")
        return
    run = stock_check.continue_run(
        content["run"],
        content["step"],
        has_time=lambda: message.has_time(RESERVE_SECONDS),
    )
    if run is not None and run.status == "done":
        metrics.add_metric("StockDrift", MetricUnit.Count, run.drifted)
        metrics.add_metric("ProductsChecked", MetricUnit.Count, run.products)
        metrics.add_metric("ProductsUnsettled", MetricUnit.Count, run.unsettled)
        logger.info(
            "the stock check is done",
            products=run.products,
            orders=run.orders,
            unsettled=run.unsettled,
            drifted=run.drifted,
        )


def consume(messages: Sequence[ReceivedMessage]) -> list[str]:
    """Returns a message for up to three retries if its check can continue later. Raises any other error."""
    (message,) = messages
    # One for each message. The name of a metric stays, so that the dashboard shows its past values too.
    metrics.add_metric("Stretches", MetricUnit.Count, 1)
    try:
        check(message)
    except UnavailableError as error:
        logger.warning("the message is retried", cause=str(error))
        return [message.id]
    return []


lambda_handler = queue_consumer(consume)
