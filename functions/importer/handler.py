"""Consumer of the import queue: each message names an import to continue."""

from collections.abc import Sequence

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from oms.core.settings import require, settings
from oms.events.consumers import ReceivedMessage, one_by_one, queue_consumer
from oms.imports import worker
from oms.imports.models import DONE
from oms.imports.reading import FileError
from oms.imports.worker import OutOfTimeError

require("import_queue_url", "imports_bucket")

logger = Logger()
metrics = Metrics()

# The time that is left when `has_time` becomes false: for a section whose writes conflict, and for the result.
RESERVE_SECONDS = 180


def run_import(message: ReceivedMessage) -> None:
    import_id = str(message.content["import"])
    try:
        worked_on = worker.work(import_id, has_time=lambda: message.has_time(RESERVE_SECONDS))
    except FileError as error:
        logger.info("a file cannot be imported", import_id=import_id, failure=error.code)
        worker.fail(import_id, error.code, str(error))
        return
    except Exception as error:
        can_retry = message.receive_count < settings().import_tries
        logger.exception("an import was interrupted", import_id=import_id, retry=can_retry)
        if can_retry:
            raise
        worker.fail(import_id, "out-of-time" if isinstance(error, OutOfTimeError) else "internal-error")
        metrics.add_metric("ImportsFailed", MetricUnit.Count, 1)
        return
    if worked_on is not None:
        metrics.add_metric("ImportsDone", MetricUnit.Count, int(worked_on.status == DONE))
        logger.info(
            "worked on", import_id=worked_on.id, status=worked_on.status, run=worked_on.run, rows=worked_on.rows
        )


def consume(messages: Sequence[ReceivedMessage]) -> list[str]:
    return one_by_one(messages, run_import, failure="an import will be retried")


lambda_handler = queue_consumer(consume)
