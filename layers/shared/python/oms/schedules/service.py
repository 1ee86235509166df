"""Creates, lists and deletes schedules of exports. `scheduler_entries` then adjusts the entries in EventBridge."""

from dataclasses import dataclass
from datetime import datetime

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock
from oms.core.actors import Actor
from oms.core.dynamodb import get_item
from oms.core.errors import InvalidRequestError, NotFoundError, TooManySchedulesError
from oms.core.idempotency import IdempotentResult, RequestHash, check_same_request, keyed_id, run_idempotent
from oms.core.pages import KeyRange, Page, table_page
from oms.core.retries import ConcurrentUpdateError, retrying
from oms.core.transactions import TransactionError, transaction
from oms.exports import report_recipients
from oms.exports.building import FileOptions, hash_of
from oms.schedules import expressions
from oms.schedules.expressions import ExpressionError
from oms.schedules.models import SCHEDULES, Schedule, ScheduleCount, ScheduleKey
from oms.schedules.schemas import CreateScheduleRequest

MAX_SCHEDULES = 50


type Created = tuple[Schedule, dict[str, str]]
"""A schedule, and the e-mail addresses of its recipients by user id."""


@dataclass
class NewSchedule:
    """A request to create a schedule. `keyed_id` identifies its idempotency key, if it has one.

    `gone_id`: the schedule of an earlier request with this key, if that schedule was found to be gone.
    """

    request: CreateScheduleRequest
    by: Actor
    address: str
    at: datetime
    schedule_id: str
    keyed_id: str | None
    request_hash: RequestHash
    gone_id: str | None = None

    def stored_key(self) -> ScheduleKey | None:
        if self.keyed_id is None:
            return None
        place = ScheduleKey.key(self.keyed_id)
        return ScheduleKey(*place, schedule_id=self.schedule_id, request_hash=self.request_hash.stored)


def create(
    request: CreateScheduleRequest, *, by: Actor, address: str, key: str | None = None
) -> IdempotentResult[Created]:
    """Creates a schedule, once for each idempotency key.

    Raises InvalidRequestError, IdempotencyKeyReusedError (422), TooManySchedulesError, UnavailableError.
    """
    now = clock.now()
    new = NewSchedule(
        request,
        by,
        address,
        at=now,
        schedule_id=clock.timed_id(now),
        keyed_id=None if key is None else keyed_id(by.id, "POST /reports/schedules", key),
        request_hash=hash_of(request, request.report),
    )
    return run_idempotent(lambda: _try_to_create(new), find_previous=lambda: _find_previous(new), keyed=key is not None)


def _try_to_create(new: NewSchedule) -> IdempotentResult[Created]:
    schedule, addresses = _checked(new)
    counter, key = ScheduleCount(*ScheduleCount.key()), new.stored_key()
    try:
        with transaction() as writes:
            writes.save(_audit_entry("schedule.created", schedule, new.by, new.address))
            writes.save(schedule, condition=Schedule.pk.does_not_exist())
            if key:
                is_free = ScheduleKey.pk.does_not_exist()
                if new.gone_id:
                    is_free |= ScheduleKey.schedule_id == new.gone_id
                writes.save(key, condition=is_free, return_values="ALL_OLD")
            writes.update(counter, *counter.increment(MAX_SCHEDULES))
    except TransactionError as error:
        if error.failed(schedule):  # an earlier attempt stored it, but its response was lost
            return IdempotentResult((schedule, addresses), replayed=False)
        if key and error.failed(key):
            stored = ScheduleKey.from_raw_data(error.stored(key))
            previous = _replayed(stored, new)
            if previous is None:  # it was deleted meanwhile with the key, or a restore brought back only the key
                new.gone_id = stored.schedule_id
                raise ConcurrentUpdateError from error
            return previous
        if error.failed(counter):
            raise TooManySchedulesError(
                f"The limit of {MAX_SCHEDULES} schedules is reached. Delete one that is not needed."
            ) from error
        raise
    return IdempotentResult((schedule, addresses), replayed=False)


def _checked(new: NewSchedule) -> Created:
    """Returns the schedule, which is not stored yet. Raises InvalidRequestError."""
    request, at = new.request, clock.timestamp(new.at)
    try:
        expressions.parse(request.schedule, now=new.at)
    except ExpressionError as error:
        raise InvalidRequestError.at(str(error), pointer="#/schedule") from error
    options = FileOptions.of(request)
    options.check(request.report)
    addresses = _recipients(request)
    schedule = Schedule(
        *Schedule.key(new.schedule_id),
        id=new.schedule_id,
        report=request.report,
        expression=request.schedule,
        recipients=list(addresses),
        format=options.format,
        bom=options.bom,
        columns=list(options.columns) if options.columns else None,
        # Exports of sales have whole days, so the first run begins with the current day.
        covered_until=clock.timestamp(clock.start_of(clock.day_of(new.at))) if request.report == "sales" else at,
        created_at=at,
        created_by=new.by.id,
        keyed_id=new.keyed_id,
    )
    return schedule, addresses


def _find_previous(new: NewSchedule) -> IdempotentResult[Created] | None:
    if new.keyed_id is None:
        return _stored(new.schedule_id, new)
    key = get_item(ScheduleKey, ScheduleKey.key(new.keyed_id))
    return _replayed(key, new) if key else None


def _replayed(key: ScheduleKey, new: NewSchedule) -> IdempotentResult[Created] | None:
    """Returns the schedule of an earlier request, or None if it was deleted: its key is free again.

    Raises IdempotencyKeyReusedError if that request was different.
    """
    previous = _stored(key.schedule_id, new)
    if previous:
        check_same_request(key.request_hash, new.request_hash)
    return previous


def _stored(schedule_id: str, new: NewSchedule) -> IdempotentResult[Created] | None:
    schedule = get_item(Schedule, Schedule.key(schedule_id))
    if schedule is None:
        return None
    addresses = report_recipients.addresses_of({str(user_id) for user_id in schedule.recipients})
    return IdempotentResult((schedule, addresses), replayed=schedule.id != new.schedule_id)


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
                if schedule.keyed_id is not None:
                    writes.delete(ScheduleKey(*ScheduleKey.key(schedule.keyed_id)))
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
