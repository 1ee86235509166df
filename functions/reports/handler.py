"""Routes of the reports: what was added up of orders and stock, for managers."""

from typing import Annotated

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from oms import api
from oms.api import MANAGER
from oms.reports import sales, stock_report
from oms.reports.schemas import InventoryReport, SalesQuery, SalesReport
from oms.serving import serve

app = APIGatewayHttpResolver(enable_validation=True, response_validation_error_http_code=500)


@app.get("/api/v1/reports/inventory", **MANAGER)
def report_inventory() -> Response[InventoryReport]:
    """What there is of the products on sale, and which are low or out: at most 100 of each."""
    return api.ok(InventoryReport.of(stock_report.stock_report()))


@app.get("/api/v1/reports/sales", **MANAGER)
def report_sales(query: Annotated[SalesQuery, Query()]) -> Response[SalesReport]:
    """What was sold on the days of a span, 366 of them at most (31 by product). An order counts on the day on which it
    was created, as it is now; it takes seconds until it does.
    """
    return api.ok(SalesReport.of(sales.sales(query)))


lambda_handler = serve(app)
