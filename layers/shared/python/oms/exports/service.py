"""Exports: asked for, looked at, cancelled. The work is done elsewhere, and begins with the item: see `events`."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, Self

from pynamodb.exceptions import CancellationReason, TransactWriteError

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock
from oms.core.actors import Actor
from oms.core.dynamodb import (
    ConcurrentUpdateError,
    batch_get_raw,
    extend_deadline,
    failed,
    get_item,
    retrying,
    transaction,
)
from oms.core.errors import ExportFinishedError, InvalidRequestError, NotFoundError, OmsError, UnavailableError
from oms.core.idempotency import (
    IdempotentResult,
    RequestHash,
    check_same_request,
    keyed_id,
    request_hash,
    run_idempotent,
)
from oms.core.pages import KeyRange, Page, merged_page
from oms.core.versions import ANY_VERSION, ExpectedVersion
from oms.exports import files, unfinished
from oms.exports.columns import COLUMNS
from oms.exports.formats import CSV, XLSX
from oms.exports.models import CANCELLED, DONE, EXPORTS, FAILED, LISTED, QUEUED, UNFINISHED, Export, RecentExport
from oms.exports.schemas import CreateExportRequest, ExportOrdersQuery

RETENTION = timedelta(days=30)
SHARING_TIME = timedelta(seconds=60)
WAIT_SECONDS = 20.0
# A request's calls begin within 13 s. While it waits they begin within 22 s of its start, so the last one ends,
# unanswered, after 28.
_MORE_PATIENCE = 9.0

type Link = tuple[str, str] | tuple[None, None]
"""A URL that fetches a file, and until when it does."""

# As of the report over the same days.
_DEFAULT_SALES_SPAN, MAX_SALES_SPAN = timedelta(days=30), timedelta(days=366)


class FileRequest(Protocol):
    """What a request says of the file that it wants."""

    @property
    def format(self) -> str | None: ...
    @property
    def bom(self) -> bool | None: ...
    @property
    def columns(self) -> Sequence[str] | None: ...


@dataclass(frozen=True)
class FileOptions:
    """How the file of an export is to be: its format, and which columns it has; None stands for the default."""

    gzip: bool = False
    format: str | None = None
    bom: bool | None = None
    columns: Sequence[str] | None = None

    @classmethod
    def of(cls, request: FileRequest) -> Self:
        """Exports of GET and of schedules are not compressed."""
        gzip = request.gzip if isinstance(request, CreateExportRequest) else False
        return cls(gzip, request.format, request.bom, request.columns)

    def check(self, report: str, *, where: str = "pointer", named: str = "#/{}") -> None:
        """Raises InvalidRequestError for what does not go together, at its place in the request."""
        wrong: dict[str, str] = {}
        if self.format == XLSX:
            detail = "does not go with xlsx: {}"
            wrong |= {"gzip": detail.format("it is compressed already")} if self.gzip else {}
            wrong |= {"bom": detail.format("it has its own encoding")} if self.bom else {}
        known = COLUMNS[report].all
        if unknown := [it for it in self.columns or () if it not in known]:
            others = f"has {', '.join(unknown)}, which {report} do not have. Their columns are {', '.join(known)}"
            wrong["columns"] = others
        if wrong:
            raise InvalidRequestError([{where: named.format(it), "detail": detail} for it, detail in wrong.items()])


_DEFAULT_FILE = FileOptions()


# ---- asking ---------------------------------------------------------------------------------------------------------


def create_export(
    request: CreateExportRequest, *, by: Actor, address: str, key: str | None = None
) -> IdempotentResult[Export]:
    """Stores the wish for an export, once for each key.

    Raises InvalidRequestError, IdempotencyKeyReusedError (422), TooManyExportsError (409), UnavailableError.
    """
    fingerprint = _fingerprint(request, request.report)
    export = build_export(
        request.report,
        export_id=keyed_id(by.id, "POST /reports/exports", key),
        by=by,
        from_=request.from_,
        to=request.to,
        statuses=request.status,
        shape=FileOptions.of(request),
        asked=fingerprint.stored,
    )
    entry = _audit_entry("export.requested", export, by, address)

    def attempt() -> IdempotentResult[Export]:
        try:
            with transaction() as write:
                write.save(export, condition=Export.pk.does_not_exist(), return_values="ALL_OLD")
                write.save(entry)
                unfinished.reserve_slot(write, export)
        except TransactWriteError as error:
            own, _, room = error.cancellation_reasons or [None] * 3
            if not failed(own):
                _try_again_with_room(export, room, error)
                raise
            return replay(Export.from_raw_data(own.raw_item or {}))
        return IdempotentResult(export, replayed=False)

    def replay(stored: Export) -> IdempotentResult[Export]:
        if stored.created_by != by.id:
            # Ids are hashes over the user's id: this cannot be, and what it would show is somebody else's.
            raise OmsError("The export could not be stored.")
        check_same_request(stored.request_hash, fingerprint)
        return IdempotentResult(stored, replayed=key is not None)

    def find_previous() -> IdempotentResult[Export] | None:
        stored = get_item(Export, Export.key(export.id))
        return replay(stored) if stored else None

    return run_idempotent(attempt, find_previous=find_previous, keyed=key is not None)


def share_export(query: ExportOrdersQuery, *, by: Actor, address: str) -> Export:
    """An export of orders: the one that the same user has asked for within a minute, in whatever words, or a new one.

    One that has failed or was cancelled is not shared. Raises TooManyExportsError (409), UnavailableError.
    """
    fingerprint, shape = _fingerprint(query, "orders"), FileOptions.of(query)
    shape.check("orders", where="parameter", named="{}")
    export = build_export(
        "orders",
        export_id=clock.random_id(),
        by=by,
        from_=query.from_,
        to=query.to,
        statuses=query.status,
        shape=shape,
        asked=fingerprint.stored,
    )
    digest = hashlib.sha256(json.dumps([by.id, fingerprint.sparse]).encode()).hexdigest()
    recent = RecentExport(
        *RecentExport.key(digest), export_id=export.id, at=export.created_at, expires_at=export.expires_at
    )
    entry = _audit_entry("export.requested", export, by, address)
    long_ago = clock.timestamp(clock.instant(export.created_at) - SHARING_TIME)
    free = RecentExport.pk.does_not_exist() | (RecentExport.at < long_ago)

    def attempt() -> Export:
        nonlocal free
        try:
            with transaction() as write:
                write.save(recent, condition=free, return_values="ALL_OLD")
                write.save(export, condition=Export.pk.does_not_exist())
                write.save(entry)
                unfinished.reserve_slot(write, export)
        except TransactWriteError as error:
            own, _, _, room = error.cancellation_reasons or [None] * 4
            if not failed(own):
                _try_again_with_room(export, room, error)
                raise
            other = RecentExport.from_raw_data(own.raw_item or {}).export_id
            found = get_item(Export, Export.key(other))
            if found is None or found.status in (FAILED, CANCELLED):
                free |= RecentExport.export_id == other
                raise ConcurrentUpdateError from error
            return found  # it is ours when an earlier attempt's answer was lost
        return export

    return retrying(attempt)


def _fingerprint(request: CreateExportRequest | ExportOrdersQuery, report: str) -> RequestHash:
    implied = {"format": CSV, "bom": False, "columns": COLUMNS[report].chosen(None)}
    return request_hash(request, implied=implied, unordered=["status"])


def _try_again_with_room(export: Export, room: CancellationReason | None, cause: Exception) -> None:
    """Raises ConcurrentUpdateError where only room was missing and could be made, else TooManyExportsError."""
    if failed(room):
        unfinished.free_slots(export, room.raw_item)
        raise ConcurrentUpdateError from cause


def build_export(
    report: str,
    *,
    export_id: str,
    by: Actor,
    from_: str | None = None,
    to: str | None = None,
    statuses: Sequence[str] | None = None,
    shape: FileOptions = _DEFAULT_FILE,
    asked: str = "",
    schedule_id: str | None = None,
    recipients: Sequence[str] = (),
) -> Export:
    """An export that is not stored yet. Raises InvalidRequestError for filters that the report does not take."""
    now = clock.now()
    if report == "sales":
        from_, to = _sales_span(from_, to, now)
    at = clock.timestamp(now)
    given = {"from": from_, "to": to, "status": statuses}
    useless = {"inventory": tuple(given), "sales": ("status",)}.get(report, ())
    wrong = [name for name in useless if given[name] is not None]
    if wrong:
        raise InvalidRequestError(
            [{"pointer": f"#/{it}", "detail": f"does not go with an export of {report}"} for it in wrong]
        )
    shape.check(report)
    return Export(
        *Export.key(export_id),
        id=export_id,
        report=report,
        status=QUEUED,
        from_=from_,
        to=to,
        statuses=sorted(statuses) if statuses else None,
        gzip=shape.gzip,
        format=shape.format,
        bom=shape.bom,
        columns=list(shape.columns) if shape.columns else None,
        created_at=at,
        created_by=by.id,
        created_by_role=by.role,
        request_hash=asked,
        version=1,
        run=0,
        parts=[],
        ended=False,
        rows=0,
        progress=0,
        schedule_id=schedule_id,
        recipients=list(recipients) or None,
        listing=EXPORTS,
        created_key=f"{at}#{export_id}",
        expires_at=int((now + RETENTION).timestamp()),
    )


def _sales_span(from_: str | None, to: str | None, now: datetime) -> tuple[str, str]:
    """The whole days of an export of sales, in the shop's time zone: by default the last thirty."""
    end = clock.instant(to) if to else clock.start_of(clock.day_of(now) + timedelta(days=1))
    start = clock.instant(from_) if from_ else clock.start_of(clock.day_of(end) - _DEFAULT_SALES_SPAN)
    errors = [
        {"pointer": f"#/{name}", "detail": "must be a date: sales are by the day"}
        for name, bound in (("from", start), ("to", end))
        if bound != clock.start_of(clock.day_of(bound))
    ]
    if not errors and clock.day_of(end) - clock.day_of(start) > MAX_SALES_SPAN:
        errors = [{"pointer": "#/from", "detail": f"must be at most {MAX_SALES_SPAN.days} days before to"}]
    if errors:
        raise InvalidRequestError(errors)
    return clock.timestamp(start), clock.timestamp(end)


