"""Routes for reports of stock and sales, exports, schedules of exports, and imports."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from oms.core.schemas import PageQuery
from oms.core.settings import require
from oms.exports import report_recipients, sharing
from oms.exports import service as exports
from oms.exports.models import Export
from oms.exports.schemas import CreateExportRequest, ExportOrdersQuery, ExportPage, ExportResponse
from oms.http import api
from oms.http.access_rules import manager
from oms.http.api import current_caller
from oms.http.serving import RESOLVER_OPTIONS, serve
from oms.imports import service as imports
from oms.imports.models import Import
from oms.imports.schemas import CreateImportRequest, ImportPage, ImportResponse
from oms.reports import sales, stock_report
from oms.reports.schemas import InventoryReport, SalesQuery, SalesReport
from oms.reports.views import inventory_report, sales_report
from oms.schedules import service as schedules
from oms.schedules.models import Schedule
from oms.schedules.schemas import CreateScheduleRequest, SchedulePage, ScheduleResponse

require("exports_bucket", "imports_bucket")

app = APIGatewayHttpResolver(**RESOLVER_OPTIONS)

# The seconds after which a client should request an unfinished export again. Most exports take seconds.
_LOOK_AGAIN_SECONDS = 5


@app.get("/api/v1/reports/inventory", **manager(scope="reports:read"))
def report_inventory() -> Response[InventoryReport]:
    """Get the inventory report.

    Shows the stock of the products on sale, and lists those that are low or out, at most 100 of each.
    """
    return api.ok(inventory_report(stock_report.stock_report()))


@app.get("/api/v1/reports/sales", **manager(scope="reports:read"))
def report_sales(query: Annotated[SalesQuery, Query()]) -> Response[SalesReport]:
    """Get the sales report.

    Covers up to 366 days, or 31 by product. An order counts on the day on which it was created, with its current
    status. New orders count after seconds.
    """
    report = sales.sales(query, after=api.list_position(query.cursor))
    return api.ok(sales_report(report, api.list_cursor(report.position)))


_EITHER: dict[int, Any] = {
    status: {"description": "", "content": {"application/json": {"model": ExportResponse}}} for status in (202, 303)
}


@app.get(
    "/api/v1/reports/export/orders", status_code=303, responses=_EITHER, **manager(scope="reports:read", head=False)
)
def export_orders(query: Annotated[ExportOrdersQuery, Query()]) -> Response[ExportResponse]:
    """Download all order lines as a file.

    Redirects (303) to the file if it is ready within 20 seconds; otherwise responds with 202 and the export's path in
    `Location`. Requests of the same user with the same query share one export for a minute. Do not send the access
    token to the file's URL: `curl -L` omits it. A client that also sends it to the new URL of a redirect, and a page in
    a browser, must use `POST /api/v1/reports/exports`.
    """
    export, (url, until) = sharing.share_and_wait(query, by=current_caller(), address=api.client_address())
    if url is None:
        return api.started(ExportResponse.of(export), location=_place(export), retry_after=_LOOK_AGAIN_SECONDS)
    return api.see_other(ExportResponse.of(export, url, until), location=url)


@app.post("/api/v1/reports/exports", status_code=202, **manager(scope="reports:read"))
def create_export(request: CreateExportRequest) -> Response[ExportResponse]:
    """Create an export.

    Builds the file in the background. Get the export until its status is `done`; then its `url` downloads the file.
    """
    result = exports.create_export(
        request, by=current_caller(), address=api.client_address(), key=api.idempotency_key()
    )
    return api.started(
        ExportResponse.of(result.value),
        location=_place(result.value),
        replayed=result.replayed,
        retry_after=_LOOK_AGAIN_SECONDS,
    )


@app.get("/api/v1/reports/exports", **manager(scope="reports:read"))
def list_exports(query: Annotated[PageQuery, Query()]) -> Response[ExportPage]:
    """List exports.

    Lists the exports, newest first, without URLs.
    """
    page = exports.list_exports(limit=query.limit, after=api.list_position(query.cursor))
    return api.listed(page, ExportResponse.of, ExportPage)


@app.get("/api/v1/reports/exports/<export_id>", **manager(scope="reports:read"))
def get_export(export_id: str) -> Response[ExportResponse]:
    """Get an export.

    An export that is done has a `url`, which downloads the file and is valid for 15 minutes.
    """
    export = exports.get(export_id)
    url, until = exports.link(export, by=current_caller(), address=api.client_address())
    return api.ok(ExportResponse.of(export, url, until), version=export.version)


@app.delete("/api/v1/reports/exports/<export_id>", status_code=204, **manager(scope="reports:read"))
@api.versioned
def cancel_export(export_id: str) -> Response[None]:
    """Cancel an export.

    Stops the export and deletes its unfinished file. An export that is done or has failed cannot be cancelled.
    """
    exports.cancel(
        export_id, by=current_caller(), address=api.client_address(), expected_version=api.expected_version()
    )
    return api.no_content()


def _place(export: Export) -> str:
    return f"/api/v1/reports/exports/{export.id}"


@app.post("/api/v1/reports/schedules", status_code=201, **manager(scope="reports:read"))
def create_schedule(request: CreateScheduleRequest) -> Response[ScheduleResponse]:
    """Create a schedule of exports.

    Each export continues where the previous one ended; the recipients get a mail when it is ready.
    """
    result = schedules.create(request, by=current_caller(), address=api.client_address(), key=api.idempotency_key())
    schedule, addresses = result.value
    return api.created(
        ScheduleResponse.of(schedule, addresses),
        location=f"/api/v1/reports/schedules/{schedule.id}",
        replayed=result.replayed,
    )


@app.get("/api/v1/reports/schedules", **manager(scope="reports:read"))
def list_schedules(query: Annotated[PageQuery, Query()]) -> Response[SchedulePage]:
    """List the schedules of exports.

    Lists the schedules of all users, with their recipients.
    """
    page = schedules.list_schedules(limit=query.limit, after=api.list_position(query.cursor))
    addresses = report_recipients.addresses_of(
        {str(user_id) for schedule in page.items for user_id in schedule.recipients}
    )

    def show(schedule: Schedule) -> ScheduleResponse:
        return ScheduleResponse.of(schedule, addresses)

    return api.listed(page, show, SchedulePage)


@app.delete("/api/v1/reports/schedules/<schedule_id>", status_code=204, **manager(scope="reports:read"))
def delete_schedule(schedule_id: str) -> Response[None]:
    """Delete a schedule of exports.

    The schedule does not run again. An export that it has started is completed.
    """
    schedules.delete(schedule_id, by=current_caller(), address=api.client_address())
    return api.no_content()


@app.post("/api/v1/imports", status_code=201, **manager(scope="imports:write"))
def create_import(request: CreateImportRequest) -> Response[ImportResponse]:
    """Create an import.

    Send the file by the request in `upload`, then start the import.
    """
    result = imports.create_import(request, by=current_caller(), key=api.idempotency_key())
    it = result.value
    return api.created(_shown(it), location=f"/api/v1/imports/{it.id}", version=it.version, replayed=result.replayed)


@app.post("/api/v1/imports/<import_id>/start", status_code=202, **manager(scope="imports:write"))
def start_import(import_id: str) -> Response[ImportResponse]:
    """Start an import.

    Applies the rows of the uploaded file in the background, each once. A second start changes nothing.
    """
    it = imports.start(import_id, by=current_caller(), address=api.client_address())
    return api.started(_shown(it), retry_after=_LOOK_AGAIN_SECONDS)


@app.get("/api/v1/imports", **manager(scope="imports:write"))
def list_imports(query: Annotated[PageQuery, Query()]) -> Response[ImportPage]:
    """List imports.

    Lists the imports of all users, newest first, without URLs.
    """
    page = imports.list_imports(limit=query.limit, after=api.list_position(query.cursor))
    return api.listed(page, ImportResponse.of, ImportPage)


@app.get("/api/v1/imports/<import_id>", **manager(scope="imports:write"))
def get_import(import_id: str) -> Response[ImportResponse]:
    """Get an import.

    An import that is done or has failed has a `result_url`, which downloads the errors of its rows.
    """
    it = imports.get(import_id)
    return api.ok(_shown(it), version=it.version)


@app.delete("/api/v1/imports/<import_id>", status_code=204, **manager(scope="imports:write"))
@api.versioned
def cancel_import(import_id: str) -> Response[None]:
    """Cancel an import.

    Stops the import. Rows that were applied until then stay applied.
    """
    imports.cancel(
        import_id, by=current_caller(), address=api.client_address(), expected_version=api.expected_version()
    )
    return api.no_content()


def _shown(it: Import) -> ImportResponse:
    return ImportResponse.of(it, imports.upload_of(it), imports.result_of(it))


lambda_handler = serve(app)
