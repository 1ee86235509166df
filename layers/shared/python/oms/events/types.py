"""All event types, which are a public contract. `oms.publishing.registry` has the schema of each type's data."""

from collections.abc import Sequence
from dataclasses import dataclass

from oms.core.errors import InvalidRequestError
from oms.events.patterns import matches


@dataclass(frozen=True)
class EventType:
    """An event type. Subscribers read `description`. `for_admins`: only subscriptions of active admins receive it."""

    name: str
    description: str
    for_admins: bool = False


EVENT_TYPES: dict[str, EventType] = {
    event_type.name: event_type
    for event_type in (
        EventType("order.created", "An order was placed; its stock is reserved"),
        EventType("order.confirmed", "The shop confirmed an order"),
        EventType("order.shipped", "An order was shipped"),
        EventType("order.delivered", "An order was delivered to its customer"),
        EventType("order.cancelled", "An order was cancelled; its stock is available again"),
        EventType("order.expired", "A pending order was not confirmed in time; its stock is available again"),
        EventType("order.returned", "An order was returned"),
        EventType("order.updated", "Fields of an order were changed, such as an address or the tags"),
        EventType("product.created", "A product was created"),
        EventType("product.updated", "A product's fields were changed"),
        EventType("product.archived", "A product was archived; it is no longer on sale"),
        EventType("stock.adjusted", "A manager or a repair corrected a product's stock"),
        EventType("stock.low", "A product's available units fell to the low-stock threshold or below"),
        EventType("stock.out", "A product has no available units"),
        EventType("stock.replenished", "A product's available units rose above the low-stock threshold"),
        EventType(
            "webhook.disabled", "A webhook was disabled: it failed for five days, or its receiver responded with 410"
        ),
        EventType("webhook.test", "A user requested a test; sent only to the webhook under test"),
        EventType("report.ready", "An export is done, and its file can be downloaded"),
        EventType("user.registered", "An account was created", for_admins=True),
        EventType("user.role_changed", "A user's role was changed", for_admins=True),
        EventType("user.status_changed", "A user was disabled or enabled", for_admins=True),
        EventType("user.locked", "An account was locked after wrong passwords", for_admins=True),
    )
}


def check_patterns(patterns: Sequence[str], **where: str) -> Sequence[str]:
    """Returns the patterns. Raises InvalidRequestError at `where` if one of them does not match any event type."""
    for pattern in patterns:
        if not any(matches([pattern], name) for name in EVENT_TYPES):
            raise InvalidRequestError.at(
                f"{pattern!r} does not match an event type: GET /api/v1/event-catalogue lists them", **where
            )
    return patterns
