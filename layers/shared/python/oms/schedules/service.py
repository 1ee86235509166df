"""Creates, lists and deletes schedules of exports. `scheduler_entries` then adjusts the entries in EventBridge."""

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock
from oms.core.actors import Actor
from oms.core.dynamodb import get_item
from oms.core.errors import InvalidRequestError, NotFoundError, TooManySchedulesError
from oms.core.pages import KeyRange, Page, table_page
from oms.core.retries import retrying
from oms.core.transactions import TransactionError, transaction
from oms.exports import report_recipients
from oms.exports.building import FileOptions
from oms.schedules import expressions
from oms.schedules.expressions import ExpressionError
from oms.schedules.models import SCHEDULES, Schedule, ScheduleCount
from oms.schedules.schemas import CreateScheduleRequest

MAX_SCHEDULES = 50


def create(request: CreateScheduleRequest, *, by: Actor, address: str) -> tuple[Schedule, dict[str, str]]:
    """Creates a schedule. Returns it with the e-mail addresses of its recipients by user id.

    Raises InvalidRequestError, TooManySchedulesError, UnavailableError.
    """
    now = clock.now()
    try:
        expressions.parse(request.schedule, now=now)
    except ExpressionError as error:
        raise InvalidRequestError.at(str(error), pointer="#/schedule") from error
    options = FileOptions.of(request)
    options.check(request.report)
    users = _recipients(request)
    at, schedule_id = clock.timestamp(now), clock.timed_id(now)
    schedule = Schedule(
        *Schedule.key(schedule_id),
        id=schedule_id,
        report=request.report,
        expression=request.schedule,
        recipients=list(users),
        format=options.format,
        bom=options.bom,
        columns=list(options.columns) if options.columns else None,
        # Exports of sales have whole days, so the first run begins with the current day.
        covered_until=clock.timestamp(clock.start_of(clock.day_of(now))) if request.report == "sales" else at,
        created_at=at,
        created_by=by.id,
    )
    entry = _audit_entry("schedule.created", schedule, by, address)
    retrying(lambda: _put(schedule, entry))
    return schedule, users


def _recipients(request: CreateScheduleRequest) -> dict[str, str]:
    """Returns the recipients' e-mail addresses by user id. Raises InvalidRequestError."""
    found = report_recipients.by_address(request.recipients)
    strangers = [
        {"pointer": f"#/recipients/{place}", "detail": "is not the address of an active manager or admin"}
        for place, address in enumerate(request.recipients)
        if address not in found
    ]
    if strangers:
        raise InvalidRequestError(strangers)
    return {found[address].id: found[address].email for address in request.recipients}


def _put(schedule: Schedule, entry: AuditEntry) -> None:
    counter = ScheduleCount(*ScheduleCount.key())
    try:
        with transaction() as writes:
            writes.save(entry)
            writes.save(schedule, condition=Schedule.pk.does_not_exist())
            writes.update(counter, *counter.increment(MAX_SCHEDULES))
    except TransactionError as error:
        if error.failed(schedule):
            return  # an earlier attempt stored it, but its response was lost
        if error.failed(counter):
            raise TooManySchedulesError(
                f"The limit of {MAX_SCHEDULES} schedules is reached. Delete one that is not needed."
            ) from error
        raise


def list_schedules(*, limit: int, after: str | None) -> Page[Schedule]:
    """Returns a page of schedules, newest first, by one consistent Query."""
    return table_page(Schedule, SCHEDULES, KeyRange(limit, descending=True, after=after))


def delete(schedule_id: str, *, by: Actor, address: str) -> None:
    """Deletes a schedule. Exports of earlier runs continue. Raises NotFoundError, UnavailableError."""
    schedule = get_item(Schedule, Schedule.key(schedule_id))
    if schedule is None:
        raise NotFoundError("Schedule not found.")
    entry = _audit_entry("schedule.deleted", schedule, by, address)
    counter = ScheduleCount(*ScheduleCount.key())

    def write() -> None:
        try:
            with transaction() as writes:
                writes.delete(schedule, condition=Schedule.pk.exists())
                writes.save(entry)
                writes.update(counter, counter.decrement())
        except TransactionError as error:
            if not error.failed(schedule):
                raise
            # An earlier attempt whose response was lost, or another request, has already deleted it.

    retrying(write)


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
