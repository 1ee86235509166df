"""The requests and responses of the inventory routes."""

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from oms.core import texts
from oms.core.money_fields import CurrencyCode, Money, MoneyText, QueryMoney
from oms.core.schemas import (
    INVISIBLE_IS_NULL,
    Flag,
    KeyName,
    NextCursor,
    OneOf,
    PageQuery,
    PartialRequest,
    Prose,
    Request,
    Response,
    TextPattern,
    Timestamp,
    ValueList,
    VisibleText,
    whole_number,
)

MAX_UNITS = 10**9
MAX_SHARDS = 256

Sku = Annotated[str, TextPattern(r"[\x21-\x7e]{1,64}", "must be 1 to 64 visible ASCII characters, without blanks")]
Name = Annotated[str, VisibleText(200)]
CategoryName = Annotated[str, KeyName(100)]
Description = Annotated[Annotated[str, Prose(5000)] | None, INVISIBLE_IS_NULL]
AttributeText = Annotated[str, StringConstraints(max_length=500)]
# Not normalized: if two names became equal, one of their values would be lost.
AttributeName = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(texts.visible)]
Attributes = Annotated[dict[AttributeName, AttributeText], Field(max_length=50)]
Units = Annotated[int, Field(ge=0, le=MAX_UNITS)]
type ProductStatus = Annotated[
    Literal["active", "archived"],
    Field(description="`active`: on sale; `archived`: hidden from customers, and cannot be ordered."),
]
ProductStatuses = Annotated[tuple[Annotated[str, OneOf(("active", "archived"))], ...], ValueList()]
type ProductSort = Annotated[
    Literal["name", "-name", "price", "-price", "created_at", "-created_at"],
    Field(description="The sort order of products; `-` means descending."),
]


class ProductFields(Request):
    """The fields of both requests, to create and to replace a product."""

    sku: Sku = Field(
        description="The shop's own key of the product. It is unique regardless of upper and lower case, and cannot "
        "be changed later.",
        examples=["COF-TRY-0250"],
    )
    name: Name = Field(description="The product's name.", examples=["Espresso Beans Sampler, 250 g"])
    description: Description = Field(None, description="Information for customers.", examples=["Three roasts to try."])
    category: CategoryName = Field(
        description="The category. A new name creates a category.",
        examples=["Coffee"],
    )
    price: Money = Field(
        description="The price of one unit. Existing orders keep the price at which they were placed.", examples=["10"]
    )
    low_stock_threshold: Units | None = Field(
        None,
        description="The number of available units at or below which the product is low and `stock.low` is "
        "published. If it is omitted or null, the product is never low.",
        examples=[5],
    )
    attributes: Attributes = Field(
        default_factory=dict, description="Your own names and values, at most 50.", examples=[{"roast": "medium"}]
    )


class CreateProductRequest(ProductFields):
    """A product to create."""

    stock: Units = Field(0, description="The units on hand at creation. Default: 0.", examples=[100])


class ReplaceProductRequest(ProductFields):
    """All editable fields of a product. Omitted optional fields are reset."""

    status: ProductStatus = Field(
        description="`archived` takes the product off sale: customers do not see it and cannot order it.",
        examples=["active"],
    )


class UpdateProductRequest(PartialRequest):
    """Fields to change. Omitted fields are unchanged; null clears a field."""

    name: Name = Field(
        default_factory=str, description="The product's name.", examples=["Espresso Beans Sampler, 250 g"]
    )
    description: Description = Field(
        None,
        description="Information for customers; null clears it.",
        examples=["Three roasts to try."],
    )
    category: CategoryName = Field(
        default_factory=str, description="The category. A new name creates a category.", examples=["Coffee"]
    )
    price: Money = Field(
        default_factory=int,
        description="The price of one unit. Existing orders keep the price at which they were placed.",
        examples=["10"],
    )
    low_stock_threshold: Units | None = Field(
        None,
        description="The number of available units at or below which the product is low and `stock.low` is "
        "published; null: the product is never low.",
        examples=[5],
    )
    attributes: Attributes | None = Field(
        None,
        description="All your own names and values, at most 50. Omitted names are removed; null removes all.",
        examples=[{"roast": "medium"}],
    )
    status: ProductStatus = Field(
        default_factory=lambda: "active",
        description="`archived` takes the product off sale: customers do not see it and cannot order it.",
        examples=["active"],
    )


