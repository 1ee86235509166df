"""Routes of the reports: what was added up of orders and stock, and exports of them, for managers."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from oms import api, recipients
from oms.api import MANAGER, MANAGER_WITHOUT_HEAD, current_user
from oms.exports import schedules
from oms.exports import service as exports
from oms.exports.models import Export, Schedule
from oms.exports.schemas import (
    CreateExportRequest,
    CreateScheduleRequest,
    ExportOrdersQuery,
    ExportPage,
    ExportResponse,
    SchedulePage,
    ScheduleResponse,
)
from oms.reports import sales, stock_report
from oms.reports.schemas import InventoryReport, SalesQuery, SalesReport
from oms.schemas import PageQuery
from oms.serving import RESOLVER_OPTIONS, serve

app = APIGatewayHttpResolver(**RESOLVER_OPTIONS)

# When to look again at an export that is not there yet. Most take seconds.
_LOOK_AGAIN_SECONDS = 5


@app.get("/api/v1/reports/inventory", **MANAGER)
def report_inventory() -> Response[InventoryReport]:
    """What there is of the products on sale, and which are low or out: at most 100 of each."""
    return api.ok(InventoryReport.of(stock_report.stock_report()))


@app.get("/api/v1/reports/sales", **MANAGER)
def report_sales(query: Annotated[SalesQuery, Query()]) -> Response[SalesReport]:
    """What was sold on the days of a span, 366 of them at most (31 by product). An order counts on the day on which it
    was created, as it is now; it takes seconds until it does. With very many products
    a `limit` gives them page by page.
    """
    report = sales.sales(query, after=api.list_position(query.cursor))
    return api.ok(SalesReport.of(report, api.list_cursor(report.position)))


_EITHER: dict[int, Any] = {
    status: {"description": "", "content": {"application/json": {"model": ExportResponse}}} for status in (202, 303)
}


@app.get("/api/v1/reports/export/orders", status_code=303, responses=_EITHER, **MANAGER_WITHOUT_HEAD)
def export_orders(query: Annotated[ExportOrdersQuery, Query()]) -> Response[ExportResponse]:
    """A file of all order lines: 303 to where it is fetched when that is made within 20 seconds, else 202 with the
    place to ask again. The same user and query within a minute share one.
    """
    export, (url, until) = exports.share_and_wait(query, by=current_user(), address=api.client_address())
    if url is None:
        return api.started(ExportResponse.of(export), location=_place(export), retry_after=_LOOK_AGAIN_SECONDS)
    return api.see_other(ExportResponse.of(export, url, until), location=url)


@app.post("/api/v1/reports/exports", status_code=202, **MANAGER)
def create_export(request: CreateExportRequest) -> Response[ExportResponse]:
    made = exports.request_export(request, by=current_user(), address=api.client_address(), key=api.idempotency_key())
    return api.started(
        ExportResponse.of(made.thing),
        location=_place(made.thing),
        replayed=made.replayed,
        retry_after=_LOOK_AGAIN_SECONDS,
    )


@app.get("/api/v1/reports/exports", **MANAGER)
def list_exports(query: Annotated[PageQuery, Query()]) -> Response[ExportPage]:
    """The newest first, without URLs."""
    page = exports.list_exports(limit=query.limit, after=api.list_position(query.cursor))
    return api.listed(page, ExportResponse.of, ExportPage)


@app.get("/api/v1/reports/exports/<export_id>", **MANAGER)
def get_export(export_id: str) -> Response[ExportResponse]:
    """When it is done, with a URL that fetches the file for 15 minutes."""
    export = exports.get(export_id)
    url, until = exports.link(export, by=current_user(), address=api.client_address())
    return api.ok(ExportResponse.of(export, url, until), version=export.version)


@app.delete("/api/v1/reports/exports/<export_id>", status_code=204, **MANAGER)
@api.versioned
def cancel_export(export_id: str) -> Response[None]:
    """Nothing of it is kept."""
    exports.cancel(export_id, by=current_user(), address=api.client_address(), check=api.version_check())
    return api.no_content()


def _place(export: Export) -> str:
    return f"/api/v1/reports/exports/{export.id}"


@app.post("/api/v1/reports/schedules", status_code=201, **MANAGER)
def create_schedule(request: CreateScheduleRequest) -> Response[ScheduleResponse]:
    """An export that is made again and again, each from where the last one ended, and mailed of when it is ready."""
    schedule, addresses = schedules.create(request, by=current_user(), address=api.client_address())
    return api.created(ScheduleResponse.of(schedule, addresses), location=f"/api/v1/reports/schedules/{schedule.id}")


@app.get("/api/v1/reports/schedules", **MANAGER)
def list_schedules(query: Annotated[PageQuery, Query()]) -> Response[SchedulePage]:
    page = schedules.list_schedules(limit=query.limit, after=api.list_position(query.cursor))
    addresses = recipients.addresses_of({str(it) for schedule in page.items for it in schedule.recipients})

    def show(schedule: Schedule) -> ScheduleResponse:
        return ScheduleResponse.of(schedule, addresses)

    return api.listed(page, show, SchedulePage)


@app.delete("/api/v1/reports/schedules/<schedule_id>", status_code=204, **MANAGER)
def delete_schedule(schedule_id: str) -> Response[None]:
    """It runs no more. What a run has begun is finished."""
    schedules.delete(schedule_id, by=current_user(), address=api.client_address())
    return api.no_content()


lambda_handler = serve(app)
