"""The requests and responses of the inventory routes."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationInfo, field_validator

from oms.core import texts
from oms.core.money import CurrencyCode, Money, MoneyText
from oms.core.schemas import (
    INVISIBLE_IS_NULL,
    Flag,
    Form,
    KeyName,
    NextCursor,
    OneOf,
    PageQuery,
    PartialRequest,
    Prose,
    Request,
    Response,
    Several,
    Timestamp,
    VisibleText,
    whole_number,
)
from oms.inventory.models import StockItem

MAX_UNITS = 10**9

Sku = Annotated[str, Form(r"[\x21-\x7e]{1,64}", "must be 1 to 64 visible ASCII characters, without blanks")]
Name = Annotated[str, VisibleText(200)]
CategoryName = Annotated[str, KeyName(100)]
Description = Annotated[Annotated[str, Prose(5000)] | None, INVISIBLE_IS_NULL]
AttributeText = Annotated[str, StringConstraints(max_length=500)]
# Not normalized: two names that became equal would lose a value.
AttributeName = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(texts.visible)]
Attributes = Annotated[dict[AttributeName, AttributeText], Field(max_length=50)]
Units = Annotated[int, Field(ge=0, le=MAX_UNITS)]
type ProductStatus = Annotated[
    Literal["active", "archived"],
    Field(description="`active`: on sale; `archived`: hidden from customers, and cannot be ordered."),
]
ProductStatuses = Annotated[tuple[Annotated[str, OneOf(("active", "archived"))], ...], Several()]
type ProductSort = Annotated[
    Literal["name", "-name", "price", "-price", "created_at", "-created_at"],
    Field(description="An order of products; descending with `-`."),
]


class ProductText(Request):
    """The fields that creating and replacing a product share."""

    sku: Sku = Field(
        description="The shop's own key of the product. Unique; upper and lower case do not make a difference. It "
        "cannot be changed later.",
        examples=["COF-TRY-0250"],
    )
    name: Name = Field(description="The product's name.", examples=["Espresso Beans Sampler, 250 g"])
    description: Description = Field(None, description="Information for customers.", examples=["Three roasts to try."])
    category: CategoryName = Field(
        description="The category, created with its first product. Products of the same name of a category belong "
        "together.",
        examples=["Coffee"],
    )
    price: Money = Field(
        description="The price of one unit. Orders that exist keep the price they were placed at.", examples=["10"]
    )
    low_stock_threshold: Units | None = Field(
        None,
        description="At this number of available units or fewer the product is low, and `stock.low` is published. If"
        " it is null or not sent, it is never low.",
        examples=[5],
    )
    attributes: Attributes = Field(
        default_factory=dict, description="Names and values of your own, at most 50.", examples=[{"roast": "medium"}]
    )


class CreateProductRequest(ProductText):
    """A product to create."""

    stock: Units = Field(0, description="How many units are on hand at first. If it is not sent, none.", examples=[100])


class ReplaceProductRequest(ProductText):
    """All editable fields of a product: an optional field that is not sent is reset."""

    status: ProductStatus = Field(
        description="`archived` takes the product off sale: customers do not see it, and it cannot be ordered.",
        examples=["active"],
    )


class UpdateProductRequest(PartialRequest):
    """Fields to change. A field that is not sent stays as it is; null clears it."""

    name: Name = Field(
        default_factory=str, description="The product's name.", examples=["Espresso Beans Sampler, 250 g"]
    )
    description: Description = Field(
        None,
        description="Information for customers; null clears it.",
        examples=["Three roasts to try."],
    )
    category: CategoryName = Field(
        default_factory=str, description="The category, created with its first product.", examples=["Coffee"]
    )
    price: Money = Field(
        default_factory=int,
        description="The price of one unit. Orders that exist keep the price they were placed at.",
        examples=["10"],
    )
    low_stock_threshold: Units | None = Field(
        None,
        description="At this number of available units or fewer the product is low, and `stock.low` is published; "
        "null: never.",
        examples=[5],
    )
    attributes: Attributes | None = Field(
        None,
        description="All names and values of your own, at most 50: those that are left out are removed, null removes"
        " all.",
        examples=[{"roast": "medium"}],
    )
    status: ProductStatus = Field(
        default_factory=lambda: "active",
        description="`archived` takes the product off sale: customers do not see it, and it cannot be ordered.",
        examples=["active"],
    )


def _not_zero(adjustment: int) -> int:
    if adjustment == 0:
        raise ValueError("must not be 0")
    return adjustment


class AdjustStockRequest(Request):
    """A change of the units on hand."""

    adjustment: Annotated[int, Field(ge=-MAX_UNITS, le=MAX_UNITS), AfterValidator(_not_zero)] = Field(
        description="How many units to add, or, below zero, to remove. Not 0.", examples=[10]
    )
    reason: Annotated[str, VisibleText(500)] = Field(
        description="Why, for the product's movements.", examples=["Delivery from the supplier"]
    )


class ListProductsQuery(PageQuery):
    category: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = Field(
        None,
        description="Products of this category, in any form of blanks and accents; of several, separated by commas.",
        examples=["Coffee"],
    )
    q: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        None,
        description="Products whose name begins with this text, in upper or lower case. Sorts by name.",
        examples=["espresso"],
    )
    sku: Sku | None = Field(
        None,
        description="Products whose SKU begins with this text, in upper or lower case. Sorts by SKU.",
        examples=["COF-"],
    )
    min_price: Money | None = Field(
        None, description="Products of this price or more. Sorts by price.", examples=["10"]
    )
    max_price: Money | None = Field(
        None, description="Products of this price or less. Sorts by price.", examples=["50"]
    )
    in_stock: Flag | None = Field(
        None, description="`true`: products with available units; `false`: products without.", examples=[True]
    )
    low_stock: Flag | None = Field(
        None,
        description="`true`: products with no more available units than their low-stock threshold; `false`: all "
        "others.",
        examples=[True],
    )
    status: ProductStatuses | None = Field(
        None, description="Products that are on sale, archived, or either. Without it, those on sale."
    )
    sort: ProductSort | None = Field(
        None,
        description="The order of the list, descending with `-`. Some combinations with filters have no index: the "
        "answer is a 422 that says which.",
        examples=["price"],
    )

    @field_validator("max_price")
    @classmethod
    def _in_order(cls, most: int | None, others: ValidationInfo) -> int | None:
        least = others.data.get("min_price")
        if most is not None and least is not None and least > most:
            raise ValueError("must not be below min_price")
        return most


class ProductResponse(Response):
    """A product as customers see it."""

    id: str = Field(description="The id of the product.", examples=["1"])
    sku: str = Field(description="The shop's own key of the product.", examples=["COF-ESP-1000"])
    name: str = Field(description="The product's name.", examples=["Espresso Beans Monte Chiaro, 1 kg"])
    description: str | None = Field(description="Information for customers.", examples=["Three roasts to try."])
    category: str = Field(description="The product's category.", examples=["Coffee"])
    price: MoneyText = Field(description="The price of one unit.")
    currency: CurrencyCode
    attributes: dict[str, str] = Field(description="The shop's own names and values.", examples=[{"roast": "medium"}])
    status: ProductStatus = Field(description="`active` if the product is on sale.")
    available: int = Field(description="Units that can be ordered now.", examples=[4998])
    version: int = Field(
        description="Raised by each change of the editable fields, not by stock; also in the `ETag`.", examples=[1]
    )
    created_at: Timestamp = Field(description="When the product was created.")
    updated_at: Timestamp = Field(description="When its editable fields changed last.")


class ManagedProductResponse(ProductResponse):
    """A product as managers and admins see it."""

    reserved: int = Field(description="Units in orders that are not shipped yet.", examples=[2])
    on_hand: int = Field(description="`available` + `reserved`.", examples=[5000])
    low_stock_threshold: int | None = Field(
        description="At this number of available units or fewer the product is low; null: never.", examples=[5]
    )


class ProductPage(Response):
    """A page of products."""

    items: list[ManagedProductResponse | ProductResponse] = Field(
        description="The products of this page. Managers and admins see their stock in full."
    )
    next_cursor: NextCursor


class StockResponse(Response):
    """A product's stock after an adjustment."""

    product_id: str = Field(description="The id of the product.", examples=["1"])
    on_hand: int = Field(description="`available` + `reserved`.", examples=[5010])
    available: int = Field(description="Units that can be ordered now.", examples=[5008])
    reserved: int = Field(description="Units in orders that are not shipped yet.", examples=[2])

    @classmethod
    def of(cls, stock: StockItem) -> "StockResponse":
        return cls(
            product_id=stock.product_id,
            on_hand=stock.available + stock.reserved,
            available=stock.available,
            reserved=stock.reserved,
        )


class UnitsChange(Response):
    """A number of units before and after a movement."""

    before: int = Field(description="Units before.", examples=[10])
    after: int = Field(description="Units after.", examples=[8])


class ListCategoriesQuery(PageQuery):
    """Pages are as long as they can be by default: few shops have more categories."""

    limit: Annotated[int, BeforeValidator(whole_number)] = Field(
        100, ge=1, le=100, description="How many items a page has at most."
    )


class CategoryResponse(Response):
    """A category of products."""

    name: str = Field(description="The category's name.", examples=["Coffee"])
    product_count: int = Field(description="How many products on sale it has.", examples=[7])


class CategoryList(Response):
    """A page of categories."""

    items: list[CategoryResponse] = Field(description="The categories of this page, by name.")
    next_cursor: NextCursor
