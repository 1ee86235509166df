"""The counters that limit how many orders an address places in a time. The order's transaction counts it in each.

A pending order ends with its hold, so the number of orders that may be placed during one hold bounds the stock that
they reserve together: at most twice that number are pending at once.
"""

from dataclasses import dataclass
from typing import Any

from oms.core import clock, email_addresses, pseudonyms
from oms.core.errors import UnavailableError
from oms.core.rate_limits import RateWindow
from oms.core.settings import settings
from oms.identity.models import RateCounter
from oms.orders.limits import BuyerLimits


@dataclass(frozen=True)
class OrderCounter:
    """A counter of orders, and its window with the limit."""

    window: RateWindow
    counter: RateCounter

    @classmethod
    def of(cls, window: RateWindow, subject: str) -> "OrderCounter":
        return cls(window, RateCounter.of(window, subject))


def counters_of(
    limits: BuyerLimits, *, sender_id: str, contact: dict[str, Any] | None, guest_address: str | None
) -> list[OrderCounter]:
    """Returns the counters of an order: of an unverified customer in a minute, or of the mailbox of a contact and of a
    guest's client address in the time of a hold.
    """
    now = int(clock.now().timestamp())
    if contact is None:
        per_minute = limits.orders_per_minute
        return [] if per_minute is None else [OrderCounter.of(RateWindow("orders", per_minute, now), sender_id)]
    if limits.open_orders is None:
        return []
    seconds = int(settings().hold.total_seconds())
    of_mailbox = RateWindow("contact-orders", limits.open_orders, now, seconds=seconds)
    found = [OrderCounter.of(of_mailbox, mailbox_of(contact["email"]))]
    if guest_address is not None:
        of_address = RateWindow("guest-orders", settings().guest_orders, now, seconds=seconds)
        found.append(OrderCounter.of(of_address, guest_address))
    return found


def mailbox_of(email: str) -> str:
    """Returns the keyed hash of the address without its tag. Raises UnavailableError if the key is missing."""
    mailbox = email_addresses.mailbox(email_addresses.fold(email))
    hidden = pseudonyms.pseudonym("mailbox", mailbox, clock.timestamp(clock.now()))
    if hidden is None:
        raise UnavailableError
    return hidden
