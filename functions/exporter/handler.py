"""Works on exports: a message names one to look at."""

from collections.abc import Sequence

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from oms.core.settings import require, settings
from oms.events.consumers import Message, one_by_one, queue_consumer
from oms.exports import worker
from oms.exports.models import DONE
from oms.exports.parts import TooLargeError
from oms.exports.registry import SOURCES
from oms.exports.worker import OutOfTimeError

require("export_queue_url", "exports_bucket")

logger = Logger()
metrics = Metrics()

# For the work that is under way when time is up: the upload of a part, its checkpoint, the next message, with retries.
RESERVE_SECONDS = 30

_FAILURES = {TooLargeError: "too-large", OutOfTimeError: "out-of-time"}


def export(message: Message) -> None:
    export_id = str(message.content["export"])
    try:
        seen = worker.work(export_id, reports=SOURCES, has_time=lambda: message.has_time(RESERVE_SECONDS))
    except Exception as error:
        can_retry = not isinstance(error, TooLargeError) and message.receive_count < settings().export_tries
        logger.exception("an export was cut off", export_id=export_id, retry=can_retry)
        if can_retry:
            raise
        worker.fail(export_id, _FAILURES.get(type(error), "internal-error"))
        metrics.add_metric("ExportsFailed", MetricUnit.Count, 1)
        return
    if seen is not None:
        metrics.add_metric("ExportsDone", MetricUnit.Count, int(seen.status == DONE))
        logger.info("worked on", export_id=seen.id, status=seen.status, run=seen.run, rows=seen.rows)


def consume(messages: Sequence[Message]) -> list[str]:
    return one_by_one(messages, export, failure="an export will be retried")


lambda_handler = queue_consumer(consume)
