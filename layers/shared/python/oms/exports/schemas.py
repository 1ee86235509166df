"""Requests and responses of the routes of exports."""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field

from oms.core.schemas import BEFORE, SINCE, From, NextCursor, OneOf, Request, Response, Several, Span, Timestamp, To
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
    Literal["internal-error", "too-large", "out-of-time"], Field(description="Why an export failed.")
]


_COLUMNS = tuple(dict.fromkeys(name for columns in COLUMNS.values() for name in columns.all))
type ExportColumn = Annotated[
    str, OneOf(_COLUMNS), Field(description="A column of a file. Each report has some of them: see docs/exports.md.")
]
ColumnNames = Annotated[tuple[ExportColumn, ...], Several(each_once=True)]
ColumnNamesOrText = Annotated[tuple[ExportColumn, ...], Several(_COLUMNS, each_once=True)]
"""The form in a request body."""
type Format = Annotated[
    Literal["csv", "xlsx"], Field(description="The format of a file: CSV, or a workbook with typed cells.")
]
FORMAT_TEXT = "The format of the file: `xlsx` is a workbook with typed cells. If it is not sent, the file is CSV."
BOM_TEXT = (
    "Whether a CSV begins with a byte-order mark, which Excel needs to read UTF-8. If it is not sent, it has none."
)
COLUMNS_TEXT = (
    "The columns of the file in this order, each once. If it is not sent, they are the report's default. "
    "Orders have more of them on request, for fulfilment: e-mail, shipping address, note, carrier and tracking."
)
COLUMNS_EXAMPLES = [["order_number", "sku", "quantity"]]
TEXT_TOO = "A text with commas is accepted too."


class CreateExportRequest(Span, Request):
    """An export to create."""

    report: ExportReport = Field(
        description="The report to export: order lines, products with their stock, or daily sales.", examples=["orders"]
    )
    from_: From | None = Field(None, alias="from", description=f"For orders and sales: created {SINCE}")
    to: To | None = Field(None, description=f"For orders and sales: created {BEFORE}")
    status: OrderStatusesOrText | None = Field(
        None,
        description=f"For orders: only those whose current status is one of these. {TEXT_TOO}",
        examples=[["confirmed", "shipped"]],
    )
    gzip: bool = Field(
        False, description="Whether the file is compressed. If it is not sent, it is plain CSV.", examples=[False]
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
        description="The file's SHA-256 in hexadecimal digits; null until it is done.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    size: int | None = Field(description="The file's size in bytes; null until it is done.", examples=[6321])
    failure: ExportFailure | None = Field(description="Why it failed; null if it did not.")
    created_at: Timestamp = Field(description="When it was requested.")
    created_by: str = Field(description="The user who requested it.", examples=["YVT65M7QNAW9TXAQ7PHA"])
    finished_at: Timestamp | None = Field(description="When it was done, failed or cancelled.")

    @classmethod
    def of(cls, export: Export) -> Self:
        return cls(**_fields(export))


class ExportResponse(ReportReadyData):
    """An export."""

    url: str | None = Field(
        description="A URL that downloads the file without a token. Only in a response about this export alone, and "
        "only when it is done.",
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
    statuses = [OrderStatus(str(it)) for it in export.statuses] if export.statuses else None
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
