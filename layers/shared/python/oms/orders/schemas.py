"""Requests and responses of the order routes."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from oms.core.money import CurrencyCode, Money, MoneyText, TotalMoney, to_text
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
from oms.orders.models import HistoryEntry, OrderLine
from oms.orders.states import OrderStatus

MAX_LINES = 90

# ISO 3166-1 alpha-2, officially assigned.
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
    """Where to send an order."""

    name: RequiredText = Field(description="The recipient: a person or a company.", examples=["Alice Moreau"])
    line1: RequiredText = Field(description="Street and number, or a post office box.", examples=["12 Rue des Lilas"])
    line2: OptionalLine = Field(
        None, description="Anything that `line1` does not hold: building, floor, care of.", examples=["Bâtiment B"]
    )
    city: RequiredText = Field(description="The city or town.", examples=["Lyon"])
    postal_code: OptionalLine = Field(
        None, description="The postal code. Left out in countries that have none, such as HK or AE.", examples=["69003"]
    )
    region: OptionalLine = Field(
        None,
        description="State, province or county, where the country uses one in addresses.",
        examples=["Auvergne-Rhône-Alpes"],
    )
    country: Annotated[str, AfterValidator(_country)] = Field(
        description="The country's ISO 3166-1 alpha-2 code, in capitals.", examples=["FR"]
    )

    def stored(self) -> dict[str, str | None]:
        """The address as an order stores it. A missing postal code becomes empty text, since earlier versions of the
        code cannot read null there.
        """
        return self.model_dump() | {"postal_code": self.postal_code or ""}


class OrderItem(Request):
    """Units of one product."""

    product_id: ProductId
    quantity: Annotated[int, Field(ge=1, le=10_000)] = Field(description="How many units to order.", examples=[2])


class CreateOrderRequest(Request):
    """An order to place or to price. Its total may be at most 10^15 minor units of the currency."""

    # Viewers of the document send the example unchanged. It has no amounts, since prices and shipping costs depend on
    # the shop.
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
        description="The products to order. Items of the same product are merged at the position of the first."
    )
    shipping_cost: Money = Field(
        0,
        description="The shipping cost for the customer. If it is not sent, it is the shop's flat rate if there is "
        "one, else 0. A customer may not exceed the shop's maximum, and may only send the flat rate if there is one.",
        examples=["5"],
    )
    shipping_address: ShippingAddress | None = Field(
        None, description="Where to send the order; null or not sent if nothing is shipped."
    )
    note: OptionalText = Field(None, description="A note of the customer to the shop.", examples=["Please ring twice."])
    expected_total: TotalMoney | None = Field(
        None,
        description="The total that the customer has seen: `total` of a quote. An order that would cost more is "
        "refused with `price-changed` and the new quote; one that costs less is placed. If it is not sent, the order "
        "is placed at the prices of the moment. A quote ignores it.",
    )


class CancelRequest(Request):
    """Why an order is cancelled."""

    reason: OptionalText = Field(
        None,
        description="Shown in the order and its history, and mailed to the customer.",
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
    """How an order was sent."""

    carrier: RequiredText = Field(description="The carrier's name.", examples=["DHL"])
    tracking_number: RequiredText = Field(
        description="The carrier's number of the parcel.", examples=["00340434161094042557"]
    )
    tracking_url: Annotated[str, StringConstraints(max_length=500), AfterValidator(_https)] | None = Field(
        None,
        description="Where the customer can follow the parcel: an https URL. It is mailed to the customer.",
        examples=["https://www.dhl.de/en/privatkunden.html?piececode=00340434161094042557"],
    )


class ReturnRequest(Request):
    """The return of an order's goods."""

    reason: OptionalText = Field(None, description="Why the goods came back.", examples=["Wrong size"])
    restock: bool = Field(
        True, description="Whether the units can be sold again. If it is not sent, they can.", examples=[True]
    )


class ListOrdersQuery(OrderFilters, PageQuery):
    customer_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = Field(
        None, description="Orders of this customer.", examples=["0C8Z4V6T2R9QKX1M5N7P"]
    )


class LineResponse(Response):
    """A line of an order or a quote, with the product as it was then."""

    product_id: str = Field(description="The id of the product.", examples=["1"])
    sku: str = Field(description="The product's SKU.", examples=["COF-ESP-1000"])
    name: str = Field(description="The product's name.", examples=["Espresso Beans Monte Chiaro, 1 kg"])
    category: str = Field(
        description="The product's category. It is empty in orders that are older than this field.", examples=["Coffee"]
    )
    quantity: int = Field(description="How many units.", examples=[2])
    unit_price: MoneyText = Field(description="The price of one unit.")
    line_total: MoneyText = Field(description="`quantity` × `unit_price`.", examples=["49.80"])

    @classmethod
    def of(cls, line: OrderLine) -> "LineResponse":
        return cls(
            product_id=line.product_id,
            sku=line.sku,
            name=line.name,
            category=line.category,
            quantity=line.quantity,
            unit_price=to_text(line.unit_price),
            line_total=to_text(line.unit_price * line.quantity),
        )


