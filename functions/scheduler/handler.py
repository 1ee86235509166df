"""Keeps the entries of EventBridge Scheduler as the schedules say, and makes the exports of their runs."""

from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from oms.core import clock
from oms.schedules import runs, scheduler_entries

logger = Logger()
tracer = Tracer()
metrics = Metrics()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def serve(record: SQSRecord) -> None:
    """A message with a time is a run; one without says that the schedule has come or gone."""
    try:
        message = record.json_body
        schedule_id = str(message["schedule"])
        if "time" not in message:
            scheduler_entries.reconcile(schedule_id)
            return
        export = runs.run(schedule_id, _time_of(message["time"], record))
    except Exception:
        logger.exception("a schedule was not served", message_id=record.message_id)
        raise
    metrics.add_metric("ScheduledExports", MetricUnit.Count, export is not None)
    logger.info("run", schedule=schedule_id, export=export.id if export else None)


def _time_of(text: str, record: SQSRecord) -> datetime:
    """When the run was due. Where nobody has put that in, as on the local cloud: the minute in which it was sent."""
    if text != scheduler_entries.RUNS_AT:
        return clock.instant(text)
    sent = int(record.attributes["SentTimestamp"]) // 60_000 * 60
    return clock.from_seconds(sent)


@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return process_partial_response(event=event, record_handler=serve, processor=processor, context=context)
