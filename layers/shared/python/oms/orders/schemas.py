"""What order routes take and give."""

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from oms import texts
from oms.money import Money, TotalMoney, to_text
from oms.orders.models import HistoryEntry, Line, Order
from oms.orders.states import Status
from oms.schemas import From, PageQuery, ProductId, Request, Response, Span, To, VisibleText, any_of
from oms.settings import settings

if TYPE_CHECKING:
    from oms.identity.models import User
    from oms.orders.pricing import Quote

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


Text = Annotated[str, StringConstraints(max_length=500)]
RequiredText = Annotated[str, VisibleText(500)]
OptionalLine = Annotated[Text, AfterValidator(texts.one_line)]


class ShippingAddress(Request):
    name: RequiredText
    line1: RequiredText
    line2: OptionalLine | None = None
    city: RequiredText
    postal_code: RequiredText | None = Field(
        None, description="Left out in countries that have none, such as HK or AE", examples=["10625"]
    )
    region: OptionalLine | None = None
    country: Annotated[str, AfterValidator(_country), Field(description="ISO 3166-1 alpha-2", examples=["DE"])]

    def stored(self) -> dict[str, str | None]:
        """As an order keeps it. A postal code that there is none of is empty: versions from when it was required read
        no null.
        """
        return self.model_dump() | {"postal_code": self.postal_code or ""}


class OrderItem(Request):
    product_id: ProductId
    quantity: Annotated[int, Field(ge=1, le=10_000)]


class CreateOrderRequest(Request):
    """Also the body of a quote. Items of one product are merged at its first position.

    The total with shipping may be at most 10^15 minor units of the currency.
    """

    items: Annotated[list[OrderItem], Field(min_length=1, max_length=MAX_LINES)]
    shipping_cost: Money = 0
    shipping_address: ShippingAddress | None = None
    note: Text | None = None
    expected_total: TotalMoney | None = Field(
        None,
        description="The total that the customer has seen. An order that would cost more is refused with "
        "`price-changed` and the new quote; one that costs less is placed. A quote ignores it.",
        examples=["58.90"],
    )


class CancelRequest(Request):
    reason: Text | None = None


