"""Earlier versions of an order, rebuilt from its history."""

from collections.abc import Iterator

from oms.orders.models import Order
from oms.orders.states import OrderStatus


def versions(order: Order) -> Iterator[Order]:
    """Yields the order at each of its versions, the oldest first.

    The history does not contain `expires_at`, so the earlier versions of an order that is no longer pending lack it.
    Nor does it contain earlier values of edited fields, so each version has the current ones.
    """
    for number, entry in enumerate(order.history, 1):
        earlier = Order.from_raw_data(order.serialize())
        earlier.history = order.history[:number]
        earlier.version, earlier.status, earlier.updated_at = number, entry.to, entry.at
        if all(past.to != OrderStatus.SHIPPED for past in earlier.history):
            earlier.shipment = None
        if entry.to != OrderStatus.CANCELLED:
            earlier.cancel_reason = None
        yield earlier
