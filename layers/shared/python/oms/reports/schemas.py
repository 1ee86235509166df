"""Queries and responses of the routes of reports."""

import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from oms.core.money_fields import CurrencyCode, MoneyText
from oms.core.schemas import NextCursor, Response

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class InventoryTotals(Response):
    """Sums over all products on sale."""

    products: int = Field(description="The number of products.", examples=[40])
    on_hand: int = Field(description="Units on hand.", examples=[18000])
    reserved: int = Field(description="Units in orders that are not shipped yet.", examples=[20])
    value: MoneyText = Field(description="The units on hand at today's prices.", examples=["412345.60"])
    low: int = Field(
        description="Products with available units, but not more than their low-stock threshold.", examples=[4]
    )
    out: int = Field(description="Products without available units.", examples=[2])


class ScarceProductResponse(Response):
    """A product that is low or out."""

    product_id: str = Field(description="The id of the product.", examples=["7"])
    sku: str = Field(description="The product's SKU.", examples=["COF-KET-GOOS"])
    name: str = Field(description="The product's name.", examples=["Gooseneck Kettle, 0.9 l"])
    available: int = Field(description="Units that can be ordered.", examples=[3])
    low_stock_threshold: int | None = Field(
        description="The number of available units at or below which the product is low.", examples=[5]
    )


class InventoryReport(Response):
    """The stock of the products on sale."""

    currency: CurrencyCode
    totals: InventoryTotals = Field(description="The sums of the report.")
    low: list[ScarceProductResponse] = Field(description="At most 100 products that are low; `totals` counts all.")
    out: list[ScarceProductResponse] = Field(description="At most 100 products that are out; `totals` counts all.")


def _day(text: Any) -> date:
    try:
        # `fromisoformat` also accepts weeks, and dates without hyphens.
        return date.fromisoformat(text if _DATE.fullmatch(text) else "")
    except (TypeError, ValueError):
        raise ValueError("must be a date, such as 2026-01-31") from None


type SalesGrouping = Annotated[
    Literal["day", "week", "month", "product", "category"], Field(description="The grouping of a sales report.")
]
DayText = Annotated[str, WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-01-31"]})]
Day = Annotated[
    date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-01-31"]})
]


class SalesQuery(BaseModel):
    """The report includes both days. The default is the last 30 days."""

    from_: Day | None = Field(
        None,
        alias="from",
        description="The first day of the report, in the shop's time zone. By default the report covers 30 days.",
    )
    to: Day | None = Field(
        None, description="The last day of the report, in the shop's time zone. The default is today."
    )
    group_by: SalesGrouping = Field(
        "day",
        description="The grouping of `series`. A report by product covers at most 31 days, any other 366.",
        examples=["week"],
    )
    limit: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="For reports by product: the maximum number of products on a page, sorted by id. If it is "
        "omitted, the response has all products, those with the most revenue first; if they are too many for one "
        "response, it is "
        "a 422.",
        examples=[100],
    )
    cursor: str | None = Field(
        None,
        description="For reports by product: `next_cursor` of the previous page. Send the same `limit`.",
        examples=["eyJwIjoiNyJ9"],
    )


class SalesTotals(Response):
    """Sums over the orders that were created in these days, by their current status."""

    orders: int = Field(description="Orders that are not cancelled, expired or returned.", examples=[12])
    units: int = Field(description="Units in these orders.", examples=[31])
    revenue: MoneyText = Field(description="Totals of these orders, with shipping.", examples=["812.40"])
    shipping: MoneyText = Field(description="Shipping in these orders.", examples=["58.80"])
    average_order_value: MoneyText = Field(
        description="`revenue` ÷ `orders`, rounded half to even.", examples=["67.70"]
    )
    cancelled: int = Field(description="Orders that were cancelled or expired.", examples=[2])
    returned: int = Field(description="Orders that were returned.", examples=[1])
    pending: int = Field(description="Orders that are not confirmed yet; they count as `orders` too.", examples=[3])


class SalesEntry(Response):
    """Sales of a period, product or category."""

    key: str = Field(
        description="A day (`2026-01-31`), an ISO week (`2026-W05`), a month (`2026-01`), a product's id, or a "
        "category. The category is empty for orders that were placed before this field existed.",
        examples=["2026-W05"],
    )
    sku: str | None = Field(
        description="The product's SKU, for the first 20 entries of a report by product without a `limit`; otherwise "
        "null.",
        examples=["COF-KET-GOOS"],
    )
    name: str | None = Field(
        description="The product's name, for the same entries.", examples=["Gooseneck Kettle, 0.9 l"]
    )
    orders: int = Field(description="Orders that are not cancelled, expired or returned.", examples=[4])
    units: int = Field(description="Units in these orders.", examples=[9])
    revenue: MoneyText = Field(
        description="The revenue of these orders. It includes shipping, except when grouped by product or category.",
        examples=["240.10"],
    )


class SalesReport(Response):
    """The sales of a range of days."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    from_: DayText = Field(alias="from", description="The first day, in the shop's time zone.")
    to: DayText = Field(description="The last day, in the shop's time zone.")
    currency: CurrencyCode
    totals: SalesTotals = Field(description="Sums over all days.")
    series: list[SalesEntry] = Field(
        description="By period: sorted by time, including days without sales. By product and category: those with "
        "the most revenue first, at most 10,000. By product with a `limit`: sorted by product id."
    )
    next_cursor: NextCursor = Field(
        description="For reports by product with a `limit`: send it as `cursor` to get the next page; null at the end.",
        examples=["eyJwIjoiNyJ9"],
    )