# ---- looking --------------------------------------------------------------------------------------------------------


def get(export_id: str) -> Export:
    """Raises NotFoundError, also for what is only waiting to be taken away."""
    export = get_item(Export, Export.key(export_id))
    if export is None or _is_expired(export):
        raise NotFoundError("There is no such export.")
    return export


def list_exports(*, limit: int, after: str | None) -> Page[Export]:
    """The newest first, without their parts: one Query and one BatchGet."""
    page = merged_page(LISTED, [EXPORTS], KeyRange(limit, descending=True, after=after))
    found = batch_get_raw(Export, [(entry["pk"], entry["sk"]) for entry in page.items], only=_LISTED_ATTRIBUTES)
    raws = [(place, found.get((entry["pk"], entry["sk"]))) for place, entry in page.placed]
    exports = [(place, Export.from_raw_data(raw)) for place, raw in raws if raw is not None]
    return Page([(place, it) for place, it in exports if not _is_expired(it)], page.position)


# A file can have 2,000 parts.
_LISTED_ATTRIBUTES = [str(it.attr_name) for it in Export.get_attributes().values() if it is not Export.parts]


def _is_expired(export: Export) -> bool:
    """DynamoDB takes days to remove what has expired."""
    return export.expires_at <= clock.now().timestamp()


