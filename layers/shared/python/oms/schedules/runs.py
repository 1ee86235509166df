"""Runs of schedules: each makes an export, once, and the spans of a schedule's runs meet without gap or overlap.

A run is told of a quarter of an hour after its time. Whatever was made before that time, by whichever clock, is there
to be read then.
"""

from datetime import datetime, timedelta

from aws_lambda_powertools import Logger
from pynamodb.exceptions import TransactWriteError

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock
from oms.core.actors import System
from oms.core.dynamodb import ConcurrentUpdateError, failed, get_item, retrying, transaction
from oms.core.errors import TooManyExportsError
from oms.core.idempotency import keyed_id
from oms.core.settings import settings
from oms.exports import report_recipients, service, unfinished
from oms.exports.models import Export
from oms.exports.service import FileOptions
from oms.schedules import scheduler_entries
from oms.schedules.models import Schedule

logger = Logger(child=True)

# The schedule that a deployment brings along: each night, the orders of the day before.
DAILY = "daily"


class TooEarlyError(Exception):
    """By this clock the time of the run has not come."""


def run(schedule_id: str, at: datetime) -> Export | None:
    """The export of a schedule's run of this time. None where that was made before, or where nothing is left to tell
    of, as a run that reaches as far came first; and where too many earlier exports of the schedule are not finished:
    the next run has this one's span as well. Raises TooEarlyError, UnavailableError.
    """
    if at > clock.now():
        raise TooEarlyError
    if schedule_id == DAILY:
        return _run_daily(at)
    try:
        return retrying(lambda: _run(schedule_id, at))
    except TooManyExportsError:
        logger.warning("earlier exports of the schedule are not finished: left to its next run", schedule=schedule_id)
        return None


def _run(schedule_id: str, at: datetime) -> Export | None:
    schedule = get_item(Schedule, Schedule.key(schedule_id))
    if schedule is None:
        scheduler_entries.reconcile(schedule_id)
        return None
    until = clock.start_of(clock.day_of(at)) if schedule.report == "sales" else at
    span = clock.instant(schedule.covered_until), until
    if span[0] >= until:
        return None
    columns = [str(it) for it in schedule.columns] if schedule.columns else None
    shape = FileOptions(format=schedule.format, bom=schedule.bom, columns=columns)
    export = _export(schedule_id, schedule.report, at, span, [str(it) for it in schedule.recipients], shape)
    covered = Schedule.covered_until.set(clock.timestamp(until))
    try:
        with transaction() as write:
            write.save(export)
            write.save(_audit_entry(export))
            # The span is what it is by this end of the last one.
            unmoved = Schedule.covered_until == schedule.covered_until
            write.update(Schedule(*Schedule.key(schedule_id)), [covered], unmoved)
            unfinished.reserve_slot(write, export)
    except TransactWriteError as error:
        *_, own, room = error.cancellation_reasons or [None, None]
        if failed(own):
            raise ConcurrentUpdateError from error
        if failed(room):
            unfinished.free_slots(export, room.raw_item)
            raise ConcurrentUpdateError from error
        raise
    return export


def _run_daily(at: datetime) -> Export | None:
    """Of the shop's day before, once for a day whenever it runs."""
    day = clock.day_of(at)
    yesterday, today = (clock.start_of(it) for it in (day - timedelta(days=1), day))
    found = report_recipients.by_address(settings().daily_report_to)
    if strangers := len(settings().daily_report_to) - len(found):
        logger.warning("of the setting daily_report_to some are no active managers or admins", strangers=strangers)
    export = _export(DAILY, "orders", today, (yesterday, today), sorted({user.id for user in found.values()}))

    def attempt() -> Export | None:
        try:
            with transaction() as write:
                write.save(export, condition=Export.pk.does_not_exist())
                write.save(_audit_entry(export))
        except TransactWriteError as error:
            own, *_ = error.cancellation_reasons or [None]
            if failed(own):
                return None
            raise
        return export

    return retrying(attempt)


def _export(
    schedule_id: str,
    report: str,
    at: datetime,
    span: tuple[datetime, datetime],
    user_ids: list[str],
    shape: FileOptions | None = None,
) -> Export:
    """As it is to be stored, with an id that is the same for the same run."""
    start, end = span
    if report == "sales":
        # Whole days, also where an earlier run ended at a day's end of another time zone.
        first = max(clock.day_of(start), clock.day_of(end) - service.MAX_SALES_SPAN)
        start = clock.start_of(first)
    bounds = (None, None) if report == "inventory" else (clock.timestamp(start), clock.timestamp(end))
    return service.build_export(
        report,
        export_id=keyed_id(schedule_id, "run", clock.timestamp(at)),
        by=System(),
        from_=bounds[0],
        to=bounds[1],
        shape=shape or FileOptions(),
        schedule_id=schedule_id,
        recipients=user_ids,
    )


def _audit_entry(export: Export) -> AuditEntry:
    return audit_log.entry(
        "export.requested",
        actor_id=System().id,
        actor_role=System().role,
        address=None,
        target=f"export#{export.id}",
        details={"report": export.report, "schedule": str(export.schedule_id)},
    )
