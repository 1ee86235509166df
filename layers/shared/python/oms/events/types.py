"""All types of events: a public contract. What each carries, its domain says: see `oms.publishing.registry`."""

from collections.abc import Sequence
from dataclasses import dataclass

from oms.core.errors import InvalidRequestError
from oms.events.patterns import matches


@dataclass(frozen=True)
class EventType:
    """`description` is for those who choose what to subscribe to. `for_admins`: other subscribers do not get it."""

    name: str
    description: str
    for_admins: bool = False


EVENT_TYPES: dict[str, EventType] = {
    it.name: it
    for it in (
        EventType("order.created", "An order was placed; its stock is reserved"),
        EventType("order.confirmed", "The merchant has confirmed an order"),
        EventType("order.shipped", "An order has left the house"),
        EventType("order.delivered", "An order has reached its customer"),
        EventType("order.cancelled", "An order was cancelled; its stock is available again"),
        EventType("order.expired", "A pending order was not confirmed in time; its stock is available again"),
        EventType("order.returned", "An order has come back"),
        EventType("product.created", "A product is new"),
        EventType("product.updated", "A product was edited"),
        EventType("product.archived", "A product is no longer on sale"),
        EventType("stock.adjusted", "Somebody has corrected a product's stock"),
        EventType("stock.low", "No more than the low-stock threshold are available"),
        EventType("stock.out", "Nothing is available"),
        EventType("stock.replenished", "More than the low-stock threshold are available again"),
        EventType("webhook.disabled", "A webhook failed for days, or its receiver answered 410"),
        EventType("webhook.test", "Somebody asked for it, to see it arrive; sent to that webhook alone"),
        EventType("report.ready", "An export is done, and its file can be fetched"),
        EventType("user.registered", "An account was opened", for_admins=True),
        EventType("user.role_changed", "A user has another role", for_admins=True),
        EventType("user.status_changed", "A user was disabled or enabled", for_admins=True),
        EventType("user.locked", "An account was locked, after wrong passwords", for_admins=True),
    )
}


def check_patterns(patterns: Sequence[str], **where: str) -> Sequence[str]:
    """The patterns, if each means a type that there is. Raises InvalidRequestError at `where`."""
    for pattern in patterns:
        if not any(matches([pattern], name) for name in EVENT_TYPES):
            raise InvalidRequestError.at(f"{pattern!r} is no type of event; see /event-catalogue", **where)
    return patterns
