"""Consumer of the export queue: each message names an export to write."""

from collections.abc import Sequence

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from oms.core.settings import require, settings
from oms.events.consumers import ReceivedMessage, one_by_one, queue_consumer
from oms.exports import worker
from oms.exports.models import DONE
from oms.exports.parts import FileTooLargeError
from oms.exports.registry import SOURCES
from oms.exports.worker import OutOfTimeError

require("export_queue_url", "exports_bucket")

logger = Logger()
metrics = Metrics()

# The time that is left when `has_time` becomes false: to upload a part, store its checkpoint and send the next message,
# with retries.
RESERVE_SECONDS = 30

_FAILURES = {FileTooLargeError: "too-large", OutOfTimeError: "out-of-time"}


def export(message: ReceivedMessage) -> None:
    export_id = str(message.content["export"])
    try:
        worked_on = worker.work(export_id, sources=SOURCES, has_time=lambda: message.has_time(RESERVE_SECONDS))
    except Exception as error:
        can_retry = not isinstance(error, FileTooLargeError) and message.receive_count < settings().export_tries
        logger.exception("an export was interrupted", export_id=export_id, retry=can_retry)
        if can_retry:
            raise
        worker.fail(export_id, _FAILURES.get(type(error), "internal-error"))
        metrics.add_metric("ExportsFailed", MetricUnit.Count, 1)
        return
    if worked_on is not None:
        metrics.add_metric("ExportsDone", MetricUnit.Count, int(worked_on.status == DONE))
        logger.info(
            "worked on", export_id=worked_on.id, status=worked_on.status, run=worked_on.run, rows=worked_on.rows
        )


def consume(messages: Sequence[ReceivedMessage]) -> list[str]:
    return one_by_one(messages, export, failure="an export will be retried")


lambda_handler = queue_consumer(consume)
