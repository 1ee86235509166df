"""Mails about an order, to its customer: the account, or the contact. They show the order of the event."""

import json
from typing import Any

from oms.core import clock
from oms.core.dynamodb import get_item
from oms.events.envelope import Event
from oms.identity.models import User
from oms.mail.messages import Content, Notification
from oms.orders.models import Order
from oms.orders.schemas import OrderEventData

# Customers notice the other moves without a mail: the parcel arrives, or they send it back.
MAILED = ("order.created", "order.confirmed", "order.shipped", "order.cancelled", "order.expired")
# Omitted in mails to an unverified address, which may belong to another person.
_WRITTEN_BY_CUSTOMERS = dict.fromkeys(("shipping_address", "note", "purchase_order", "cancel_reason"))
# The fields that events of earlier versions do not have. Such events can be in a queue for 14 days.
_ADDED: dict[str, Any] = {
    **dict.fromkeys(("channel", "external_ref", "locale", "purchase_order")),
    **{"metadata": {}, "tags": []},
}
_ADDED_TO_ADDRESS = {"company": None, "phone": None}


def order_moved(body: str) -> Notification:
    """Returns the mail about an event, `body` as JSON. Raises KeyError, and pydantic's ValidationError."""
    event = _of_current_version(body)
    order = event.data

    def content(user: User) -> Content:
        is_held = order.expires_at is not None and clock.now() < clock.instant(order.expires_at)
        redacted = order if user.email_verified else order.model_copy(update=_WRITTEN_BY_CUSTOMERS)
        return Content({"order": redacted, "reserved_until": order.expires_at if is_held else None})

    # Events have no address, so the notifier reads the contact from the order.
    order_id = order.id if order.customer_id is None else None
    return Notification(event.id, event.type, order.customer_id, content, order_id=order_id)


def contact_of(order_id: str) -> User | None:
    """Returns the contact of an order in the form of a user whose address is not verified; None without a contact."""
    order = get_item(Order, order_id)
    if order is None or order.contact is None:
        return None
    return User(email=order.contact["email"], email_verified=False, first_name="")


def _of_current_version(body: str) -> Event[OrderEventData]:
    event = json.loads(body)
    data = _ADDED | event["data"]
    if data["shipping_address"]:
        data["shipping_address"] = _ADDED_TO_ADDRESS | data["shipping_address"]
    return Event[OrderEventData].model_validate_json(json.dumps(event | {"data": data}))
