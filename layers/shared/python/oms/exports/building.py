"""Builds exports that are not stored yet, from the file options and filters of a request, and checks them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, Self

from oms.core import clock
from oms.core.actors import Actor
from oms.core.errors import InvalidRequestError
from oms.core.idempotency import RequestHash, request_hash
from oms.exports.columns import COLUMNS
from oms.exports.formats import CSV, XLSX
from oms.exports.models import EXPORTS, QUEUED, Export
from oms.exports.schemas import CreateExportRequest, ExportOrdersQuery

if TYPE_CHECKING:
    from pydantic import BaseModel

RETENTION = timedelta(days=30)
# The limits of the sales report.
_DEFAULT_SALES_RANGE, MAX_SALES_RANGE = timedelta(days=30), timedelta(days=366)


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
    """The format and the columns of an export's file. None means the default."""

    gzip: bool = False
    format: str | None = None
    bom: bool | None = None
    columns: Sequence[str] | None = None

    @classmethod
    def of(cls, request: FileRequest) -> Self:
        """Returns the options of a request. Only `CreateExportRequest` has an option for compression."""
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
        if unknown := [name for name in self.columns or () if name not in known]:
            others = (
                f"has {', '.join(unknown)}, which the report {report} does not have. Its columns are {', '.join(known)}"
            )
            wrong["columns"] = others
        if wrong:
            raise InvalidRequestError([{where: named.format(name), "detail": detail} for name, detail in wrong.items()])


@dataclass(frozen=True)
class RequestedFilters:
    """The time range and the statuses of the orders in an export. None means no limit."""

    from_: str | None = None
    to: str | None = None
    statuses: Sequence[str] | None = None

    @classmethod
    def of(cls, request: CreateExportRequest | ExportOrdersQuery) -> Self:
        return cls(request.from_, request.to, request.status)

    def check(self, report: str) -> None:
        """Raises InvalidRequestError for filters that the report does not support."""
        given = {"from": self.from_, "to": self.to, "status": self.statuses}
        unsupported = {"inventory": tuple(given), "sales": ("status",)}.get(report, ())
        wrong = [name for name in unsupported if given[name] is not None]
        if wrong:
            raise InvalidRequestError(
                [{"pointer": f"#/{name}", "detail": f"is not supported by an export of {report}"} for name in wrong]
            )

    @property
    def stored(self) -> dict[str, Any]:
        """The attributes of an export in which the filters are stored."""
        return {"from_": self.from_, "to": self.to, "statuses": sorted(self.statuses) if self.statuses else None}


_DEFAULT_FILE = FileOptions()
# The state of an export before a worker has claimed it.
_NEW: dict[str, Any] = {"status": QUEUED, "version": 1, "run": 0, "rows": 0, "progress": 0, "ended": False}


def hash_of(request: "BaseModel", report: str) -> RequestHash:
    """Returns the hash by which a request for an export, or for a schedule, is compared with an earlier one."""
    implied = {"format": CSV, "bom": False, "columns": COLUMNS[report].chosen(None)}
    return request_hash(request, implied=implied, unordered=["status"])


def build_export(
    report: str,
    *,
    export_id: str,
    by: Actor,
    filters: RequestedFilters,
    options: FileOptions = _DEFAULT_FILE,
    stored_hash: str = "",
    schedule_id: str | None = None,
    recipients: Sequence[str] = (),
) -> Export:
    """Returns an export, which is not stored yet. Raises InvalidRequestError if the report does not support it."""
    now = clock.now()
    if report == "sales":
        filters = _whole_days(filters, now)
    filters.check(report)
    options.check(report)
    at = clock.timestamp(now)
    return Export(
        *Export.key(export_id),
        id=export_id,
        report=report,
        **(_NEW | filters.stored),
        gzip=options.gzip,
        format=options.format,
        bom=options.bom,
        columns=COLUMNS[report].chosen(options.columns),
        created_at=at,
        created_by=by.id,
        created_by_role=by.role,
        request_hash=stored_hash,
        parts=[],
        schedule_id=schedule_id,
        recipients=list(recipients) or None,
        listing=EXPORTS,
        created_key=f"{at}#{export_id}",
        expires_at=int((now + RETENTION).timestamp()),
    )


def _whole_days(filters: RequestedFilters, now: datetime) -> RequestedFilters:
    """Returns the filters of an export of sales: a time range of whole days of the shop, by default the last 30."""
    end = clock.instant(filters.to) if filters.to else clock.start_of(clock.day_of(now) + timedelta(days=1))
    default_start = clock.start_of(clock.day_of(end) - _DEFAULT_SALES_RANGE)
    start = clock.instant(filters.from_) if filters.from_ else default_start
    errors = [
        {"pointer": f"#/{name}", "detail": "must be a date, since sales are counted by day"}
        for name, bound in (("from", start), ("to", end))
        if bound != clock.start_of(clock.day_of(bound))
    ]
    if not errors and clock.day_of(end) - clock.day_of(start) > MAX_SALES_RANGE:
        errors = [{"pointer": "#/from", "detail": f"must be at most {MAX_SALES_RANGE.days} days before to"}]
    if errors:
        raise InvalidRequestError(errors)
    return replace(filters, from_=clock.timestamp(start), to=clock.timestamp(end))
