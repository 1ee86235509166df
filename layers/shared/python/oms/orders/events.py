"""Events of orders: one when an order is placed, and one for each move and each edit."""

from oms.events.envelope import Event, EventActor, event_id
from oms.events.streams import Change
from oms.orders.models import Order
from oms.orders.schemas import OrderEventData, UpdatedOrderEventData
from oms.orders.states import OrderStatus
from oms.orders.views import event_data

_NAMES = {
    OrderStatus.PENDING: "order.created",
    OrderStatus.CONFIRMED: "order.confirmed",
    OrderStatus.SHIPPED: "order.shipped",
    OrderStatus.DELIVERED: "order.delivered",
    OrderStatus.CANCELLED: "order.cancelled",
    OrderStatus.EXPIRED: "order.expired",
    OrderStatus.RETURNED: "order.returned",
}
UPDATED = "order.updated"
PAYLOADS = dict.fromkeys(_NAMES.values(), OrderEventData) | {UPDATED: UpdatedOrderEventData}


def events_from_change(change: Change) -> list[Event[OrderEventData]]:
    """Returns the event of a transition or an edit, or an empty list if the order's version did not change."""
    if change.new is None:
        return []
    order = Order.from_raw_data(change.new)
    if change.old and Order.from_raw_data(change.old).version == order.version:
        return []
    return [event_from_order(order)]


def event_from_order(order: Order) -> Event[OrderEventData]:
    """Returns the event of an order's latest transition or edit."""
    entry = order.history[-1]
    name = UPDATED if entry.is_edit else _NAMES[OrderStatus(entry.to)]
    data = event_data(order)
    return Event(
        id=event_id(name, entry.at, order.id, order.version),
        type=name,
        occurred_at=entry.at,
        sequence=order.version,
        actor=EventActor(id=entry.actor_id, role=entry.actor_role),
        data=UpdatedOrderEventData(**dict(data), changed=entry.changed) if entry.is_edit else data,
    )
