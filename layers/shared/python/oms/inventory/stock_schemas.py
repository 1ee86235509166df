"""The requests and responses that change stock."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from oms.core.schemas import ProductId, Request, Response, VisibleText
from oms.inventory.models import StockItem
from oms.inventory.schemas import MAX_UNITS, Units

MAX_ROWS = 100

StockVersion = Annotated[int, Field(ge=1, le=2**53)]
Reason = Annotated[str, VisibleText(500)]


def _not_zero(adjustment: int) -> int:
    if adjustment == 0:
        raise ValueError("must not be 0")
    return adjustment


def _of_other_products(rows: list["StockRow"]) -> list["StockRow"]:
    if len({row.product_id for row in rows}) < len(rows):
        raise ValueError("must not repeat a product")
    return rows


AddedUnits = Annotated[int, Field(ge=-MAX_UNITS, le=MAX_UNITS), AfterValidator(_not_zero)]


class AdjustStockRequest(Request):
    """A change of the units on hand."""

    adjustment: AddedUnits = Field(
        description="The number of units to add; a negative number removes units. It must not be 0.", examples=[10]
    )
    reason: Reason = Field(
        description="The reason. It is stored with the adjustment.", examples=["Delivery from the supplier"]
    )


class CountStockRequest(Request):
    """The units on hand of a product, as counted."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"on_hand": 40, "reason": "Counted on the shelf"}]})

    on_hand: Units = Field(
        description="The units on hand: those that can be ordered and those that orders reserve.", examples=[40]
    )
    if_version: StockVersion | None = Field(
        None,
        description="The `stock_version` that the stock must have. If it is omitted or null, any.",
        examples=[7],
    )
    reason: Reason = Field(description="The reason. It is stored with the count.", examples=["Counted on the shelf"])


class StockRow(Request):
    """An adjustment or a count of one product: either `adjustment` or `on_hand`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"product_id": "1", "on_hand": 40, "reason": "Counted on the shelf"}]}
    )

    product_id: ProductId
    adjustment: AddedUnits | None = Field(
        None,
        description="The number of units to add; a negative number removes units. It must not be 0.",
        examples=[-2],
    )
    on_hand: Units | None = Field(
        None,
        description="The units on hand, as counted: those that can be ordered and those that orders reserve.",
        examples=[40],
    )
    if_version: StockVersion | None = Field(
        None,
        description="The `stock_version` that the stock must have, for a count. If it is omitted or null, any.",
        examples=[7],
    )
    reason: Reason = Field(description="The reason. It is stored with the change.", examples=["Counted on the shelf"])

    @model_validator(mode="after")
    def _is_one_change(self) -> Self:
        if (self.adjustment is None) == (self.on_hand is None):
            raise ValueError("must have either adjustment or on_hand")
        if self.if_version is not None and self.on_hand is None:
            raise ValueError("must have if_version only with on_hand")
        return self


class ChangeStocksRequest(Request):
    """Adjustments and counts, each of another product."""

    items: Annotated[list[StockRow], Field(min_length=1, max_length=MAX_ROWS), AfterValidator(_of_other_products)] = (
        Field(description="The adjustments and counts, each of another product.")
    )


class StockResponse(Response):
    """A product's stock after a change."""

    product_id: str = Field(description="The id of the product.", examples=["1"])
    on_hand: int = Field(description="`available` + `reserved`.", examples=[5010])
    available: int = Field(description="Units that can be ordered now.", examples=[5008])
    reserved: int = Field(description="Units in orders that are not shipped yet.", examples=[2])
    stock_version: int = Field(
        description="The version of the stock, which each change of its units raises.", examples=[8]
    )

    adjustment: int = Field(
        description="The number of units that the change added. For a count, the difference that it found.",
        examples=[10],
    )

    @classmethod
    def of(cls, stock: StockItem, adjustment: int) -> "StockResponse":
        return cls(
            product_id=stock.product_id,
            on_hand=stock.available + stock.reserved,
            available=stock.available,
            reserved=stock.reserved,
            stock_version=stock.version,
            adjustment=adjustment,
        )


type StockStatus = Annotated[
    Literal["changed", "unchanged", "failed"],
    Field(description="The outcome: `unchanged` if a count agreed with the stock."),
]


class StockOutcome(Response):
    """The outcome of one row, with the stock after it."""

    product_id: str = Field(description="The id of the product.", examples=["1"])
    status: StockStatus = Field(description="The outcome.")
    replayed: bool = Field(
        description="Whether an earlier request with the same `Idempotency-Key` made the change.", examples=[False]
    )
    code: str | None = Field(
        description="The code of the problem if the row failed, as of a request of its own; else null.",
        examples=["stock-reserved"],
    )
    detail: str | None = Field(
        description="The problem, for people; null if the row did not fail.", examples=["Product not found."]
    )
    adjustment: int | None = Field(
        description="The number of units that the row added; null if the row failed.", examples=[-2]
    )
    on_hand: int | None = Field(
        description="`available` + `reserved`. This and the next three are null for an unknown product, and if the "
        "stock could not be read after the rows were processed: read the product.",
        examples=[40],
    )
    available: int | None = Field(description="Units that can be ordered now, or null.", examples=[38])
    reserved: int | None = Field(description="Units in orders that are not shipped yet, or null.", examples=[2])
    stock_version: int | None = Field(description="The version of the stock, or null.", examples=[8])


class StockOutcomes(Response):
    """The outcomes of all rows."""

    items: list[StockOutcome] = Field(description="The outcomes in the order of the request.")
