"""Commands about orders."""

import re
from collections.abc import Callable
from itertools import islice
from typing import Any, cast

import click

from oms_client.cli.state import NOT_FOUND, ROWS_FAILED, Group, State, exit_code, pass_state
from oms_client.errors import ApiError
from oms_client.models import GuestOrderResponse, ManagedOrderResponse, OrderResponse, OrderStatus

Order = ManagedOrderResponse | GuestOrderResponse | OrderResponse
NUMBER = re.compile(r"\d{8}-[0-9A-Za-z]{10}")
STATUSES = ["pending", "confirmed", "shipped", "delivered", "returned", "cancelled", "expired"]


@click.group(cls=Group)
def orders() -> None:
    """List, find and move orders."""


@orders.command("list")
@click.option("--status", multiple=True, type=click.Choice(STATUSES), help="Only orders with this status; repeatable.")
@click.option("--from", "from_", type=click.DateTime(["%Y-%m-%d"]), help="Created on this day or later.")
@click.option("--to", type=click.DateTime(["%Y-%m-%d"]), help="Created on this day or earlier.")
@click.option("--customer", help="Only orders of this customer's id.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The number of orders.")
@pass_state
def list_orders(state: State, status: tuple[str, ...], from_: Any, to: Any, customer: str | None, limit: int) -> None:
    """List orders, newest first."""
    found = state.client.orders.iter_orders(
        status=cast("tuple[OrderStatus, ...]", status) or None,
        from_=from_.date() if from_ else None,
        to=to.date() if to else None,
        customer_id=customer,
        limit=min(limit, 100),
    )
    for order in islice(found, limit):
        state.show(order, line(order))


@orders.command()
@click.argument("order_id")
@pass_state
def get(state: State, order_id: str) -> None:
    """Show one order, by its id or its number."""
    order = state.client.orders.get_order(_id_of(state, order_id))
    state.show(order, described(order))


@orders.command()
@click.argument("text")
@click.option("--status", multiple=True, type=click.Choice(STATUSES), help="Only orders with this status; repeatable.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The number of orders.")
@pass_state
def find(state: State, text: str, status: tuple[str, ...], limit: int) -> int:
    """Find orders by a number, an id, an e-mail address, a SKU, a tracking number or a tag.

    An id in another system has its channel before it, such as web:1001. An order is found within seconds after it was
    placed, changed or shipped.
    """
    statuses = cast("tuple[OrderStatus, ...]", status) or None
    found = 0
    for order in islice(state.client.orders.iter_orders(q=text, status=statuses, limit=min(limit, 100)), limit):
        found += 1
        state.show(order, line(order))
    if not found:
        state.say("No order is found.")
    return 0 if found else NOT_FOUND


@orders.command()
@click.argument("order_id")
@click.option("--carrier", required=True)
@click.option("--tracking", required=True, help="The tracking number.")
@click.option("--tracking-url", help="The page of the carrier, https.")
@pass_state
def ship(state: State, order_id: str, carrier: str, tracking: str, tracking_url: str | None) -> None:
    """Ship a confirmed order."""
    order = state.client.orders.ship_order(
        _id_of(state, order_id), carrier=carrier, tracking_number=tracking, tracking_url=tracking_url
    )
    state.show(order, line(order))


@orders.command()
@click.argument("order_ids", nargs=-1, required=True)
@pass_state
def confirm(state: State, order_ids: tuple[str, ...]) -> int:
    """Confirm pending orders."""
    return _each(state, order_ids, lambda it: state.client.orders.confirm_order(_id_of(state, it)))


@orders.command()
@click.argument("order_ids", nargs=-1, required=True)
@click.option("--reason", help="The reason, which the customer sees.")
@pass_state
def cancel(state: State, order_ids: tuple[str, ...], reason: str | None) -> int:
    """Cancel pending or confirmed orders."""
    return _each(state, order_ids, lambda it: state.client.orders.cancel_order(_id_of(state, it), reason=reason))


def _id_of(state: State, text: str) -> str:
    """Returns the id of an order, given its id or number. People copy numbers, from mails for instance."""
    if NUMBER.fullmatch(text):
        return next((it.id for it in state.client.orders.iter_orders(number=text)), text)
    return text


def _each(state: State, order_ids: tuple[str, ...], move: Callable[[str], Order]) -> int:
    """Moves all orders; one that is refused does not stop the others."""
    codes = []
    for order_id in order_ids:
        try:
            order = move(order_id)
        except ApiError as error:
            if error.status in (401, 403):
                raise
            state.say(f"Order {order_id}:")
            state.fail(error)
            codes.append(exit_code(error))
        else:
            state.show(order, line(order))
    return codes[0] if len(order_ids) == 1 and codes else ROWS_FAILED if codes else 0


def line(order: Order) -> str:
    amount = f"{order.total} {order.currency}"
    return f"{order.number:<20}  {order.status:<10} {amount:>16}  {order.created_at:%Y-%m-%d %H:%M}  {order.id}"


def described(order: Order) -> str:
    lines = [line(order)]
    lines += [f"  {it.quantity:>6} × {it.sku:<20} {it.name}  {it.line_total}" for it in order.items]
    if isinstance(order, ManagedOrderResponse) and (buyer := order.customer or order.contact):
        lines.append(f"  Customer: {buyer.email}")
    if order.shipment:
        lines.append(f"  Shipped by {order.shipment.carrier}: {order.shipment.tracking_number}")
    if order.note:
        lines.append(f"  Note: {order.note}")
    return "\n".join(lines)
