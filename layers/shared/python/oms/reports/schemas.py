"""The reports as they are answered."""

from typing import TYPE_CHECKING, Self

from oms import money
from oms.schemas import Response
from oms.settings import settings

if TYPE_CHECKING:
    from oms.inventory.models import StockItem
    from oms.reports.stock_report import StockReport


class InventoryTotals(Response):
    """Of the products on sale; `value` is that of the units on hand at today's prices."""

    products: int
    on_hand: int
    reserved: int
    value: str
    low: int
    out: int


class ScarceProductResponse(Response):
    product_id: str
    sku: str
    name: str
    available: int
    low_stock_threshold: int | None

    @classmethod
    def of(cls, stock: "StockItem") -> Self:
        return cls(
            product_id=stock.product_id,
            sku=stock.sku,
            name=stock.name,
            available=stock.available,
            low_stock_threshold=stock.low_stock_threshold,
        )


class InventoryReport(Response):
    """`low` and `out` name at most 100 products each; the totals say how many there are."""

    currency: str
    totals: InventoryTotals
    low: list[ScarceProductResponse]
    out: list[ScarceProductResponse]

    @classmethod
    def of(cls, report: "StockReport") -> Self:
        totals = report.totals
        return cls(
            currency=settings().currency,
            totals=InventoryTotals(
                products=totals["products"],
                on_hand=totals["on_hand"],
                reserved=totals["reserved"],
                value=money.to_text(totals["value"]),
                low=totals["low"],
                out=totals["out"],
            ),
            low=[ScarceProductResponse.of(it) for it in report.low],
            out=[ScarceProductResponse.of(it) for it in report.out],
        )
