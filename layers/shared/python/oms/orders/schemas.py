"""Requests and responses of the order routes."""

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from oms.core.address_schemas import AddressResponse, PostalAddress
from oms.core.money_fields import CurrencyCode, Money, MoneyText, TotalMoney
from oms.core.schemas import (
    NextCursor,
    OptionalText,
    PageQuery,
    ProductId,
    Request,
    RequiredText,
    Response,
    Timestamp,
)
from oms.orders.buyer_schemas import ContactResponse, ExternalRefRequest, ExternalRefResponse, OrderCustomer
from oms.orders.content_schemas import EMPTY_IS_NULL, Metadata, PurchaseOrder, Tags
from oms.orders.filters import OrderFilters
from oms.orders.models import HistoryEntry
from oms.orders.states import OrderStatus

MAX_LINES = 90


class OrderItem(Request):
    """A product to order, with the number of units."""

    product_id: ProductId
    quantity: Annotated[int, Field(ge=1, le=10_000)] = Field(description="The number of units to order.", examples=[2])


class CreateOrderRequest(Request):
    """An order to place or to price. Its total may be at most 10^15 minor units of the currency."""

    # Readers of the document send the example unchanged, so it has no amounts: prices and shipping costs depend on the
    # shop.
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [{"product_id": "1", "quantity": 2}],
                    "shipping_address": {
                        "name": "Alice Moreau",
                        "line1": "12 Rue des Lilas",
                        "line2": "Bâtiment B",
                        "city": "Lyon",
                        "postal_code": "69003",
                        "region": "Auvergne-Rhône-Alpes",
                        "country": "FR",
                    },
                    "note": "Please ring twice.",
                }
            ]
        }
    )

    items: Annotated[list[OrderItem], Field(min_length=1, max_length=MAX_LINES)] = Field(
        description="The products to order. Items of the same product are merged into the first of them."
    )
    shipping_cost: Money = Field(
        0,
        description="The shipping cost that the customer pays. The default is the shop's flat rate, or 0 if it has "
        "none. If the shop has a flat rate, no other value is allowed. If it has a maximum, customers must not "
        "exceed it.",
        examples=["5"],
    )
    shipping_address: PostalAddress | None = Field(
        None, description="The address to which the order is sent. Send null, or omit it, if nothing is shipped."
    )
    billing_address: PostalAddress | None = Field(
        None, description="The address for the invoice. Omit it if it is the shipping address."
    )
    note: OptionalText = Field(None, description="The customer's note to the shop.", examples=["Please ring twice."])
    expected_total: TotalMoney | None = Field(
        None,
        description="The total that the customer has seen, which is `total` of a quote. An order that would cost "
        "more is refused with `price-changed` and the new quote; one that costs less is placed. If it is omitted, "
        "the order is placed at the current prices. A quote ignores it.",
    )
    purchase_order: PurchaseOrder = Field(
        None, description="The number of the customer's own purchase order.", examples=["PO-2026-0117"]
    )
    metadata: Annotated[Metadata | None, EMPTY_IS_NULL] = Field(
        None,
        description="Your own keys and values, at most 50. The system stores them and does not read them. The customer "
        "sees them, and events have them.",
        examples=[{"cart_id": "c-7781"}],
    )
    tags: Annotated[Tags | None, EMPTY_IS_NULL] = Field(
        None,
        description="Words by which the shop sorts its orders, at most 20. They are stored in lower case, sorted, each "
        "once. Customers neither send nor see them.",
        examples=[["gift", "wholesale"]],
    )
    customer: OrderCustomer | None = Field(
        None,
        description="For whom the order is. Service keys and guests must send it, guests with `email`; customers must "
        "not. Without it, the order is the caller's own.",
    )
    external_ref: ExternalRefRequest | None = Field(
        None,
        description="The order's id in another system. Only managers and service keys may send it. A request with the "
        "reference of an earlier order and the same content is a replay of it, also by another sender; with other "
        "content it is refused with `external-ref-taken`. `Idempotency-Key` is not needed with it, and ignored.",
    )

    def stored_contents(self) -> dict[str, Any]:
        """Returns the attributes that an order stores besides its lines and amounts, by name."""
        shipping, billing = self.shipping_address, self.billing_address
        return {
            "shipping_address": shipping.stored() if shipping else None,
            "billing_address": billing.stored() if billing else None,
            "note": self.note,
            "purchase_order": self.purchase_order,
            "metadata": self.metadata,
            "tags": self.tags,
        }


class CancelRequest(Request):
    """The cancellation of an order."""

    reason: OptionalText = Field(
        None,
        description="The reason. It is shown in the order and its history, and mailed to the customer.",
        examples=["Ordered by mistake"],
    )


