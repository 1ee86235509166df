"""The mails of an order, to its customer. What they say is the order as the event has it."""

from oms.events import Event
from oms.mail.models import Content, Notice
from oms.orders.schemas import OrderResponse

# Of the other moves the customer knows without a mail.
MAILED = ("order.created", "order.confirmed", "order.shipped", "order.cancelled", "order.expired")


def notice(body: str) -> Notice:
    """By an event's JSON. Raises pydantic's ValidationError."""
    event = Event[OrderResponse].model_validate_json(body)
    return Notice(event.id, event.type, event.data.customer_id, content=lambda _user: Content({"order": event.data}))
