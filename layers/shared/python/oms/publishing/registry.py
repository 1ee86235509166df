"""Which domain derives events from a change of its table, and what each type of event carries."""

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel

from oms.core.settings import settings
from oms.events import streams
from oms.events.envelope import Event, Internal, TooLargeError
from oms.events.streams import Change, RawItem
from oms.exports import events as exports
from oms.identity import events as identity
from oms.identity.models import without_hashes
from oms.inventory import events as inventory
from oms.inventory.events import ProductEventDraft
from oms.orders import events as orders
from oms.schedules import events as schedule_events
from oms.stock_ledger import events as stock_events
from oms.webhooks import events as webhooks
from oms.webhooks.models import without_secrets

type Derived = Event[Any] | Internal | ProductEventDraft

# Of each type, by its name in `oms.events.types`: what an event of it carries as `data`.
PAYLOADS: dict[str, type[BaseModel]] = {
    **orders.PAYLOADS,
    **inventory.PAYLOADS,
    **stock_events.PAYLOADS,
    **webhooks.PAYLOADS,
    **exports.PAYLOADS,
    **identity.PAYLOADS,
}


def events_of(change: Change) -> list[Derived]:
    """What a change asks to be told. Raises LookupError for a table that tells nothing, and TooLargeError for what
    would be refused however often it were published.
    """
    if streams.is_restored(change):
        return []
    derived: list[Derived] = list(_DERIVING[change.table](change))
    for it in derived:
        if isinstance(it, Event) and it.is_too_large:
            raise TooLargeError(f"{it.type} {it.id}")
    return derived


def told_by(records: Sequence[dict[str, Any]]) -> list[Event[Any] | Internal]:
    """What the records of a stream tell, in order. Records that cannot be decoded are set aside."""
    understood = list(streams.understood(records, events_of, shown))
    stock = inventory.read_stock(it for _, derived in understood for it in derived if isinstance(it, ProductEventDraft))
    told: list[Event[Any] | Internal] = []
    for record, derived in understood:
        try:
            told += [it.event(stock) if isinstance(it, ProductEventDraft) else it for it in derived]
        except Exception as cause:  # completing does no I/O: whatever it is, it would come again with the batch
            streams.set_aside(record, cause, shown)
    return told


def shown(raw: RawItem) -> RawItem:
    """What people may see of an item that could not be understood, whichever table it is of."""
    return without_secrets(without_hashes(raw))


_DERIVING: dict[str, Callable[[Change], Any]] = {
    settings().orders_table: orders.events_of,
    settings().inventory_table: lambda change: [
        *inventory.events_from_change(change),
        *stock_events.events_from_change(change),
    ],
    settings().identity_table: identity.events_of,
    settings().webhooks_table: webhooks.events_of,
    settings().reports_table: lambda change: [
        *exports.events_from_change(change),
        *schedule_events.events_from_change(change),
    ],
}
