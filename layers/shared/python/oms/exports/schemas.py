"""What the routes of exports take and give."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, cast

from pydantic import ConfigDict, Field, StringConstraints

from oms.exports.models import Export, Schedule
from oms.orders.states import Status
from oms.schemas import EmailAddress, From, Request, Response, Span, To, any_of

Report = Literal["orders", "inventory", "sales"]
ExportStatus = Literal["queued", "running", "done", "failed", "cancelled"]
Failure = Literal["internal-error", "too-large", "out-of-time"]


class CreateExportRequest(Span, Request):
    report: Report
    from_: From | None = Field(None, alias="from", description="Orders and sales: from this day or time on")
    to: To | None = Field(None, description="Orders and sales: up to this day, or before this time")
    status: any_of(*Status) | None = Field(None, description="Orders: those that are one of these now")  # type: ignore[valid-type]
    gzip: bool = False


class ExportOrdersQuery(Span):
    from_: From | None = Field(None, alias="from")
    to: To | None = None
    status: any_of(*Status) | None = None  # type: ignore[valid-type]


class ExportFilters(Response):
    """What was asked for: from-inclusive, to-exclusive."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    from_: str | None = Field(alias="from")
    to: str | None
    status: list[Status] | None


class ReportReadyData(Response):
    """An export as events tell of it: as GET shows it, without a URL."""

    id: str
    report: Report
    status: ExportStatus
    filters: ExportFilters
    gzip: bool
    rows: int = Field(description="Lines of the file so far, without the head")
    progress: int = Field(description="Percent: of the span of time, so it may move unevenly")
    sha256: str | None = Field(description="Of the file, in hexadecimal digits")
    size: int | None = Field(description="Of the file, in bytes")
    failure: Failure | None
    created_at: str
    created_by: str
    finished_at: str | None

    @classmethod
    def of(cls, export: Export) -> Self:
        return cls(**_shown(export))


class ExportResponse(ReportReadyData):
    """`url` is there when the export is done and was asked for by itself; it is good until `url_expires_at`."""

    url: str | None
    url_expires_at: str | None

    @classmethod
    def of(cls, export: Export, url: str | None = None, url_expires_at: str | None = None) -> Self:
        return cls(**_shown(export), url=url, url_expires_at=url_expires_at)


class ExportPage(Response):
    items: list[ExportResponse]
    next_cursor: str | None


class CreateScheduleRequest(Request):
    report: Report
    schedule: Annotated[str, StringConstraints(min_length=1, max_length=256)] = Field(
        description="As EventBridge Scheduler has it, in UTC: rate(1 day), cron(30 6 * * ? *); hourly at most"
    )
    recipients: list[EmailAddress] = Field(
        min_length=1, max_length=20, description="E-mail addresses of active managers and admins"
    )


class ScheduleResponse(Response):
    id: str
    report: Report
    schedule: str
    recipients: list[str] = Field(description="Who of them is an active manager or admin then is mailed of a run")
    covered_until: str = Field(description="Until then the runs so far reach; the next one goes on from there")
    created_at: str
    created_by: str

    @classmethod
    def of(cls, schedule: Schedule, addresses: Mapping[str, str]) -> Self:
        """`addresses` by the ids of users."""
        return cls(
            id=schedule.id,
            report=cast(Report, schedule.report),
            schedule=schedule.expression,
            recipients=[addresses[str(it)] for it in schedule.recipients if str(it) in addresses],
            covered_until=schedule.covered_until,
            created_at=schedule.created_at,
            created_by=schedule.created_by,
        )


class SchedulePage(Response):
    items: list[ScheduleResponse]
    next_cursor: str | None


def _shown(export: Export) -> dict[str, Any]:
    statuses = [Status(str(it)) for it in export.statuses] if export.statuses else None
    return {
        "id": export.id,
        "report": export.report,
        "status": export.status,
        "filters": ExportFilters(from_=export.from_, to=export.to, status=statuses),
        "gzip": export.gzip,
        "rows": export.rows,
        "progress": export.progress,
        "sha256": export.sha256,
        "size": export.size,
        "failure": export.failure,
        "created_at": export.created_at,
        "created_by": export.created_by,
        "finished_at": export.finished_at,
    }