class AddressResponse(Response):
    """Where an order is sent."""

    name: str = Field(description="The recipient.", examples=["Alice Moreau"])
    line1: str = Field(description="Street and number, or a post office box.", examples=["12 Rue des Lilas"])
    line2: str | None = Field(description="Building, floor or care of.", examples=["Bâtiment B"])
    city: str = Field(description="The city or town.", examples=["Lyon"])
    postal_code: Annotated[str | None, BeforeValidator(lambda code: code or None)] = Field(
        description="The postal code; null in countries that have none.", examples=["69003"]
    )
    region: str | None = Field(description="State, province or county.", examples=["Auvergne-Rhône-Alpes"])
    country: str = Field(description="The country's ISO 3166-1 alpha-2 code.", examples=["FR"])


class ShipmentResponse(Response):
    """How an order was sent."""

    carrier: str = Field(description="The carrier's name.", examples=["DHL"])
    tracking_number: str = Field(description="The carrier's number of the parcel.", examples=["00340434161094042557"])
    tracking_url: str | None = Field(
        description="Where to follow the parcel, if the shop named a page.",
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
    status: OrderStatus = Field(description="Where the order is now.")
    customer_id: str = Field(description="The user who placed it.", examples=["YVT65M7QNAW9TXAQ7PHA"])
    items: list[LineResponse] = Field(description="Its lines, at most one for each product.")
    subtotal: MoneyText = Field(description="The sum of its lines.", examples=["49.80"])
    shipping_cost: MoneyText = Field(description="The shipping cost for the customer.", examples=["4.90"])
    total: MoneyText = Field(description="`subtotal` + `shipping_cost`.", examples=["54.70"])
    currency: CurrencyCode
    shipping_address: AddressResponse | None = Field(description="Where it is sent; null if nothing is shipped.")
    note: str | None = Field(description="The customer's note.", examples=["Please ring twice."])
    created_at: Timestamp = Field(description="When it was placed.")
    updated_at: Timestamp = Field(description="When it changed last.")
    expires_at: Timestamp | None = Field(
        description="Until when its stock is reserved if it is not confirmed; null once it is no longer pending."
    )
    version: int = Field(description="Raised by each change; also in the `ETag`.", examples=[1])
    shipment: ShipmentResponse | None = Field(description="How it was sent; null before that.")
    cancel_reason: str | None = Field(
        description="Why it was cancelled, if a reason was given.", examples=["Ordered by mistake"]
    )


class CustomerResponse(Response):
    """The customer of an order."""

    email: str = Field(description="The customer's e-mail address.", examples=["alice@demo.example"])
    first_name: str = Field(description="The customer's first name.", examples=["Alice"])
    last_name: str | None = Field(description="The customer's last name.", examples=["Moreau"])


class ManagedOrderResponse(OrderResponse):
    """An order as managers and admins see it."""

    customer: CustomerResponse | None = Field(
        description="The user who placed it; null if the account no longer exists."
    )


class OrderPage(Response):
    """A page of orders, newest first."""

    items: list[ManagedOrderResponse | OrderResponse] = Field(
        description="The orders of this page. Managers and admins see the customer too."
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
    allowed: int = Field(description="Units that the customer may have in one order.", examples=[50])


class ValueLimitResponse(Response):
    """Goods of more value than this customer may order at once."""

    requested: MoneyText = Field(
        description="The value of the goods in the request, without shipping.", examples=["310338.10"]
    )
    allowed: MoneyText = Field(description="The value that the goods of one order may have.", examples=["500.00"])


class QuoteResponse(Response):
    """The current price of an order. No stock is reserved, and prices may change before the order is placed."""

    items: list[LineResponse] = Field(description="The priced lines.")
    subtotal: MoneyText = Field(description="The sum of the lines.", examples=["49.80"])
    shipping_cost: MoneyText = Field(description="The shipping cost for the customer.", examples=["4.90"])
    total: MoneyText = Field(description="`subtotal` + `shipping_cost`.", examples=["54.70"])
    currency: CurrencyCode
    shortfalls: list[ShortfallResponse] = Field(
        description="Products that are short; an order of them would be refused. Empty if all are available."
    )
    limits: list[LineLimitResponse] = Field(
        description="Lines over the customer's share of a product's stock; an order with them is refused."
    )
    order_units: UnitsLimitResponse | None = Field(
        description="Set if there are more units than the customer may order at once."
    )
    order_value: ValueLimitResponse | None = Field(
        description="Set if the goods are worth more than the customer may order at once."
    )


class HistoryEntryResponse(Response):
    """A change of an order's status."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    from_: OrderStatus | None = Field(
        alias="from", description="The status before; null for the entry that created the order."
    )
    to: OrderStatus = Field(description="The status after it.")
    at: Timestamp = Field(description="When it happened.")
    actor_id: str = Field(description="The user who did it, or `system`.", examples=["YVT65M7QNAW9TXAQ7PHA"])
    actor_role: str = Field(
        description="The role in which they did it: `customer`, `manager`, `admin` or `system`.", examples=["customer"]
    )
    reason: str | None = Field(description="The reason that was given, if any.", examples=["Ordered by mistake"])

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
