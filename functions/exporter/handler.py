"""Works on exports: a message names one to look at."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from oms.core.settings import settings
from oms.exports import worker
from oms.exports.models import DONE
from oms.exports.parts import TooLargeError
from oms.exports.registry import REPORTS
from oms.exports.worker import OutOfTimeError

logger = Logger()
tracer = Tracer()
metrics = Metrics()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)

# What is begun when time is up: the upload of a part, its checkpoint and the handing over, each with retries.
_RESERVE_MS = 30_000

_WHY = {TooLargeError: "too-large", OutOfTimeError: "out-of-time"}


def export(record: SQSRecord, lambda_context: LambdaContext) -> None:
    export_id = str(record.json_body["export"])
    try:
        seen = worker.work(
            export_id, reports=REPORTS, has_time=lambda: lambda_context.get_remaining_time_in_millis() > _RESERVE_MS
        )
    except Exception as error:
        logger.exception("an export was cut off", export_id=export_id)
        hopeless = isinstance(error, TooLargeError)
        if not hopeless and int(record.attributes.approximate_receive_count) < settings().export_tries:
            raise
        worker.fail(export_id, _WHY.get(type(error), "internal-error"))
        metrics.add_metric("ExportsFailed", MetricUnit.Count, 1)
        return
    if seen is not None:
        metrics.add_metric("ExportsDone", MetricUnit.Count, int(seen.status == DONE))
        logger.info("looked at", export_id=seen.id, status=seen.status, run=seen.run, rows=seen.rows)


@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return process_partial_response(event=event, record_handler=export, processor=processor, context=context)
