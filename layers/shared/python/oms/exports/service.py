"""Creating, reading and cancelling exports. The worker starts when the stored item changes: see `events`."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, Self

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock
from oms.core.actors import Actor
from oms.core.dynamodb import (
    ConcurrentUpdateError,
    batch_get_raw,
    extend_deadline,
    get_item,
    retrying,
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
from oms.core.transactions import TransactionError, transaction
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
"""A URL that downloads the file, and the time at which it expires."""

# The same limits as the sales report has.
_DEFAULT_SALES_SPAN, MAX_SALES_SPAN = timedelta(days=30), timedelta(days=366)


class FileRequest(Protocol):
    """The file options of a request."""

    @property
    def format(self) -> str | None: ...
    @property
    def bom(self) -> bool | None: ...
    @property
    def columns(self) -> Sequence[str] | None: ...


@dataclass(frozen=True)
class FileOptions:
    """The format and the columns of an export's file. None stands for the default."""

    gzip: bool = False
    format: str | None = None
    bom: bool | None = None
    columns: Sequence[str] | None = None

    @classmethod
    def of(cls, request: FileRequest) -> Self:
        """Only `CreateExportRequest` can ask for compression."""
        gzip = request.gzip if isinstance(request, CreateExportRequest) else False
        return cls(gzip, request.format, request.bom, request.columns)

    def check(self, report: str, *, where: str = "pointer", named: str = "#/{}") -> None:
        """Raises InvalidRequestError for options that exclude each other, with their place in the request."""
        wrong: dict[str, str] = {}
        if self.format == XLSX:
            detail = "cannot be combined with xlsx: {}"
            wrong |= {"gzip": detail.format("a workbook is compressed already")} if self.gzip else {}
            wrong |= {"bom": detail.format("a workbook needs no byte-order mark")} if self.bom else {}
        known = COLUMNS[report].all
        if unknown := [it for it in self.columns or () if it not in known]:
            others = (
                f"has {', '.join(unknown)}, which the report {report} does not have. Its columns are {', '.join(known)}"
            )
            wrong["columns"] = others
        if wrong:
            raise InvalidRequestError([{where: named.format(it), "detail": detail} for it, detail in wrong.items()])


_DEFAULT_FILE = FileOptions()


# ---- creating -------------------------------------------------------------------------------------------------------


def create_export(
    request: CreateExportRequest, *, by: Actor, address: str, key: str | None = None
) -> IdempotentResult[Export]:
    """Creates an export, once for each idempotency key.

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
        options=FileOptions.of(request),
        asked=fingerprint.stored,
    )
    entry = _audit_entry("export.requested", export, by, address)

    def attempt() -> IdempotentResult[Export]:
        try:
            with transaction() as write:
                write.save(export, condition=Export.pk.does_not_exist(), return_values="ALL_OLD")
                write.save(entry)
                unfinished.reserve_slot(write, export)
        except TransactionError as error:
            if error.failed(export):
                return replay(Export.from_raw_data(error.stored(export)))
            _free_slots(export, error)
            raise
        return IdempotentResult(export, replayed=False)

    def replay(stored: Export) -> IdempotentResult[Export]:
        if stored.created_by != by.id:
            # Impossible, since ids are hashes of the user's id; but never show another user's export.
            raise OmsError("The export could not be stored.")
        check_same_request(stored.request_hash, fingerprint)
        return IdempotentResult(stored, replayed=key is not None)

    def find_previous() -> IdempotentResult[Export] | None:
        stored = get_item(Export, Export.key(export.id))
        return replay(stored) if stored else None

    return run_idempotent(attempt, find_previous=find_previous, keyed=key is not None)


def share_export(query: ExportOrdersQuery, *, by: Actor, address: str) -> Export:
    """Creates an export of orders, or returns the one of the same user and filters from within the last minute.

    A failed or cancelled export is not shared. Raises TooManyExportsError (409), UnavailableError.
    """
    fingerprint, options = _fingerprint(query, "orders"), FileOptions.of(query)
    options.check("orders", where="parameter", named="{}")
    export = build_export(
        "orders",
        export_id=clock.random_id(),
        by=by,
        from_=query.from_,
        to=query.to,
        statuses=query.status,
        options=options,
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
        except TransactionError as error:
            if not error.failed(recent):
                _free_slots(export, error)
                raise
            other = RecentExport.from_raw_data(error.stored(recent)).export_id
            found = get_item(Export, Export.key(other))
            if found is None or found.status in (FAILED, CANCELLED):
                free |= RecentExport.export_id == other
                raise ConcurrentUpdateError from error
            return found  # this request's own, if the response to an earlier attempt was lost
        return export

    return retrying(attempt)


def _fingerprint(request: CreateExportRequest | ExportOrdersQuery, report: str) -> RequestHash:
    implied = {"format": CSV, "bom": False, "columns": COLUMNS[report].chosen(None)}
    return request_hash(request, implied=implied, unordered=["status"])


def _free_slots(export: Export, error: TransactionError) -> None:
    """Raises ConcurrentUpdateError if the owner's list was full and has free slots now, else TooManyExportsError."""
    unfinished.free_slots_if_full(export, error)
    if error.any_failed:
        raise ConcurrentUpdateError from error