class SetShardsRequest(Request):
    """The number of a product's shards."""

    shards: Annotated[int, Field(ge=1, le=MAX_SHARDS)] = Field(
        description="The number of stock items over which the available units are spread. Each allows about 50 orders "
        "a second.",
        examples=[16],
    )


class ListProductsQuery(PageQuery):
    category: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = Field(
        None,
        description="Products of this category, or of several, separated by commas. Forms of blanks and accents do "
        "not matter.",
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
    min_price: QueryMoney | None = Field(
        None,
        description="Only products that cost at least this much. The list is then sorted by price.",
        examples=["10"],
    )
    max_price: QueryMoney | None = Field(
        None,
        description="Only products that cost at most this much. The list is then sorted by price.",
        examples=["50"],
    )
    in_stock: Flag | None = Field(
        None, description="`true`: products with available units; `false`: products without.", examples=[True]
    )
    low_stock: Flag | None = Field(
        None,
        description="`true`: products whose available units are at or below their low-stock threshold; `false`: all "
        "others.",
        examples=[True],
    )
    status: ProductStatuses | None = Field(
        None, description="Products with one of these statuses. The default is those on sale."
    )
    sort: ProductSort | None = Field(
        None,
        description="The sort order; `-` means descending. Some filters cannot be combined with it: the response is "
        "a 422 that names them.",
        examples=["price"],
    )

    @field_validator("max_price")
    @classmethod
    def _in_order(cls, most: int | None, others: ValidationInfo) -> int | None:
        least = others.data.get("min_price")
        if most is not None and least is not None and least > most:
            raise ValueError("must not be below min_price")
        return most


class PublicProductResponse(Response):
    """A product as readers without a token see it."""

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
    created_at: Timestamp = Field(description="When the product was created.")
    updated_at: Timestamp = Field(description="When the editable fields last changed.")


class ProductResponse(PublicProductResponse):
    """A product as customers see it."""

    version: int = Field(
        description="The version, which each change of the editable fields raises, but not a change of stock; also "
        "in the `ETag`.",
        examples=[1],
    )


class ManagedProductResponse(ProductResponse):
    """A product as managers and admins see it."""

    reserved: int = Field(description="Units in orders that are not shipped yet.", examples=[2])
    on_hand: int = Field(description="`available` + `reserved`.", examples=[5000])
    low_stock_threshold: int | None = Field(
        description="The number of available units at or below which the product is low; null: the product is never "
        "low.",
        examples=[5],
    )
    shards: int = Field(
        description="The number of stock items over which the available units are spread.", examples=[1]
    )
    stock_version: int = Field(
        description="The version of the stock, which each change of its units raises; a count can name it as "
        "`if_version`.",
        examples=[7],
    )


class ProductPage(Response):
    """A page of products."""

    items: list[ManagedProductResponse | ProductResponse | PublicProductResponse] = Field(
        description="The products of this page. Managers and admins see their stock in full, and readers without a "
        "token no `version`."
    )
    next_cursor: NextCursor


class UnitsChange(Response):
    """A number of units before and after a movement."""

    before: int = Field(description="The number before.", examples=[10])
    after: int = Field(description="The number after.", examples=[8])


class ListCategoriesQuery(PageQuery):
    """The default page has the maximum length, since few shops have more categories."""

    limit: Annotated[int, BeforeValidator(whole_number)] = Field(
        100, ge=1, le=100, description="The maximum number of items on a page."
    )


class CategoryResponse(Response):
    """A category of products."""

    name: str = Field(description="The category's name.", examples=["Coffee"])
    product_count: int = Field(description="The number of its products that are on sale.", examples=[7])


class CategoryList(Response):
    """A page of categories."""

    items: list[CategoryResponse] = Field(description="The categories of this page, by name.")
    next_cursor: NextCursor
