"""What other systems learn of an order: that it was placed, and each move."""

from oms.events import Event, EventActor, EventType, event_id
from oms.orders.models import Order
from oms.orders.schemas import OrderResponse, order_response
from oms.orders.states import OrderStatus
from oms.streams import Change

_SAYS = {
    OrderStatus.PENDING: ("created", "An order was placed; its stock is reserved"),
    OrderStatus.CONFIRMED: ("confirmed", "The merchant has confirmed an order"),
    OrderStatus.SHIPPED: ("shipped", "An order has left the house"),
    OrderStatus.DELIVERED: ("delivered", "An order has reached its customer"),
    OrderStatus.CANCELLED: ("cancelled", "An order was cancelled; its stock is available again"),
    OrderStatus.EXPIRED: ("expired", "A pending order was not confirmed in time; its stock is available again"),
    OrderStatus.RETURNED: ("returned", "An order has come back"),
}
_NAMES = {status: f"order.{word}" for status, (word, _) in _SAYS.items()}
EVENTS = [EventType(_NAMES[status], OrderResponse, says) for status, (_, says) in _SAYS.items()]


def events_of(change: Change) -> list[Event[OrderResponse]]:
    """The event of a transition; none where the order's version did not change."""
    if change.new is None:
        return []
    order = Order.from_raw_data(change.new)
    if change.old and Order.from_raw_data(change.old).version == order.version:
        return []
    return [event_of(order)]


def event_of(order: Order) -> Event[OrderResponse]:
    """The event of an order's latest transition."""
    entry = order.history[-1]
    name = _NAMES[OrderStatus(entry.to)]
    return Event(
        id=event_id(name, entry.at, order.id, order.version),
        type=name,
        occurred_at=entry.at,
        sequence=order.version,
        actor=EventActor(id=entry.actor_id, role=entry.actor_role),
        data=order_response(order),
    )
