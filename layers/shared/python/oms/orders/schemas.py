"""Requests and responses of the order routes."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from oms.core.money_fields import CurrencyCode, Money, MoneyText, TotalMoney
from oms.core.schemas import (
    INVISIBLE_IS_NULL,
    NextCursor,
    PageQuery,
    ProductId,
    Prose,
    Request,
    Response,
    Timestamp,
    VisibleText,
)
from oms.orders.filters import OrderFilters
from oms.orders.models import HistoryEntry
from oms.orders.states import OrderStatus

MAX_LINES = 90

# The officially assigned codes of ISO 3166-1 alpha-2.
_COUNTRY_CODES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
COUNTRIES = frozenset(_COUNTRY_CODES.split())


def _country(code: str) -> str:
    if code not in COUNTRIES:
        raise ValueError("must be an ISO 3166-1 alpha-2 code, such as DE")
    return code


RequiredText = Annotated[str, VisibleText(500)]
OptionalText = Annotated[Annotated[str, Prose(500)] | None, INVISIBLE_IS_NULL]
OptionalLine = Annotated[Annotated[str, Prose(500, one_line=True)] | None, INVISIBLE_IS_NULL]


class ShippingAddress(Request):
    """The address to which an order is sent."""

    name: RequiredText = Field(description="The recipient: a person or a company.", examples=["Alice Moreau"])
    line1: RequiredText = Field(description="Street and number, or a post office box.", examples=["12 Rue des Lilas"])
    line2: OptionalLine = Field(
        None, description="Further lines, such as building, floor or care of.", examples=["Bâtiment B"]
    )
    city: RequiredText = Field(description="The city or town.", examples=["Lyon"])
    postal_code: OptionalLine = Field(
        None, description="The postal code. Omit it for countries that have none, such as HK or AE.", examples=["69003"]
    )
    region: OptionalLine = Field(
        None,
        description="The state, province or county, if addresses of the country have one.",
        examples=["Auvergne-Rhône-Alpes"],
    )
    country: Annotated[str, AfterValidator(_country)] = Field(
        description="The country's ISO 3166-1 alpha-2 code, in capitals.", examples=["FR"]
    )

    def stored(self) -> dict[str, str | None]:
        """Returns the address in the form in which an order stores it.

        A missing postal code becomes empty text, since earlier versions of the code cannot read null there.
        """
        return self.model_dump() | {"postal_code": self.postal_code or ""}


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
    shipping_address: ShippingAddress | None = Field(
        None, description="The address to which the order is sent. Send null, or omit it, if nothing is shipped."
    )
    note: OptionalText = Field(None, description="The customer's note to the shop.", examples=["Please ring twice."])
    expected_total: TotalMoney | None = Field(
        None,
        description="The total that the customer has seen, which is `total` of a quote. An order that would cost "
        "more is refused with `price-changed` and the new quote; one that costs less is placed. If it is omitted, "
        "the order is placed at the current prices. A quote ignores it.",
    )


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


class AddressResponse(Response):
    """The address to which an order is sent."""

    name: str = Field(description="The recipient.", examples=["Alice Moreau"])
    line1: str = Field(description="Street and number, or a post office box.", examples=["12 Rue des Lilas"])
    line2: str | None = Field(description="Further lines, such as building, floor or care of.", examples=["Bâtiment B"])
    city: str = Field(description="The city or town.", examples=["Lyon"])
    postal_code: str | None = Field(
        description="The postal code; null in countries that have none.", examples=["69003"]
    )
    region: str | None = Field(description="State, province or county.", examples=["Auvergne-Rhône-Alpes"])
    country: str = Field(description="The country's ISO 3166-1 alpha-2 code.", examples=["FR"])


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


class OrderResponse(Response):
    """An order as its customer sees it."""

    id: str = Field(description="The order's id, for paths.", examples=["0C8Z4V6T2R9QKX1M5N7P"])
    number: str = Field(
        description="The order's number, for people: its date and ten characters of its id.",
        examples=["20260131-0C8Z4V6T2R"],
    )
    status: OrderStatus = Field(description="The current status.")
    customer_id: str = Field(description="The id of the user who placed the order.", examples=["YVT65M7QNAW9TXAQ7PHA"])
    items: list[LineResponse] = Field(description="The lines, at most one for each product.")
    subtotal: MoneyText = Field(description="The sum of the lines.", examples=["49.80"])
    shipping_cost: MoneyText = Field(description="The shipping cost that the customer pays.", examples=["4.90"])
    total: MoneyText = Field(description="`subtotal` + `shipping_cost`.", examples=["54.70"])
    currency: CurrencyCode
    shipping_address: AddressResponse | None = Field(
        description="The address to which the order is sent; null if nothing is shipped."
    )
    note: str | None = Field(description="The customer's note.", examples=["Please ring twice."])
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


class CustomerResponse(Response):
    """The customer of an order."""

    email: str = Field(description="The customer's e-mail address.", examples=["alice@demo.example"])
    first_name: str = Field(description="The customer's first name.", examples=["Alice"])
    last_name: str | None = Field(description="The customer's last name.", examples=["Moreau"])


class ManagedOrderResponse(OrderResponse):
    """An order as managers, admins and service keys with the scope `orders:read` see it."""

    customer: CustomerResponse | None = Field(
        description="The user who placed the order; null if the account no longer exists."
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
    """A change of an order's status."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    from_: OrderStatus | None = Field(
        alias="from", description="The previous status; null for the entry that created the order."
    )
    to: OrderStatus = Field(description="The new status.")
    at: Timestamp = Field(description="When the status changed.")
    actor_id: str = Field(
        description="The id of the user who changed it, or `system`.", examples=["YVT65M7QNAW9TXAQ7PHA"]
    )
    actor_role: str = Field(
        description="The actor's role at that time: `customer`, `manager`, `admin`, `service` or `system`.",
        examples=["customer"],
    )
    reason: str | None = Field(description="The reason; null if none was given.", examples=["Ordered by mistake"])

    @classmethod
    def of(cls, entry: HistoryEntry) -> "HistoryEntryResponse":
        return cls(
            from_=OrderStatus(entry.from_) if entry.from_ else None,
            to=OrderStatus(entry.to),
            at=entry.at,
            actor_id=entry.actor_id,
            actor_role=entry.actor_role,
            reason=entry.reason,
        )


class OrderHistory(Response):
    """All changes of an order's status."""

    items: list[HistoryEntryResponse] = Field(description="The changes, oldest first.")
    next_cursor: NextCursor = None
