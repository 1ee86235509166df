"""Works on a check of the stock book: one message is one stretch of a run, or asks for a new one."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from oms.inventory import stock_check

logger = Logger()
tracer = Tracer()
metrics = Metrics()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)

# What a page may still take once it is begun, and then the handing over.
_RESERVE_MS = 120_000


def check(record: SQSRecord, lambda_context: LambdaContext) -> None:
    message = record.json_body
    if "start" in message:
        stock_check.start(full=message["start"] == "full")
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
    metrics.add_metric("Stretches", MetricUnit.Count, len(event["Records"]))
    return process_partial_response(event=event, record_handler=check, processor=processor, context=context)
