"""Consumer of the schedule queue: updates the entries of EventBridge Scheduler, and creates the exports of runs."""

from collections.abc import Sequence
from datetime import datetime

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from oms.core import clock
from oms.core.settings import require
from oms.events.consumers import ReceivedMessage, one_by_one, queue_consumer
from oms.schedules import runs, scheduler_entries

require("schedule_dead_letters", "schedule_group", "schedule_role", "schedule_target")

logger = Logger()
metrics = Metrics()


def serve(message: ReceivedMessage) -> None:
    """Processes a message. One with a time is a run; one without means that the schedule was created or deleted."""
    content = message.content
    schedule_id = str(content["schedule"])
    if "time" not in content:
        scheduler_entries.reconcile(schedule_id)
        return
    export = runs.run(schedule_id, _time_of(content["time"], message))
    metrics.add_metric("ScheduledExports", MetricUnit.Count, export is not None)
    logger.info("run", schedule=schedule_id, export=export.id if export else None)


def _time_of(text: str, message: ReceivedMessage) -> datetime:
    """Returns the time of the run.

    The local cloud does not insert the time, so there it is the minute in which the message was sent.
    """
    if text != scheduler_entries.SCHEDULED_TIME:
        return clock.instant(text)
    return message.sent_at.replace(second=0, microsecond=0)


def consume(messages: Sequence[ReceivedMessage]) -> list[str]:
    return one_by_one(messages, serve, failure="a schedule message will be retried")


lambda_handler = queue_consumer(consume)
