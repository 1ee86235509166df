"""Schedules of exports: made, listed and ended by managers. What runs them follows the items: see `entries`."""

from typing import Any

from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.condition import Condition

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock
from oms.core.actors import Actor
from oms.core.dynamodb import failed, get_item, retrying, transaction
from oms.core.errors import InvalidRequestError, NotFoundError, TooManySchedulesError
from oms.core.pages import KeyRange, Page, table_page
from oms.exports import report_recipients
from oms.exports.service import FileOptions
from oms.schedules import expressions
from oms.schedules.expressions import ExpressionError
from oms.schedules.models import SCHEDULES, Schedule, ScheduleCount
from oms.schedules.schemas import CreateScheduleRequest

MAX_SCHEDULES = 50


def create(request: CreateScheduleRequest, *, by: Actor, address: str) -> tuple[Schedule, dict[str, str]]:
    """A new schedule, and the addresses of its recipients by their ids.

    Raises InvalidRequestError, TooManySchedulesError, UnavailableError.
    """
    now = clock.now()
    try:
        expressions.parse(request.schedule, now=now)
    except ExpressionError as error:
        raise InvalidRequestError.at(str(error), pointer="#/schedule") from error
    shape = FileOptions.of(request)
    shape.check(request.report)
    users = _recipients(request)
    at, schedule_id = clock.timestamp(now), clock.timed_id(now)
    schedule = Schedule(
        *Schedule.key(schedule_id),
        id=schedule_id,
        report=request.report,
        expression=request.schedule,
        recipients=list(users),
        format=shape.format,
        bom=shape.bom,
        columns=list(shape.columns) if shape.columns else None,
        # Sales are by the day: the first run begins with this one.
        covered_until=clock.timestamp(clock.start_of(clock.day_of(now))) if request.report == "sales" else at,
        created_at=at,
        created_by=by.id,
    )
    entry = _audit_entry("schedule.created", schedule, by, address)
    retrying(lambda: _put(schedule, entry))
    return schedule, users


def _recipients(request: CreateScheduleRequest) -> dict[str, str]:
    """Their addresses by their ids."""
    found = report_recipients.by_address(request.recipients)
    strangers = [
        {"pointer": f"#/recipients/{place}", "detail": "is not the address of an active manager or admin"}
        for place, address in enumerate(request.recipients)
        if address not in found
    ]
    if strangers:
        raise InvalidRequestError(strangers)
    return {found[it].id: found[it].email for it in request.recipients}


def _put(schedule: Schedule, entry: AuditEntry) -> None:
    try:
        with transaction() as writes:
            writes.save(entry)
            writes.save(schedule, condition=Schedule.pk.does_not_exist())
            _count(writes, 1, ScheduleCount.n.does_not_exist() | (ScheduleCount.n < MAX_SCHEDULES))
    except TransactWriteError as error:
        _, own, count = error.cancellation_reasons or [None, None, None]
        if failed(own):
            return  # an earlier attempt made it, and its answer was lost
        if failed(count):
            raise TooManySchedulesError(f"There are {MAX_SCHEDULES} schedules, and no more are possible.") from error
        raise


def list_schedules(*, limit: int, after: str | None) -> Page[Schedule]:
    """The newest first; one consistent Query."""
    return table_page(Schedule, SCHEDULES, KeyRange(limit, descending=True, after=after))


def delete(schedule_id: str, *, by: Actor, address: str) -> None:
    """It runs no more; what an earlier run has begun is finished. Raises NotFoundError, UnavailableError."""
    schedule = get_item(Schedule, Schedule.key(schedule_id))
    if schedule is None:
        raise NotFoundError("There is no such schedule.")
    entry = _audit_entry("schedule.deleted", schedule, by, address)

    def write() -> None:
        try:
            with transaction() as writes:
                writes.delete(Schedule(*Schedule.key(schedule_id)), condition=Schedule.pk.exists())
                writes.save(entry)
                _count(writes, -1)
        except TransactWriteError as error:
            own, *_ = error.cancellation_reasons or [None]
            if not failed(own):
                raise
            # Gone: by an earlier attempt whose answer was lost, or by somebody else at the same time.

    retrying(write)


def _count(writes: Any, by: int, condition: Condition | None = None) -> None:
    counter = ScheduleCount(*ScheduleCount.key())
    writes.update(counter, [ScheduleCount.kind.set(ScheduleCount), ScheduleCount.n.add(by)], condition)


def _audit_entry(action: str, schedule: Schedule, by: Actor, address: str) -> AuditEntry:
    return audit_log.entry(
        action,
        actor_id=by.id,
        actor_role=by.role,
        address=address,
        target=f"schedule#{schedule.id}",
        details={
            "report": schedule.report,
            "schedule": schedule.expression,
            "recipients": ",".join(map(str, schedule.recipients)),
        },
    )