def _https(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # reading the port checks it
    except ValueError:
        host = None
    # It stands in mails and shop fronts: no name before the host that passes for it, nothing that readers take apart
    # in different ways.
    plain = url.isprintable() and not any(character in url for character in ' \\"<>')
    if not host or parts.scheme != "https" or "@" in parts.netloc or not plain:
        raise ValueError("must be a URL that begins with https://")
    return url


class ShipRequest(Request):
    carrier: RequiredText
    tracking_number: RequiredText
    tracking_url: Annotated[Text, AfterValidator(_https)] | None = None


class ReturnRequest(Request):
    reason: Text | None = None
    restock: bool = Field(True, description="Whether the units can be sold again")


class ListOrdersQuery(Span, PageQuery):
    status: any_of(*Status) | None = None  # type: ignore[valid-type]
    from_: From | None = Field(None, alias="from")
    to: To | None = None
    customer_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None


class LineResponse(Response):
    product_id: str
    sku: str
    name: str
    category: str = Field(description="As it was when the order was placed; empty in orders from before it was kept")
    quantity: int
    unit_price: str
    line_total: str

    @classmethod
    def of(cls, line: Line) -> "LineResponse":
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
    name: str
    line1: str
    line2: str | None
    city: str
    postal_code: Annotated[str | None, BeforeValidator(lambda code: code or None)]
    region: str | None
    country: str


class ShipmentResponse(Response):
    carrier: str
    tracking_number: str
    tracking_url: str | None
    shipped_at: str


class OrderResponse(Response):
    id: str
    number: str
    status: Status
    customer_id: str
    items: list[LineResponse]
    subtotal: str
    shipping_cost: str
    total: str
    currency: str
    shipping_address: AddressResponse | None
    note: str | None
    created_at: str
    updated_at: str
    expires_at: str | None
    version: int
    shipment: ShipmentResponse | None
    cancel_reason: str | None


class CustomerResponse(Response):
    email: str
    first_name: str
    last_name: str | None


class ManagedOrderResponse(OrderResponse):
    """An order as managers and admins see it."""

    customer: CustomerResponse | None


def order_response(order: Order) -> OrderResponse:
    """An order as its customer sees it."""
    return OrderResponse(**_seen_by_all(order))


def managed_order_response(order: Order, customer: "User | None") -> ManagedOrderResponse:
    shown = (
        CustomerResponse(email=customer.email, first_name=customer.first_name, last_name=customer.last_name)
        if customer
        else None
    )
    return ManagedOrderResponse(**_seen_by_all(order), customer=shown)


def _seen_by_all(order: Order) -> dict[str, Any]:
    return {
        "id": order.id,
        "number": order.number,
        "status": Status(order.status),
        "customer_id": order.customer_id,
        "items": [LineResponse.of(line) for line in order.lines],
        "subtotal": to_text(order.subtotal),
        "shipping_cost": to_text(order.shipping_cost),
        "total": to_text(order.total),
        "currency": order.currency,
        "shipping_address": AddressResponse(**order.shipping_address) if order.shipping_address else None,
        "note": order.note,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
        "expires_at": order.expires_at,
        "version": order.version,
        "shipment": ShipmentResponse.model_validate(order.shipment, from_attributes=True) if order.shipment else None,
        "cancel_reason": order.cancel_reason,
    }


class OrderPage(Response):
    items: list[ManagedOrderResponse | OrderResponse]
    next_cursor: str | None


class ShortfallResponse(Response):
    product_id: str
    requested: int
    available: int


class LineLimitResponse(Response):
    """A line with more units than this customer may order of a product."""

    product_id: str = Field(examples=["7"])
    requested: int = Field(description="Units in the request", examples=[40])
    allowed: int = Field(description="Units that the customer may order now", examples=[5])


class UnitsLimitResponse(Response):
    requested: int = Field(description="Units of all lines together", examples=[320])
    allowed: int = Field(description="Units that the customer may have in one order", examples=[50])


class ValueLimitResponse(Response):
    requested: str = Field(description="The goods of the request, without shipping", examples=["310338.10"])
    allowed: str = Field(description="The goods that the customer may have in one order", examples=["500.00"])


class QuoteResponse(Response):
    items: list[LineResponse]
    subtotal: str
    shipping_cost: str
    total: str
    currency: str
    shortfalls: list[ShortfallResponse]
    limits: list[LineLimitResponse] = Field(
        description="Lines over the customer's share of a product's stock; an order with them is refused"
    )
    order_units: UnitsLimitResponse | None = Field(
        description="Set where the order has more units than the customer may order at once"
    )
    order_value: ValueLimitResponse | None = Field(
        description="Set where the goods are worth more than the customer may order at once"
    )

    @classmethod
    def of(cls, quote: "Quote") -> "QuoteResponse":
        return cls(
            items=[LineResponse.of(draft.line()) for draft in quote.priced.drafts],
            subtotal=to_text(quote.priced.subtotal),
            shipping_cost=to_text(quote.priced.shipping_cost),
            total=to_text(quote.priced.total),
            currency=settings().currency,
            shortfalls=[
                ShortfallResponse(product_id=draft.product_id, requested=draft.quantity, available=available)
                for draft, available in quote.short
            ],
            **quote.excess.members(),
        )


class HistoryEntryResponse(Response):
    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    from_: Status | None = Field(alias="from")
    to: Status
    at: str
    actor_id: str
    actor_role: str
    reason: str | None

    @classmethod
    def of(cls, entry: HistoryEntry) -> "HistoryEntryResponse":
        return cls(
            from_=Status(entry.from_) if entry.from_ else None,
            to=Status(entry.to),
            at=entry.at,
            actor_id=entry.actor_id,
            actor_role=entry.actor_role,
            reason=entry.reason,
        )


class OrderHistory(Response):
    items: list[HistoryEntryResponse]
    next_cursor: None = None