def _https(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # reading the port checks it
    except ValueError:
        host = None
    # Mails and shop fronts show the URL. User information before the host could pass for the host, and programs parse
    # the other characters in different ways.
    plain = url.isprintable() and not any(character in url for character in ' \\"<>')
    if not host or parts.scheme != "https" or "@" in parts.netloc or not plain:
        raise ValueError("must be a URL that begins with https://")
    return url


class ShipRequest(Request):
    """The shipment of an order."""

    carrier: RequiredText = Field(description="The carrier's name.", examples=["DHL"])
    tracking_number: RequiredText = Field(
        description="The carrier's tracking number of the parcel.", examples=["00340434161094042557"]
    )
    tracking_url: Annotated[str, StringConstraints(max_length=500), AfterValidator(_https)] | None = Field(
        None,
        description="The https URL of a page on which the customer can follow the parcel. It is mailed to the "
        "customer.",
        examples=["https://www.dhl.de/en/privatkunden.html?piececode=00340434161094042557"],
    )


class ReturnRequest(Request):
    """The return of an order's goods."""

    reason: OptionalText = Field(None, description="The reason for the return.", examples=["Wrong size"])
    restock: bool = Field(True, description="Whether the units can be sold again. Default: `true`.", examples=[True])


class ListOrdersQuery(OrderFilters, PageQuery):
    customer_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = Field(
        None, description="Orders of this customer.", examples=["0C8Z4V6T2R9QKX1M5N7P"]
    )


class LineResponse(Response):
    """A line of an order or a quote, with the product as it was at that time."""

    product_id: str = Field(description="The id of the product.", examples=["1"])
    sku: str = Field(description="The product's SKU.", examples=["COF-ESP-1000"])
    name: str = Field(description="The product's name.", examples=["Espresso Beans Monte Chiaro, 1 kg"])
    category: str = Field(
        description="The product's category. It is empty for orders that were placed before this field existed.",
        examples=["Coffee"],
    )
    quantity: int = Field(description="The number of units.", examples=[2])
    unit_price: MoneyText = Field(description="The price of one unit.")
    line_total: MoneyText = Field(description="`quantity` × `unit_price`.", examples=["49.80"])


class ShipmentResponse(Response):
    """The shipment of an order."""

    carrier: str = Field(description="The carrier's name.", examples=["DHL"])
    tracking_number: str = Field(
        description="The carrier's tracking number of the parcel.", examples=["00340434161094042557"]
    )
    tracking_url: str | None = Field(
        description="The URL of a page on which to follow the parcel; null if the shop gave none.",
        examples=["https://www.dhl.de/en/privatkunden.html?piececode=00340434161094042557"],
    )
    shipped_at: Timestamp = Field(description="When the order was marked as shipped.")


_TAGS = Field(
    description="The words by which the shop sorts its orders, in lower case and sorted.",
    examples=[["gift", "wholesale"]],
)


class OrderFields(Response):
    """The fields of an order that its customer, managers and subscribers see."""

    id: str = Field(description="The order's id, for paths.", examples=["0C8Z4V6T2R9QKX1M5N7P"])
    number: str = Field(
        description="The order's number, for people: its date and ten characters of its id.",
        examples=["20260131-0C8Z4V6T2R"],
    )
    status: OrderStatus = Field(description="The current status.")
    customer_id: str | None = Field(
        description="The id of the customer's account; null if the customer has none.",
        examples=["YVT65M7QNAW9TXAQ7PHA"],
    )
    channel: str | None = Field(
        description="The system in which the order was placed: that of `external_ref`; null without one.",
        examples=["amazon-de"],
    )
    external_ref: ExternalRefResponse | None = Field(description="The order's id in another system, if it has one.")
    locale: str | None = Field(
        description="The language of a customer without an account, as a BCP 47 tag, if it is known.",
        examples=["fr-FR"],
    )
    items: list[LineResponse] = Field(description="The lines, at most one for each product.")
    subtotal: MoneyText = Field(description="The sum of the lines.", examples=["49.80"])
    shipping_cost: MoneyText = Field(description="The shipping cost that the customer pays.", examples=["4.90"])
    total: MoneyText = Field(description="`subtotal` + `shipping_cost`.", examples=["54.70"])
    currency: CurrencyCode
    shipping_address: AddressResponse | None = Field(
        description="The address to which the order is sent; null if nothing is shipped."
    )
    note: str | None = Field(description="The customer's note.", examples=["Please ring twice."])
    purchase_order: str | None = Field(
        description="The number of the customer's own purchase order.", examples=["PO-2026-0117"]
    )
    metadata: dict[str, str] = Field(
        description="The keys and values that callers stored on the order.", examples=[{"cart_id": "c-7781"}]
    )
    created_at: Timestamp = Field(description="When the order was placed.")
    updated_at: Timestamp = Field(description="When the order last changed.")
    expires_at: Timestamp | None = Field(
        description="When the order expires and its stock is released; null if it is no longer pending."
    )
    version: int = Field(description="The version, which each change raises; also in the `ETag`.", examples=[1])
    shipment: ShipmentResponse | None = Field(description="The shipment; null before the order is shipped.")
    cancel_reason: str | None = Field(
        description="The reason for the cancellation; null if none was given.", examples=["Ordered by mistake"]
    )


class OrderEventData(OrderFields):
    """An order in an event. The billing address is not in it."""

    tags: list[str] = _TAGS


class UpdatedOrderEventData(OrderEventData):
    """An order whose fields were changed."""

    changed: list[str] = Field(description="The names of the changed fields.", examples=[["shipping_address"]])


class OrderResponse(OrderFields):
    """An order as its customer sees it."""

    billing_address: AddressResponse | None = Field(description="The address for the invoice; null if none was given.")


class CustomerResponse(Response):
    """The customer of an order."""

    email: str = Field(description="The customer's e-mail address.", examples=["alice@demo.example"])
    first_name: str = Field(description="The customer's first name.", examples=["Alice"])
    last_name: str | None = Field(description="The customer's last name.", examples=["Moreau"])


class ManagedOrderResponse(OrderResponse):
    """An order as managers, admins and service keys with the scope `orders:read` see it."""

    tags: list[str] = _TAGS
    customer: CustomerResponse | None = Field(
        description="The customer's account; null if the customer has none, or if it no longer exists."
    )
    contact: ContactResponse | None = Field(
        description="The contact, if the order was placed for a person without an account; else null."
    )


class GuestOrderResponse(OrderResponse):
    """An order as the guest sees it who placed it."""

    contact: ContactResponse | None = Field(description="The contact of the guest.")
    order_token: str | None = Field(
        description="The token of the order: send it as `Authorization: Bearer` to read or cancel this order, for 90 "
        "days. Only the response that places the order has it.",
        examples=[None],
    )


class OrderPage(Response):
    """A page of orders, newest first."""

    items: list[ManagedOrderResponse | OrderResponse] = Field(
        description="The orders of this page. Managers, admins and service keys see the customer too."
    )
    next_cursor: NextCursor


class ShortfallResponse(Response):
    """A product of which fewer units are available than requested."""

    product_id: str = Field(description="The id of the product.", examples=["14"])
    requested: int = Field(description="Units in the request.", examples=[2])
    available: int = Field(description="Units that are available.", examples=[0])


class LineLimitResponse(Response):
    """A line with more units than this customer may order of a product."""

    product_id: str = Field(description="The id of the product.", examples=["7"])
    requested: int = Field(description="Units in the request.", examples=[40])
    allowed: int = Field(description="Units that the customer may order now.", examples=[5])


class UnitsLimitResponse(Response):
    """More units than this customer may order at once."""

    requested: int = Field(description="Units of all lines together.", examples=[320])
    allowed: int = Field(description="Units that one order of the customer may have.", examples=[50])


class ValueLimitResponse(Response):
    """Goods that are worth more than this customer may order at once."""

    requested: MoneyText = Field(
        description="The value of the goods in the request, without shipping.", examples=["310338.10"]
    )
    allowed: MoneyText = Field(
        description="The value that the goods of one order of the customer may have.", examples=["500.00"]
    )


class QuoteResponse(Response):
    """The current price of an order. No stock is reserved, and prices may change before the order is placed."""

    items: list[LineResponse] = Field(description="The priced lines.")
    subtotal: MoneyText = Field(description="The sum of the lines.", examples=["49.80"])
    shipping_cost: MoneyText = Field(description="The shipping cost that the customer pays.", examples=["4.90"])
    total: MoneyText = Field(description="`subtotal` + `shipping_cost`.", examples=["54.70"])
    currency: CurrencyCode
    shortfalls: list[ShortfallResponse] = Field(
        description="The products that are short; an order would be refused. Empty if all are available."
    )
    limits: list[LineLimitResponse] = Field(
        description="The lines that exceed the customer's share of a product's stock; an order would be refused."
    )
    order_units: UnitsLimitResponse | None = Field(
        description="The units, if they are more than the customer may order at once; else null."
    )
    order_value: ValueLimitResponse | None = Field(
        description="The value of the goods, if it is more than the customer may order at once; else null."
    )


class HistoryEntryResponse(Response):
    """A change of an order: of its status, or of some of its fields, which leaves the status as it is."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    from_: OrderStatus | None = Field(
        alias="from", description="The previous status; null for the entry that created the order."
    )
    to: OrderStatus = Field(description="The new status.")
    at: Timestamp = Field(description="When the order changed.")
    actor_id: str = Field(
        description="The id of the user or the service key that changed it, `guest` or `system`.",
        examples=["YVT65M7QNAW9TXAQ7PHA"],
    )
    actor_role: str = Field(
        description="The actor's role at that time: `customer`, `manager`, `admin`, `service`, `guest` or `system`.",
        examples=["customer"],
    )
    reason: str | None = Field(description="The reason; null if none was given.", examples=["Ordered by mistake"])

    changed: list[str] = Field(
        description="The fields that were changed. Empty for a change of the status.", examples=[["shipping_address"]]
    )

    @classmethod
    def of(cls, entry: HistoryEntry) -> "HistoryEntryResponse":
        return cls(
            from_=OrderStatus(entry.from_) if entry.from_ else None,
            to=OrderStatus(entry.to),
            at=entry.at,
            actor_id=entry.actor_id,
            actor_role=entry.actor_role,
            reason=entry.reason,
            changed=entry.changed or [],
        )


class OrderHistory(Response):
    """All changes of an order."""

    items: list[HistoryEntryResponse] = Field(description="The changes, oldest first.")
    next_cursor: NextCursor = None
