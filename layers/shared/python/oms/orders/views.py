"""Responses that show orders and quotes. Managers and admins also see the customer."""

from collections.abc import Iterable
from typing import Any

from oms.core.dynamodb import batch_get
from oms.core.money import to_text
from oms.core.settings import settings
from oms.identity.models import User, user_key
from oms.orders.models import Order
from oms.orders.pricing import Quote
from oms.orders.schemas import (
    AddressResponse,
    CustomerResponse,
    LineResponse,
    ManagedOrderResponse,
    OrderResponse,
    QuoteResponse,
    ShipmentResponse,
    ShortfallResponse,
)
from oms.orders.states import OrderStatus


class View:
    """The orders as one user sees them. `managed`: the user is a manager or an admin. Each customer is read once."""

    def __init__(self, user: User, *, managed: bool) -> None:
        self._managed = managed
        self._customers: dict[str, User | None] = {user.id: user}

    def load_customers(self, orders: Iterable[Order]) -> None:
        """Reads the customers of these orders in one BatchGet, if the view shows them and has not read them yet."""
        unknown = {order.customer_id for order in orders} - self._customers.keys()
        if self._managed and unknown:
            keys = {customer_id: user_key(customer_id) for customer_id in unknown}
            found = batch_get(User, keys.values(), consistent=False)
            self._customers |= {customer_id: found.get(key) for customer_id, key in keys.items()}

    def show(self, order: Order) -> OrderResponse:
        if not self._managed:
            return order_response(order)
        self.load_customers([order])
        return managed_order_response(order, self._customers[order.customer_id])


def order_response(order: Order) -> OrderResponse:
    """An order as its customer sees it."""
    return OrderResponse(**_seen_by_all(order))


def managed_order_response(order: Order, customer: User | None) -> ManagedOrderResponse:
    buyer = (
        CustomerResponse(email=customer.email, first_name=customer.first_name, last_name=customer.last_name)
        if customer
        else None
    )
    return ManagedOrderResponse(**_seen_by_all(order), customer=buyer)


def _seen_by_all(order: Order) -> dict[str, Any]:
    return {
        "id": order.id,
        "number": order.number,
        "status": OrderStatus(order.status),
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


def quote_response(quote: Quote) -> QuoteResponse:
    return QuoteResponse(
        items=[LineResponse.of(line.stored()) for line in quote.priced.lines],
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