def share_and_wait(
    query: ExportOrdersQuery,
    *,
    by: Actor,
    address: str,
) -> tuple[Export, Link]:
    """As `share_export`: the export when it is finished, or as it is after 20 seconds, with its link."""
    until, pause = clock.monotonic() + WAIT_SECONDS, 0.2
    export = share_export(query, by=by, address=address)
    with extend_deadline(_MORE_PATIENCE):
        with suppress(UnavailableError):
            while export.status in UNFINISHED and clock.monotonic() + pause < until:
                clock.sleep(pause)
                pause = min(1.0, pause * 1.5)
                # It is seconds old, so it has not expired.
                export = get_item(Export, Export.key(export.id)) or export
        return export, link(export, by=by, address=address)


def link(export: Export, *, by: Actor, address: str) -> Link:
    """A URL that fetches the file, and until when; not before it is done. Who got one stands in the audit log."""
    if export.status != DONE:
        return None, None
    audit_log.record(_audit_entry("export.downloaded", export, by, address))
    until = clock.now() + files.LINK_VALIDITY
    return files.signed_url(export), clock.timestamp(until)


# ---- cancelling -----------------------------------------------------------------------------------------------------


def cancel(export_id: str, *, by: Actor, address: str, expected_version: ExpectedVersion = ANY_VERSION) -> None:
    """Nothing more is written, and what was is deleted. An export that is cancelled already stays so.

    Raises NotFoundError, StaleVersionError (412), ExportFinishedError (409), UnavailableError.
    """
    export = get(export_id)
    entry = _audit_entry("export.cancelled", export, by, address)
    expected_version.check(export.version)

    def attempt() -> None:
        nonlocal export
        try:
            with transaction() as write:
                write.update(
                    export,
                    [
                        Export.status.set(CANCELLED),
                        Export.finished_at.set(clock.timestamp(clock.now())),
                        Export.version.add(1),
                    ],
                    Export.status.is_in(*UNFINISHED) & (Export.version == export.version),
                    return_values="ALL_OLD",
                )
                write.save(entry)
        except TransactWriteError as error:
            # Operations go as puts, then updates.
            _, own, *_ = error.cancellation_reasons or [None, None]
            if not failed(own):
                raise
            if not own.raw_item:
                raise NotFoundError("There is no such export.") from error
            export = Export.from_raw_data(own.raw_item)
            if export.status == CANCELLED:
                return
            expected_version.check(export.version)
            if export.status not in UNFINISHED:
                raise ExportFinishedError(f"The export is {export.status}.") from error
            raise ConcurrentUpdateError from error  # it has moved on since it was read

    if export.status != CANCELLED:
        retrying(attempt)


def _audit_entry(action: str, export: Export, by: Actor, address: str) -> AuditEntry:
    return audit_log.entry(
        action,
        actor_id=by.id,
        actor_role=by.role,
        address=address,
        target=f"export#{export.id}",
        details={"report": export.report},
    )
