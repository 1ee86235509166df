"""Mails about an order, to its customer. They show the order of the event."""

from oms.core import clock
from oms.events.envelope import Event
from oms.identity.models import User
from oms.mail.messages import Content, Notification
from oms.orders.schemas import OrderResponse

# Customers notice the other moves without a mail: the parcel arrives, or they send it back.
MAILED = ("order.created", "order.confirmed", "order.shipped", "order.cancelled", "order.expired")
# Omitted in mails to an unverified address, which may belong to another person.
_WRITTEN_BY_CUSTOMERS = {"shipping_address": None, "note": None, "cancel_reason": None}


def order_moved(body: str) -> Notification:
    """Returns the mail about an event, `body` as JSON. Raises pydantic's ValidationError."""
    event = Event[OrderResponse].model_validate_json(body)
    order = event.data

    def content(user: User) -> Content:
        is_held = order.expires_at is not None and clock.now() < clock.instant(order.expires_at)
        redacted = order if user.email_verified else order.model_copy(update=_WRITTEN_BY_CUSTOMERS)
        return Content({"order": redacted, "reserved_until": order.expires_at if is_held else None})

    return Notification(event.id, event.type, order.customer_id, content)
