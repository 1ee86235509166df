"""Requests and responses of the routes of exports."""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field

from oms.core.schemas import (
    BEFORE,
    SINCE,
    From,
    NextCursor,
    OneOf,
    Request,
    Response,
    TimeRange,
    Timestamp,
    To,
    ValueList,
)
from oms.exports.columns import COLUMNS
from oms.exports.models import Export
from oms.orders.filters import OrderFilters, OrderStatusesOrText
from oms.orders.states import OrderStatus

type ExportReport = Annotated[
    Literal["orders", "inventory", "sales"],
    Field(description="The report of an export: order lines, products with their stock, or daily sales."),
]
type ExportStatus = Annotated[
    Literal["queued", "running", "done", "failed", "cancelled"], Field(description="The status of an export.")
]
type ExportFailure = Annotated[
    Literal["internal-error", "too-large", "out-of-time"], Field(description="The reason that an export failed.")
]


_COLUMNS = tuple(dict.fromkeys(name for columns in COLUMNS.values() for name in columns.all))
type ExportColumn = Annotated[
    str, OneOf(_COLUMNS), Field(description="A column of a file. Each report has some of them: see docs/exports.md.")
]
ColumnNames = Annotated[tuple[ExportColumn, ...], ValueList(each_once=True)]
ColumnNamesOrText = Annotated[tuple[ExportColumn, ...], ValueList(_COLUMNS, each_once=True)]
"""Column names in a request body: an array, or one text with commas."""
type Format = Annotated[
    Literal["csv", "xlsx"], Field(description="The format of a file: CSV, or a workbook with typed cells.")
]
FORMAT_TEXT = "The format of the file: `csv`, the default, or `xlsx`, a workbook with typed cells."
BOM_TEXT = "Whether a CSV begins with a byte-order mark, which Excel needs to read UTF-8. By default it does not."
COLUMNS_TEXT = (
    "The columns of the file, in this order, each once. The default depends on the report. Orders have further columns "
    "for fulfilment: e-mail, shipping address, note, carrier and tracking."
)
COLUMNS_EXAMPLES = [["order_number", "sku", "quantity"]]
TEXT_TOO = "A text with values separated by commas is accepted too."


class CreateExportRequest(TimeRange, Request):
    """An export to create."""

    report: ExportReport = Field(
        description="The report to export: order lines, products with their stock, or daily sales.", examples=["orders"]
    )
    from_: From | None = Field(None, alias="from", description=f"For orders and sales: created {SINCE}")
    to: To | None = Field(None, description=f"For orders and sales: created {BEFORE}")
    status: OrderStatusesOrText | None = Field(
        None,
        description=f"For orders: only those with one of these statuses now. {TEXT_TOO}",
        examples=[["confirmed", "shipped"]],
    )
    gzip: bool = Field(
        False, description="Whether to compress the CSV file with gzip. Default: `false`.", examples=[False]
    )
    format: Format | None = Field(None, description=FORMAT_TEXT, examples=["xlsx"])
    bom: bool | None = Field(None, description=BOM_TEXT, examples=[False])
    columns: ColumnNamesOrText | None = Field(None, description=f"{COLUMNS_TEXT} {TEXT_TOO}", examples=COLUMNS_EXAMPLES)


class ExportOrdersQuery(OrderFilters):
    format: Format | None = Field(None, description=FORMAT_TEXT, examples=["xlsx"])
    bom: bool | None = Field(None, description=BOM_TEXT, examples=[False])
    columns: ColumnNames | None = Field(None, description=COLUMNS_TEXT, examples=COLUMNS_EXAMPLES)


class ExportFilters(Response):
    """The filters of an export."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    from_: Timestamp | None = Field(
        alias="from", description="Created at this time or later; null: from the beginning."
    )
    to: Timestamp | None = Field(description="Created before this time.")
    status: list[OrderStatus] | None = Field(description="Only orders with one of these statuses; null: any status.")


class ReportReadyData(Response):
    """An export, without a URL."""

    id: str = Field(description="The id of the export.", examples=["0C8Z4V6T2R9QKX1M5N7P"])
    report: ExportReport = Field(description="The exported report.")
    status: ExportStatus = Field(description="The status of the export.")
    filters: ExportFilters = Field(description="The filters of the export.")
    format: Format = Field(description="The format of the file.")
    gzip: bool = Field(description="Whether the file is compressed.", examples=[False])
    bom: bool = Field(description="Whether a CSV begins with a byte-order mark.", examples=[False])
    columns: list[str] = Field(description="The columns of the file.", examples=[["order_number", "sku", "quantity"]])
    rows: int = Field(description="Rows of the file so far, without the header.", examples=[43])
    progress: int = Field(
        description="Percent done, measured by the time range, so it may increase unevenly.", examples=[100]
    )
    sha256: str | None = Field(
        description="The file's SHA-256 in hexadecimal digits; null until the export is done.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    size: int | None = Field(description="The file's size in bytes; null until the export is done.", examples=[6321])
    failure: ExportFailure | None = Field(description="The reason that it failed; null if it did not.")
    created_at: Timestamp = Field(description="When the export was created.")
    created_by: str = Field(
        description="The id of the user or the service key that created it.", examples=["YVT65M7QNAW9TXAQ7PHA"]
    )
    finished_at: Timestamp | None = Field(description="When the export was done, failed or was cancelled.")

    @classmethod
    def of(cls, export: Export) -> Self:
        return cls(**_fields(export))


class ExportResponse(ReportReadyData):
    """An export."""

    url: str | None = Field(
        description="A URL that downloads the file without a token. It is null in lists, and if the export is not "
        "done.",
        examples=["https://example-bucket.s3.eu-central-1.amazonaws.com/export.csv"],
    )
    url_expires_at: Timestamp | None = Field(description="When `url` expires; get the export again for a new one.")

    @classmethod
    def of(cls, export: Export, url: str | None = None, url_expires_at: str | None = None) -> Self:
        return cls(**_fields(export), url=url, url_expires_at=url_expires_at)


class ExportPage(Response):
    """A page of exports, newest first."""

    items: list[ExportResponse] = Field(description="The exports of this page, without URLs.")
    next_cursor: NextCursor


def _fields(export: Export) -> dict[str, Any]:
    statuses = [OrderStatus(str(status)) for status in export.statuses] if export.statuses else None
    return {
        "id": export.id,
        "report": export.report,
        "status": export.status,
        "filters": ExportFilters(from_=export.from_, to=export.to, status=statuses),
        "format": export.format or "csv",
        "gzip": export.gzip,
        "bom": bool(export.bom),
        "columns": COLUMNS[export.report].chosen(export.columns),
        "rows": export.rows,
        "progress": export.progress,
        "sha256": export.sha256,
        "size": export.size,
        "failure": export.failure,
        "created_at": export.created_at,
        "created_by": export.created_by,
        "finished_at": export.finished_at,
    }
