"""Entries of EventBridge Scheduler: one for each stored schedule, named by its id."""

import json
from contextlib import suppress
from functools import cache
from typing import Any

from oms.core import aws, clock
from oms.core.dynamodb import get_item
from oms.core.settings import settings
from oms.schedules import expressions
from oms.schedules.expressions import Rate
from oms.schedules.models import Schedule

# https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"


def reconcile(schedule_id: str) -> None:
    """Creates or deletes the entry, so that it matches the stored schedule. Idempotent, also for concurrent calls.

    Raises botocore's errors.
    """
    if schedule := get_item(Schedule, Schedule.key(schedule_id)):
        _create(schedule)
    # Read again: a worker that processes the deletion meanwhile may have found no entry to delete.
    if get_item(Schedule, Schedule.key(schedule_id)) is None:
        _delete(schedule_id)


def _create(schedule: Schedule) -> None:
    """Creates the entry. Succeeds if it exists already, since entries never change."""
    entries, known = _scheduler(), settings()
    with suppress(entries.exceptions.ConflictException):
        entries.create_schedule(
            Name=schedule.id,
            GroupName=known.schedule_group,
            ScheduleExpression=schedule.expression,
            ScheduleExpressionTimezone="UTC",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": known.schedule_target,
                "RoleArn": known.schedule_role,
                "Input": json.dumps({"schedule": schedule.id, "time": SCHEDULED_TIME}),
                "DeadLetterConfig": {"Arn": known.schedule_dead_letters},
            },
            **_start_date(schedule),
        )


def _start_date(schedule: Schedule) -> dict[str, Any]:
    """Returns a start date for a rate, which would otherwise run immediately, with an empty export."""
    now, since = clock.now(), clock.instant(schedule.created_at)
    expression = expressions.parse(schedule.expression, now=since)
    return {"StartDate": expression.next_after(now, since=since)} if isinstance(expression, Rate) else {}


def _delete(schedule_id: str) -> None:
    entries = _scheduler()
    with suppress(entries.exceptions.ResourceNotFoundException):
        entries.delete_schedule(Name=schedule_id, GroupName=settings().schedule_group)


@cache
def _scheduler() -> Any:
    retries = {"mode": "standard", "total_max_attempts": 3}
    return aws.botocore_client("scheduler", connect_timeout=1, read_timeout=5, retries=retries)
