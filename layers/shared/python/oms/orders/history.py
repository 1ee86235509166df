"""An order as it was, told from its history."""

from collections.abc import Iterator

from oms.orders.models import Order
from oms.orders.states import OrderStatus


def versions(order: Order) -> Iterator[Order]:
    """The order at each of its versions, the oldest first.

    One thing is forgotten: when the hold would have ended of an order that is pending no more.
    """
    for number, entry in enumerate(order.history, 1):
        was = Order.from_raw_data(order.serialize())
        was.history = order.history[:number]
        was.version, was.status, was.updated_at = number, entry.to, entry.at
        if all(it.to != OrderStatus.SHIPPED for it in was.history):
            was.shipment = None
        if entry.to != OrderStatus.CANCELLED:
            was.cancel_reason = None
        yield was
