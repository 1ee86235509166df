"""Runs of schedules. Each run creates one export, and the time ranges of successive runs have no gap and no overlap.

A run is processed 15 minutes after its time. By then, all orders that were created before its time are stored, even if
the workers' clocks differ.
"""

from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock
from oms.core.actors import System
from oms.core.dynamodb import get_item
from oms.core.errors import TooManyExportsError
from oms.core.idempotency import keyed_id
from oms.core.retries import ConcurrentUpdateError, retrying
from oms.core.settings import settings
from oms.core.transactions import TransactionError, transaction
from oms.exports import report_recipients, unfinished
from oms.exports.building import MAX_SALES_RANGE, FileOptions, RequestedFilters, build_export
from oms.exports.models import Export
from oms.schedules import scheduler_entries
from oms.schedules.models import Schedule

logger = Logger(child=True)

# The built-in schedule, which exports the orders of the previous day each night.
DAILY = "daily"


class TooEarlyError(Exception):
    """The time of the run is in the future by this worker's clock."""


def run(schedule_id: str, at: datetime) -> Export | None:
    """Creates the export of the schedule's run at this time.

    Returns None if an earlier run has covered this time range. It also returns None if too many exports of the schedule
    are unfinished; then the next run covers this range. Raises TooEarlyError, UnavailableError.
    """
    if at > clock.now():
        raise TooEarlyError
    if schedule_id == DAILY:
        return _run_daily(at)
    try:
        return retrying(lambda: _run(schedule_id, at))
    except TooManyExportsError:
        logger.warning(
            "too many exports of the schedule are unfinished: its next run covers this time range", schedule=schedule_id
        )
        return None


def _run(schedule_id: str, at: datetime) -> Export | None:
    schedule = get_item(Schedule, Schedule.key(schedule_id))
    if schedule is None:
        scheduler_entries.reconcile(schedule_id)
        return None
    until = clock.start_of(clock.day_of(at)) if schedule.report == "sales" else at
    time_range = clock.instant(schedule.covered_until), until
    if time_range[0] >= until:
        return None
    columns = [str(name) for name in schedule.columns] if schedule.columns else None
    options = FileOptions(format=schedule.format, bom=schedule.bom, columns=columns)
    export = _export(
        schedule_id, schedule.report, at, time_range, [str(user_id) for user_id in schedule.recipients], options
    )
    covered = Schedule.covered_until.set(clock.timestamp(until))
    try:
        with transaction() as write:
            write.save(export)
            write.save(_audit_entry(export))
            write.update(schedule, [covered], Schedule.covered_until == schedule.covered_until)
            unfinished.reserve_slot(write, export)
    except TransactionError as error:
        if not error.failed(schedule):
            unfinished.free_slots_if_full(export, error)
        if error.any_failed:
            raise ConcurrentUpdateError from error
        raise
    return export


def _run_daily(at: datetime) -> Export | None:
    """Exports the orders of the shop's previous day, once a day regardless of the time of the run."""
    day = clock.day_of(at)
    yesterday, today = (clock.start_of(moment) for moment in (day - timedelta(days=1), day))
    found = report_recipients.by_address(settings().daily_report_to)
    if strangers := len(settings().daily_report_to) - len(found):
        logger.warning(
            "no address in the setting daily_report_to belongs to an active manager or admin", strangers=strangers
        )
    export = _export(DAILY, "orders", today, (yesterday, today), sorted({user.id for user in found.values()}))

    def attempt() -> Export | None:
        try:
            with transaction() as write:
                write.save(export, condition=Export.pk.does_not_exist())
                write.save(_audit_entry(export))
        except TransactionError as error:
            if error.failed(export):
                return None
            raise
        return export

    return retrying(attempt)


def _export(
    schedule_id: str,
    report: str,
    at: datetime,
    time_range: tuple[datetime, datetime],
    user_ids: list[str],
    options: FileOptions | None = None,
) -> Export:
    """Returns the export of a run, which is not stored yet. Its id is the same for each attempt."""
    start, end = time_range
    if report == "sales":
        # The range has whole days, even if an earlier run ended at midnight of another time zone.
        first = max(clock.day_of(start), clock.day_of(end) - MAX_SALES_RANGE)
        start = clock.start_of(first)
    bounds = (None, None) if report == "inventory" else (clock.timestamp(start), clock.timestamp(end))
    return build_export(
        report,
        export_id=keyed_id(schedule_id, "run", clock.timestamp(at)),
        by=System(),
        filters=RequestedFilters(*bounds),
        options=options or FileOptions(),
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
