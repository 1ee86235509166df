"""Requests and responses of the routes of schedules."""

from collections.abc import Mapping
from typing import Annotated, Self, cast

from pydantic import Field, StringConstraints

from oms.core.schemas import EmailAddress, NextCursor, Request, Response, Timestamp
from oms.exports.columns import COLUMNS
from oms.exports.schemas import (
    BOM_TEXT,
    COLUMNS_EXAMPLES,
    COLUMNS_TEXT,
    FORMAT_TEXT,
    TEXT_TOO,
    ColumnNamesOrText,
    ExportReport,
    Format,
)
from oms.schedules.models import Schedule


class CreateScheduleRequest(Request):
    """A schedule to create."""

    report: ExportReport = Field(description="The report to export.", examples=["sales"])
    schedule: Annotated[str, StringConstraints(min_length=1, max_length=256)] = Field(
        description="When the exports are made, in UTC: `rate(1 day)` or `cron(30 6 * * ? *)` as in EventBridge "
        "Scheduler, at most once an hour.",
        examples=["rate(1 day)"],
    )
    recipients: list[EmailAddress] = Field(
        min_length=1,
        max_length=20,
        description="The e-mail addresses of managers and admins. They get a mail when an export is ready.",
        examples=[["manager@demo.example"]],
    )
    format: Format | None = Field(None, description=FORMAT_TEXT, examples=["xlsx"])
    bom: bool | None = Field(None, description=BOM_TEXT, examples=[False])
    columns: ColumnNamesOrText | None = Field(None, description=f"{COLUMNS_TEXT} {TEXT_TOO}", examples=COLUMNS_EXAMPLES)


class ScheduleResponse(Response):
    """A schedule of exports."""

    id: str = Field(description="The id of the schedule.", examples=["0C8Z4V6T2R9QKX1M5N7P"])
    report: ExportReport = Field(description="The exported report.")
    schedule: str = Field(
        description="When the exports are made: a `rate` or `cron` expression, in UTC.", examples=["rate(1 day)"]
    )
    recipients: list[str] = Field(
        description="The recipients. They get a mail when an export is ready, if they are active managers or admins "
        "then.",
        examples=[["manager@demo.example"]],
    )
    format: Format = Field(description="The format of the files.")
    bom: bool = Field(description="Whether a CSV begins with a byte-order mark.", examples=[False])
    columns: list[str] = Field(description="The columns of the files.", examples=[["order_number", "sku", "quantity"]])
    covered_until: Timestamp = Field(description="The end of the latest export. The next one continues from there.")
    created_at: Timestamp = Field(description="When the schedule was created.")
    created_by: str = Field(
        description="The id of the user or the service key that created it.", examples=["YVT65M7QNAW9TXAQ7PHA"]
    )

    @classmethod
    def of(cls, schedule: Schedule, addresses: Mapping[str, str]) -> Self:
        """Returns the response. `addresses` has e-mail addresses by user id."""
        return cls(
            id=schedule.id,
            report=cast(ExportReport, schedule.report),
            schedule=schedule.expression,
            recipients=[addresses[str(user_id)] for user_id in schedule.recipients if str(user_id) in addresses],
            format=cast(Format, schedule.format or "csv"),
            bom=bool(schedule.bom),
            columns=COLUMNS[schedule.report].chosen(schedule.columns),
            covered_until=schedule.covered_until,
            created_at=schedule.created_at,
            created_by=schedule.created_by,
        )


class SchedulePage(Response):
    """A page of schedules."""

    items: list[ScheduleResponse] = Field(description="The schedules of this page.")
    next_cursor: NextCursor
