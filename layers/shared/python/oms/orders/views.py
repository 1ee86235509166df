"""Responses that show orders and quotes. Managers and admins also see the customer."""

from collections.abc import Iterable
from typing import Any

from pydantic_core import to_json

from oms.core.address_schemas import shown_address
from oms.core.dynamodb import batch_get
from oms.core.guests import Guest, token_of_order
from oms.core.money import to_text
from oms.core.schemas import Shown
from oms.core.settings import settings
from oms.identity.models import User, user_key
from oms.orders.models import Order, OrderLine, Shipment
from oms.orders.pricing import Quote
from oms.orders.schemas import (
    LineResponse,
    OrderEventData,
    OrderResponse,
    QuoteResponse,
    ShipmentResponse,
    ShortfallResponse,
)
from oms.orders.states import OrderStatus

# The stored attributes that the view reads.
VIEW_ATTRIBUTES = frozenset(
    (
        *("id", "number", "status", "customer_id", "contact", "external_ref"),
        *("lines", "subtotal", "shipping_cost", "total", "currency"),
        *("shipping_address", "billing_address", "note", "purchase_order", "metadata", "tags"),
        *("created_at", "updated_at", "expires_at", "version", "shipment", "cancel_reason"),
    )
)


class View:
    """A caller's view of orders. `managed`: it shows the customers, for managers, admins and keys with orders:read.

    A `guest` sees the contact, and after placing an order its token. Each customer is read once, and the signed-in
    `user`, who is None for a guest or a service key, not at all.
    """

    def __init__(self, user: User | None, *, managed: bool, guest: Guest | None = None) -> None:
        self._managed = managed
        self._guest = guest
        self._customers: dict[str, User | None] = {user.id: user} if user else {}

    def load_customers(self, orders: Iterable[Order]) -> None:
        """Reads the customers of these orders in one BatchGet, if the view shows them and has not read them yet."""
        unknown = {order.customer_id for order in orders if order.customer_id} - self._customers.keys()
        if self._managed and unknown:
            keys = {customer_id: user_key(customer_id) for customer_id in unknown}
            found = batch_get(User, keys.values(), consistent=False)
            self._customers |= {customer_id: found.get(key) for customer_id, key in keys.items()}

    def add_customer(self, user: User) -> None:
        """Adds a customer that the caller has read, so that the view does not read it again."""
        self._customers[user.id] = user

    def show(self, order: Order) -> Shown[OrderResponse]:
        """Returns an order as the caller sees it, with the fields of ManagedOrderResponse if `managed`."""
        shown = _seen_by_all(order)
        shown["billing_address"] = shown_address(order.attribute_values.get("billing_address"))
        if self._managed:
            self.load_customers([order])
            shown["tags"] = _tags(order)
            shown["customer"] = _customer(self._customers[order.customer_id]) if order.customer_id else None
            shown["contact"] = order.contact
        if self._guest is not None:
            shown["contact"] = order.contact
            is_placing = self._guest.token is None
            shown["order_token"] = (
                token_of_order(order.id, order.token_counter, order.created_at) if is_placing else None
            )
        return Shown(shown)


def event_data(order: Order) -> OrderEventData:
    """Returns an order as events show it."""
    return OrderEventData.model_validate_json(to_json(_seen_by_all(order) | {"tags": _tags(order)}))


def _tags(order: Order) -> list[str]:
    return order.attribute_values.get("tags") or []


def _customer(user: User | None) -> dict[str, Any] | None:
    if user is None:
        return None
    return {"email": user.email, "first_name": user.first_name, "last_name": user.last_name}


def _seen_by_all(order: Order) -> dict[str, Any]:
    # Access by PynamoDB's attributes takes ten times as long, which lists notice.
    values = order.attribute_values
    ref = values.get("external_ref")
    return {
        "id": values["id"],
        "number": values["number"],
        "status": OrderStatus(values["status"]),
        "customer_id": values.get("customer_id"),
        "channel": ref.channel if ref else None,
        "external_ref": {"channel": ref.channel, "id": ref.id} if ref else None,
        "locale": (values.get("contact") or {}).get("locale"),
        "items": [_line(line) for line in values["lines"]],
        "subtotal": to_text(values["subtotal"]),
        "shipping_cost": to_text(values["shipping_cost"]),
        "total": to_text(values["total"]),
        "currency": values["currency"],
        "shipping_address": shown_address(values.get("shipping_address")),
        "note": values.get("note"),
        "purchase_order": values.get("purchase_order"),
        "metadata": values.get("metadata") or {},
        "created_at": values["created_at"],
        "updated_at": values["updated_at"],
        "expires_at": values.get("expires_at"),
        "version": values["version"],
        "shipment": _shipment(values.get("shipment")),
        "cancel_reason": values.get("cancel_reason"),
    }


def _line(line: OrderLine) -> dict[str, Any]:
    values = line.attribute_values
    return {
        "product_id": values["product_id"],
        "sku": values["sku"],
        "name": values["name"],
        "category": values["category"],
        "quantity": values["quantity"],
        "unit_price": to_text(values["unit_price"]),
        "line_total": to_text(values["unit_price"] * values["quantity"]),
    }


def _shipment(stored: Shipment | None) -> dict[str, Any] | None:
    return {name: getattr(stored, name) for name in ShipmentResponse.model_fields} if stored else None


def quote_response(quote: Quote) -> QuoteResponse:
    return QuoteResponse(
        items=[LineResponse(**_line(line.stored())) for line in quote.priced.lines],
        subtotal=to_text(quote.priced.subtotal),
        shipping_cost=to_text(quote.priced.shipping_cost),
        total=to_text(quote.priced.total),
        currency=settings().currency,
        shortfalls=[
            ShortfallResponse(product_id=line.product_id, requested=line.quantity, available=available)
            for line, available in quote.short
        ],
        **quote.excess.members(),
    )