def build_export(
    report: str,
    *,
    export_id: str,
    by: Actor,
    from_: str | None = None,
    to: str | None = None,
    statuses: Sequence[str] | None = None,
    options: FileOptions = _DEFAULT_FILE,
    asked: str = "",
    schedule_id: str | None = None,
    recipients: Sequence[str] = (),
) -> Export:
    """An export that is not stored yet. Raises InvalidRequestError for filters that the report does not support."""
    now = clock.now()
    if report == "sales":
        from_, to = _sales_span(from_, to, now)
    at = clock.timestamp(now)
    given = {"from": from_, "to": to, "status": statuses}
    useless = {"inventory": tuple(given), "sales": ("status",)}.get(report, ())
    wrong = [name for name in useless if given[name] is not None]
    if wrong:
        raise InvalidRequestError(
            [{"pointer": f"#/{it}", "detail": f"is not supported by an export of {report}"} for it in wrong]
        )
    options.check(report)
    return Export(
        *Export.key(export_id),
        id=export_id,
        report=report,
        status=QUEUED,
        from_=from_,
        to=to,
        statuses=sorted(statuses) if statuses else None,
        gzip=options.gzip,
        format=options.format,
        bom=options.bom,
        columns=list(options.columns) if options.columns else None,
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
    """The time range of an export of sales: whole days of the shop, by default the last 30."""
    end = clock.instant(to) if to else clock.start_of(clock.day_of(now) + timedelta(days=1))
    start = clock.instant(from_) if from_ else clock.start_of(clock.day_of(end) - _DEFAULT_SALES_SPAN)
    errors = [
        {"pointer": f"#/{name}", "detail": "must be a date, since sales are counted by day"}
        for name, bound in (("from", start), ("to", end))
        if bound != clock.start_of(clock.day_of(bound))
    ]
    if not errors and clock.day_of(end) - clock.day_of(start) > MAX_SALES_SPAN:
        errors = [{"pointer": "#/from", "detail": f"must be at most {MAX_SALES_SPAN.days} days before to"}]
    if errors:
        raise InvalidRequestError(errors)
    return clock.timestamp(start), clock.timestamp(end)


# ---- reading --------------------------------------------------------------------------------------------------------


def get(export_id: str) -> Export:
    """Raises NotFoundError, also for an expired export that DynamoDB has not removed yet."""
    export = get_item(Export, Export.key(export_id))
    if export is None or _is_expired(export):
        raise NotFoundError("Export not found.")
    return export


def list_exports(*, limit: int, after: str | None) -> Page[Export]:
    """Newest first, without their parts, by one Query and one BatchGetItem."""
    page = merged_page(LISTED, [EXPORTS], KeyRange(limit, descending=True, after=after))
    found = batch_get_raw(Export, [(entry["pk"], entry["sk"]) for entry in page.items], only=_LISTED_ATTRIBUTES)
    raws = [(place, found.get((entry["pk"], entry["sk"]))) for place, entry in page.placed]
    exports = [(place, Export.from_raw_data(raw)) for place, raw in raws if raw is not None]
    return Page([(place, it) for place, it in exports if not _is_expired(it)], page.position)


# A file can have 2,000 parts.
_LISTED_ATTRIBUTES = [str(it.attr_name) for it in Export.get_attributes().values() if it is not Export.parts]


def _is_expired(export: Export) -> bool:
    """DynamoDB removes expired items days later."""
    return export.expires_at <= clock.now().timestamp()


def share_and_wait(
    query: ExportOrdersQuery,
    *,
    by: Actor,
    address: str,
) -> tuple[Export, Link]:
    """`share_export`, then waits up to 20 seconds for its end. Returns the export as it is then, with its link."""
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
    """The URL of a finished export's file, with its expiry. The audit log records the user who gets one."""
    if export.status != DONE:
        return None, None
    audit_log.record(_audit_entry("export.downloaded", export, by, address))
    until = clock.now() + files.LINK_VALIDITY
    return files.signed_url(export), clock.timestamp(until)


# ---- cancelling -----------------------------------------------------------------------------------------------------


def cancel(export_id: str, *, by: Actor, address: str, expected_version: ExpectedVersion = ANY_VERSION) -> None:
    """Cancels an export; the worker then deletes its file. Idempotent.

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
        except TransactionError as error:
            if not error.failed(export):
                raise
            if not (stored := error.stored(export)):
                raise NotFoundError("Export not found.") from error
            export = Export.from_raw_data(stored)
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
