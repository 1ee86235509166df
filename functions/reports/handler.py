"""Routes of the reports: what was added up of orders and stock, and exports of them, for managers."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from oms.core.schemas import PageQuery
from oms.core.settings import require
from oms.exports import report_recipients
from oms.exports import service as exports
from oms.exports.models import Export
from oms.exports.schemas import CreateExportRequest, ExportOrdersQuery, ExportPage, ExportResponse
from oms.http import api
from oms.http.api import MANAGER, MANAGER_WITHOUT_HEAD, current_user
from oms.http.serving import RESOLVER_OPTIONS, serve
from oms.reports import sales, stock_report
from oms.reports.schemas import InventoryReport, SalesQuery, SalesReport
from oms.reports.views import inventory_report, sales_report
from oms.schedules import service as schedules
from oms.schedules.models import Schedule
from oms.schedules.schemas import CreateScheduleRequest, SchedulePage, ScheduleResponse

require("exports_bucket")

app = APIGatewayHttpResolver(**RESOLVER_OPTIONS)

# When to look again at an export that is not there yet. Most take seconds.
_LOOK_AGAIN_SECONDS = 5


@app.get("/api/v1/reports/inventory", **MANAGER)
def report_inventory() -> Response[InventoryReport]:
    """Get the inventory report.

    The stock of the products on sale, and which of them are low or out: at most 100 of each.
    """
    return api.ok(inventory_report(stock_report.stock_report()))


@app.get("/api/v1/reports/sales", **MANAGER)
def report_sales(query: Annotated[SalesQuery, Query()]) -> Response[SalesReport]:
    """Get the sales report.

    Sales of up to 366 days (31 by product). An order counts on the day it was created, by its status now; new
    orders count after seconds.
    """
    report = sales.sales(query, after=api.list_position(query.cursor))
    return api.ok(sales_report(report, api.list_cursor(report.position)))


_EITHER: dict[int, Any] = {
    status: {"description": "", "content": {"application/json": {"model": ExportResponse}}} for status in (202, 303)
}


@app.get("/api/v1/reports/export/orders", status_code=303, responses=_EITHER, **MANAGER_WITHOUT_HEAD)
def export_orders(query: Annotated[ExportOrdersQuery, Query()]) -> Response[ExportResponse]:
    """Download all order lines as CSV.

    Redirects (303) to the file if it is ready within 20 seconds; otherwise 202 with the export's path in
    `Location`. The same user and query within a minute share one export. Do not send the access token to the file's
    URL: browsers and `curl -L` leave it out, other clients better use `POST /api/v1/reports/exports`.
    """
    export, (url, until) = exports.share_and_wait(query, by=current_user(), address=api.client_address())
    if url is None:
        return api.started(ExportResponse.of(export), location=_place(export), retry_after=_LOOK_AGAIN_SECONDS)
    return api.see_other(ExportResponse.of(export, url, until), location=url)


@app.post("/api/v1/reports/exports", status_code=202, **MANAGER)
def create_export(request: CreateExportRequest) -> Response[ExportResponse]:
    """Create an export.

    Builds a CSV file in the background. Get the export until it is `done`; then `url` is where to download the
    file.
    """
    made = exports.create_export(request, by=current_user(), address=api.client_address(), key=api.idempotency_key())
    return api.started(
        ExportResponse.of(made.value),
        location=_place(made.value),
        replayed=made.replayed,
        retry_after=_LOOK_AGAIN_SECONDS,
    )


@app.get("/api/v1/reports/exports", **MANAGER)
def list_exports(query: Annotated[PageQuery, Query()]) -> Response[ExportPage]:
    """List exports.

    Newest first, without URLs.
    """
    page = exports.list_exports(limit=query.limit, after=api.list_position(query.cursor))
    return api.listed(page, ExportResponse.of, ExportPage)


@app.get("/api/v1/reports/exports/<export_id>", **MANAGER)
def get_export(export_id: str) -> Response[ExportResponse]:
    """Get an export.

    When it is done, with a URL that downloads the file for 15 minutes.
    """
    export = exports.get(export_id)
    url, until = exports.link(export, by=current_user(), address=api.client_address())
    return api.ok(ExportResponse.of(export, url, until), version=export.version)


@app.delete("/api/v1/reports/exports/<export_id>", status_code=204, **MANAGER)
@api.versioned
def cancel_export(export_id: str) -> Response[None]:
    """Cancel an export.

    Deletes what there is of the file. An export that is done or has failed cannot be cancelled.
    """
    exports.cancel(export_id, by=current_user(), address=api.client_address(), expected_version=api.expected_version())
    return api.no_content()


def _place(export: Export) -> str:
    return f"/api/v1/reports/exports/{export.id}"


@app.post("/api/v1/reports/schedules", status_code=201, **MANAGER)
def create_schedule(request: CreateScheduleRequest) -> Response[ScheduleResponse]:
    """Create a schedule of exports.

    Each export continues where the previous one ended; the recipients get a mail when it is ready.
    """
    schedule, addresses = schedules.create(request, by=current_user(), address=api.client_address())
    return api.created(ScheduleResponse.of(schedule, addresses), location=f"/api/v1/reports/schedules/{schedule.id}")


@app.get("/api/v1/reports/schedules", **MANAGER)
def list_schedules(query: Annotated[PageQuery, Query()]) -> Response[SchedulePage]:
    """List the schedules of exports.

    Those of all users, with their recipients.
    """
    page = schedules.list_schedules(limit=query.limit, after=api.list_position(query.cursor))
    addresses = report_recipients.addresses_of({str(it) for schedule in page.items for it in schedule.recipients})

    def show(schedule: Schedule) -> ScheduleResponse:
        return ScheduleResponse.of(schedule, addresses)

    return api.listed(page, show, SchedulePage)


@app.delete("/api/v1/reports/schedules/<schedule_id>", status_code=204, **MANAGER)
def delete_schedule(schedule_id: str) -> Response[None]:
    """Delete a schedule of exports.

    It does not run again. An export that has started is finished.
    """
    schedules.delete(schedule_id, by=current_user(), address=api.client_address())
    return api.no_content()


lambda_handler = serve(app)
