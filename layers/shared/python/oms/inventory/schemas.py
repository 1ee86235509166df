"""What inventory routes take and give."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationInfo, field_validator

from oms import texts
from oms.inventory.models import Movement, Product, StockItem
from oms.money import Money, to_text
from oms.schemas import (
    Flag,
    Form,
    KeyName,
    PageQuery,
    PartialRequest,
    Request,
    Response,
    VisibleText,
    any_of,
    whole_number,
)
from oms.settings import settings

MAX_UNITS = 10**9

Sku = Annotated[str, Form(r"[\x21-\x7e]{1,64}", "must be 1 to 64 visible ASCII characters, without blanks")]
Name = Annotated[str, VisibleText(200)]
CategoryName = Annotated[str, KeyName(100)]
Description = Annotated[str, StringConstraints(max_length=5000)]
AttributeText = Annotated[str, StringConstraints(max_length=500)]
# As it is: two names that only a change makes one would be one value less.
AttributeName = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(texts.visible)]
Attributes = Annotated[dict[AttributeName, AttributeText], Field(max_length=50)]
Units = Annotated[int, Field(ge=0, le=MAX_UNITS)]
Sort = Literal["name", "-name", "price", "-price", "created_at", "-created_at"]


class ProductText(Request):
    """What creating and replacing a product have in common."""

    sku: Sku
    name: Name
    description: Description | None = None
    category: CategoryName
    price: Money
    low_stock_threshold: Units | None = None
    attributes: Attributes = Field(default_factory=dict)


class CreateProductRequest(ProductText):
    stock: Units = 0


class ReplaceProductRequest(ProductText):
    status: Literal["active", "archived"]


class UpdateProductRequest(PartialRequest):
    """What is left out stays; null clears the description, the low-stock threshold and the attributes."""

    name: Name = Field(default_factory=str)
    description: Description | None = None
    category: CategoryName = Field(default_factory=str)
    price: Money = Field(default_factory=int)
    low_stock_threshold: Units | None = None
    attributes: Attributes | None = Field(None, description="All of them: those left out are removed")
    status: Literal["active", "archived"] = Field(default_factory=lambda: "active")


def _not_zero(adjustment: int) -> int:
    if adjustment == 0:
        raise ValueError("must not be 0")
    return adjustment


class AdjustStockRequest(Request):
    adjustment: Annotated[int, Field(ge=-MAX_UNITS, le=MAX_UNITS), AfterValidator(_not_zero)]
    reason: Annotated[str, VisibleText(500)]


class ListProductsQuery(PageQuery):
    category: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = Field(
        None, description="The name, in any form of blanks and accents; several are separated by commas"
    )
    q: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        None, description="How the name begins, whatever the case; sorts by name"
    )
    sku: Sku | None = Field(None, description="How the SKU begins, whatever the case; sorts by SKU")
    min_price: Money | None = Field(None, description="Sorts by price")
    max_price: Money | None = Field(None, description="Sorts by price")
    in_stock: Flag | None = Field(None, description="Whether units are available")
    low_stock: Flag | None = Field(None, description="Whether no more than the low-stock threshold are available")
    status: any_of("active", "archived") | None = None  # type: ignore[valid-type]
    sort: Sort | None = None

    @field_validator("max_price")
    @classmethod
    def _in_order(cls, most: int | None, others: ValidationInfo) -> int | None:
        least = others.data.get("min_price")
        if most is not None and least is not None and least > most:
            raise ValueError("must not be below min_price")
        return most


class ProductResponse(Response):
    id: str
    sku: str
    name: str
    description: str | None
    category: str
    price: str
    currency: str
    attributes: dict[str, str]
    status: Literal["active", "archived"]
    available: int
    version: int
    created_at: str
    updated_at: str


class ManagedProductResponse(ProductResponse):
    """A product as managers and admins see it."""

    reserved: int
    on_hand: int
    low_stock_threshold: int | None


def product_response(product: Product, stock: StockItem) -> ProductResponse:
    """A product as customers see it."""
    return ProductResponse(**_seen_by_all(product, stock))


def managed_product_response(product: Product, stock: StockItem) -> ManagedProductResponse:
    return ManagedProductResponse(
        **_seen_by_all(product, stock),
        reserved=stock.reserved,
        on_hand=stock.available + stock.reserved,
        low_stock_threshold=stock.low_stock_threshold,
    )


def _seen_by_all(product: Product, stock: StockItem) -> dict[str, Any]:
    return {
        "id": product.id,
        "sku": product.sku,
        "name": product.name,
        "description": product.description,
        "category": product.category,
        "price": to_text(product.price),
        "currency": settings().currency,
        "attributes": product.attributes,
        "status": product.status,
        "available": stock.available,
        "version": product.version,
        "created_at": product.created_at,
        "updated_at": product.updated_at,
    }


class ProductPage(Response):
    items: list[ManagedProductResponse | ProductResponse]
    next_cursor: str | None


class StockResponse(Response):
    product_id: str
    on_hand: int
    available: int
    reserved: int

    @classmethod
    def of(cls, stock: StockItem) -> "StockResponse":
        return cls(
            product_id=stock.product_id,
            on_hand=stock.available + stock.reserved,
            available=stock.available,
            reserved=stock.reserved,
        )


class UnitsMoved(Response):
    before: int
    after: int


class MovementResponse(Response):
    """One line of the stock book. `version` is the stock item's after it; `ref` names the order or adjustment."""

    version: int
    at: str
    cause: str
    actor: str
    ref: str
    available: UnitsMoved
    reserved: UnitsMoved

    @classmethod
    def of(cls, movement: Movement) -> "MovementResponse":
        return cls(
            version=movement.version,
            at=movement.at,
            cause=movement.cause,
            actor=movement.actor,
            ref=movement.ref,
            available=UnitsMoved(before=movement.available_before, after=movement.available_after),
            reserved=UnitsMoved(before=movement.reserved_before, after=movement.reserved_after),
        )


class MovementPage(Response):
    items: list[MovementResponse]
    next_cursor: str | None


class ListCategoriesQuery(PageQuery):
    """Pages are as long as they can be by default: few shops have more categories."""

    limit: Annotated[int, BeforeValidator(whole_number)] = Field(100, ge=1, le=100)


class CategoryResponse(Response):
    name: str
    product_count: int


class CategoryList(Response):
    items: list[CategoryResponse]
    next_cursor: str | None
