"""The event registry: the functions that derive the events of each table's changes, and each event type's schema."""

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel

from oms.core.settings import settings
from oms.events import streams
from oms.events.envelope import Event, InternalMessage, TooLargeError
from oms.events.streams import Change, RawItem
from oms.exports import events as exports
from oms.identity import events as identity
from oms.identity.models import without_hashes
from oms.imports import events as imports
from oms.inventory import events as inventory
from oms.inventory.events import ProductEventDraft
from oms.orders import events as orders
from oms.schedules import events as schedule_events
from oms.stock_ledger import events as stock_events
from oms.stock_ledger.events import AdjustmentEventDraft
from oms.webhooks import events as webhooks
from oms.webhooks.models import without_secrets

type Derived = Event[Any] | InternalMessage | ProductEventDraft | AdjustmentEventDraft

# The schema of `data`, by event type: see `oms.events.types`.
PAYLOADS: dict[str, type[BaseModel]] = {
    **orders.PAYLOADS,
    **inventory.PAYLOADS,
    **stock_events.PAYLOADS,
    **webhooks.PAYLOADS,
    **exports.PAYLOADS,
    **identity.PAYLOADS,
}


def events_from_change(change: Change) -> list[Derived]:
    """Returns the events that a change causes.

    Raises LookupError for a table without events, and TooLargeError for an event that the bus would always refuse.
    """
    if streams.is_restored(change):
        return []
    derived: list[Derived] = list(_DERIVING[change.table](change))
    for event in derived:
        if isinstance(event, Event) and event.is_too_large:
            raise TooLargeError(f"{event.type} {event.id}")
    return derived


def events_from_records(records: Sequence[dict[str, Any]]) -> list[Event[Any] | InternalMessage]:
    """Returns the events that the records of a stream cause, in order. Undecodable records are quarantined."""
    decoded = list(streams.decode_records(records, events_from_change, redact))
    of_stock = [
        it for _, derived in decoded for it in derived if isinstance(it, ProductEventDraft | AdjustmentEventDraft)
    ]
    stock = inventory.read_stock(draft.product_id for draft in of_stock)
    events: list[Event[Any] | InternalMessage] = []
    for record, derived in decoded:
        try:
            events += [it if isinstance(it, Event | InternalMessage) else it.event(stock) for it in derived]
        except Exception as cause:  # completing an event does no I/O, so a retry would raise the same exception
            streams.quarantine(record, cause, redact)
    return events


def redact(raw: RawItem) -> RawItem:
    """Returns an item of any table without secrets and password hashes, for the poison queue."""
    return without_secrets(without_hashes(raw))


_DERIVING: dict[str, Callable[[Change], Any]] = {
    settings().orders_table: orders.events_from_change,
    settings().inventory_table: lambda change: [
        *inventory.events_from_change(change),
        *stock_events.events_from_change(change),
    ],
    settings().identity_table: identity.events_from_change,
    settings().webhooks_table: webhooks.events_from_change,
    settings().reports_table: lambda change: [
        *exports.events_from_change(change),
        *imports.events_from_change(change),
        *schedule_events.events_from_change(change),
    ],
}
