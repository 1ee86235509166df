"""The mails of an order, to its customer. What they say is the order as the event has it."""

from oms.core import clock
from oms.events.envelope import Event
from oms.identity.models import User
from oms.mail.messages import Content, Notice
from oms.orders.schemas import OrderResponse

# Of the other moves the customer knows without a mail.
MAILED = ("order.created", "order.confirmed", "order.shipped", "order.cancelled", "order.expired")
# Left out of mails to an address that is not verified: it may be a stranger's.
_WRITTEN_BY_CUSTOMERS = {"shipping_address": None, "note": None, "cancel_reason": None}


def notice(body: str) -> Notice:
    """By an event's JSON. Raises pydantic's ValidationError."""
    event = Event[OrderResponse].model_validate_json(body)
    order = event.data

    def content(user: User) -> Content:
        is_held = order.expires_at is not None and clock.now() < clock.instant(order.expires_at)
        shown = order if user.email_verified else order.model_copy(update=_WRITTEN_BY_CUSTOMERS)
        return Content({"order": shown, "reserved_until": order.expires_at if is_held else None})

    return Notice(event.id, event.type, order.customer_id, content)
