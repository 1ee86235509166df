"""Routes of the reports: what was added up of orders and stock, for managers."""

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from oms import api
from oms.api import MANAGER
from oms.reports import stock_report
from oms.reports.schemas import InventoryReport
from oms.serving import serve

app = APIGatewayHttpResolver(enable_validation=True, response_validation_error_http_code=500)


@app.get("/api/v1/reports/inventory", **MANAGER)
def report_inventory() -> Response[InventoryReport]:
    """What there is of the products on sale, and which are low or out: at most 100 of each."""
    return api.ok(InventoryReport.of(stock_report.stock_report()))


lambda_handler = serve(app)
