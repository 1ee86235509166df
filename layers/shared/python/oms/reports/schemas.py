"""The reports as they are answered."""

import re
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from oms import money
from oms.schemas import Response
from oms.settings import settings

if TYPE_CHECKING:
    from oms.inventory.models import StockItem
    from oms.reports.sales import Sales
    from oms.reports.stock_report import StockReport

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


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


def _day(text: Any) -> date:
    try:
        # fromisoformat also takes weeks and leaves out hyphens.
        return date.fromisoformat(text if _DATE.fullmatch(text) else "")
    except (TypeError, ValueError):
        raise ValueError("must be a date, such as 2026-01-31") from None


Day = Annotated[
    date,
    BeforeValidator(_day),
    WithJsonSchema({"type": "string", "format": "date"}),
    Field(description="A day in the shop's time zone: 2026-01-31."),
]


class SalesQuery(BaseModel):
    """Both days are in the report. The default are the last 30."""

    from_: Day | None = Field(None, alias="from")
    to: Day | None = None
    group_by: Literal["day", "week", "month", "product", "category"] = "day"
    limit: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="By product: a page of at most so many products, in the order of their ids. Without it the answer "
        "has all products, most revenue first; where they are too many for one answer it is a 422",
    )
    cursor: str | None = Field(None, description="`next_cursor` of the page before, with the same `limit`")


class SalesTotals(Response):
    """Of the orders that were created in the span, as they are now. `orders`, `units`, `revenue` (with shipping) and
    `shipping` leave out those that are cancelled, expired or returned; `cancelled` counts the expired ones too.
    """

    orders: int
    units: int
    revenue: str
    shipping: str
    average_order_value: str
    cancelled: int
    returned: int
    pending: int


class SalesEntry(Response):
    key: str = Field(
        description="A day (2026-01-31), an ISO week (2026-W05), a month (2026-01), a product's id, or a category; "
        "the category is empty for orders from before it was kept"
    )
    orders: int
    units: int
    revenue: str


class SalesReport(Response):
    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    from_: str = Field(alias="from")
    to: str
    currency: str
    totals: SalesTotals
    series: list[SalesEntry] = Field(
        description="By time, with the days on which nothing was sold. By product and category most revenue first, "
        "without shipping, and at most 10000 of them. By product with a `limit` by the products' ids"
    )
    next_cursor: str | None = Field(description="By product with a `limit`: leads to the next page; null at the end")

    @classmethod
    def of(cls, sales: "Sales", next_cursor: str | None) -> Self:
        totals = sales.totals
        # `round` takes the even one of two that are as near.
        average = round(Fraction(totals["revenue"], totals["orders"])) if totals["orders"] else 0
        return cls(
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
            series=[
                SalesEntry(key=key, orders=it["orders"], units=it["units"], revenue=money.to_text(it["revenue"]))
                for key, it in sales.series
            ],
            next_cursor=next_cursor,
        )
