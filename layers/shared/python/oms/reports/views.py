"""Responses built from reports and statistics."""

from collections.abc import Mapping
from fractions import Fraction

from oms.core import money
from oms.core.schemas import Response
from oms.core.settings import settings
from oms.inventory.models import StockItem
from oms.reports.sales import Sales, SalesAmounts
from oms.reports.schemas import (
    InventoryReport,
    InventoryTotals,
    SalesEntry,
    SalesReport,
    SalesTotals,
    ScarceProductResponse,
)
from oms.reports.statistics import MONTH_DAYS, WEEK_DAYS, QueueState, Statistics
from oms.reports.statistics_schemas import (
    DeliveryCounts,
    OrderCounts,
    QueueResponse,
    RevenueTotals,
    StatisticsResponse,
    UserCounts,
)
from oms.reports.stock_report import StockReport


def inventory_report(report: StockReport) -> InventoryReport:
    totals = report.totals
    return InventoryReport(
        currency=settings().currency,
        totals=InventoryTotals(
            products=totals["products"],
            on_hand=totals["on_hand"],
            reserved=totals["reserved"],
            value=money.to_text(totals["value"]),
            low=totals["low"],
            out=totals["out"],
        ),
        low=[_scarce_product(stock) for stock in report.low],
        out=[_scarce_product(stock) for stock in report.out],
    )


def sales_report(sales: Sales, next_cursor: str | None) -> SalesReport:
    totals = sales.totals
    # `round` rounds half to even.
    average = round(Fraction(totals["revenue"], totals["orders"])) if totals["orders"] else 0
    return SalesReport(
        from_=sales.start.isoformat(),
        to=sales.end.isoformat(),
        currency=settings().currency,
        totals=SalesTotals(
            orders=totals["orders"],
            units=totals["units"],
            revenue=money.to_text(totals["revenue"]),
            shipping=money.to_text(totals["shipping"]),
            average_order_value=money.to_text(average),
            cancelled=totals["cancelled"],
            returned=totals["returned"],
            pending=totals["pending"],
        ),
        series=[_sales_entry(key, amounts, sales.products.get(key)) for key, amounts in sales.series],
        next_cursor=next_cursor,
    )


def statistics_response(statistics: Statistics) -> StatisticsResponse:
    revenue = {days: money.to_text(amount) for days, amount in statistics.revenue.items()}
    return StatisticsResponse(
        users=UserCounts(**_counts(UserCounts, statistics.users)),
        products=statistics.stock.get("products", 0),
        low_stock=statistics.stock.get("low", 0),
        out_of_stock=statistics.stock.get("out", 0),
        orders=OrderCounts(**_counts(OrderCounts, statistics.orders)),
        revenue=RevenueTotals(
            currency=settings().currency,
            today=revenue[1],
            last_7_days=revenue[WEEK_DAYS],
            last_30_days=revenue[MONTH_DAYS],
        ),
        deliveries=DeliveryCounts(**_counts(DeliveryCounts, statistics.attempts)),
        queues=[_queue(queue) for queue in statistics.queues],
    )


def _sales_entry(key: str, amounts: SalesAmounts, product: StockItem | None) -> SalesEntry:
    return SalesEntry(
        key=key,
        sku=product.sku if product else None,
        name=product.name if product else None,
        orders=amounts["orders"],
        units=amounts["units"],
        revenue=money.to_text(amounts["revenue"]),
    )


def _scarce_product(stock: StockItem) -> ScarceProductResponse:
    return ScarceProductResponse(
        product_id=stock.product_id,
        sku=stock.sku,
        name=stock.name,
        available=stock.available,
        low_stock_threshold=stock.low_stock_threshold,
    )


def _queue(queue: QueueState) -> QueueResponse:
    return QueueResponse(
        name=queue.name, waiting=queue.waiting, in_flight=queue.in_flight, dead_letters=queue.dead_letters
    )


def _counts(model: type[Response], found: Mapping[str, int]) -> dict[str, int]:
    """Returns the counts of all the model's fields. Missing counts are zero."""
    return {name: found.get(name, 0) for name in model.model_fields}
