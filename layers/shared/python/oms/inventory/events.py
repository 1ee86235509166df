"""What other systems learn of products and their stock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from oms.actors import System
from oms.dynamodb import Key, batch_get_raw
from oms.events import Event, EventActor, EventType, event_id
from oms.inventory import book
from oms.inventory.models import Crossing, Edit, Movement, Product, StockItem
from oms.inventory.schemas import ManagedProductResponse, managed_product_response
from oms.schemas import Response
from oms.streams import Change, RawItem

# The causes of movements that are corrections of the stock, and not orders.
_CORRECTIONS = ("adjusted", "repaired")


class StockEventData(Response):
    """A product's stock after the change."""

    product_id: str = Field(description="The id of the product.", examples=["1"])
    sku: str = Field(description="The product's SKU.", examples=["COF-ESP-1000"])
    name: str = Field(description="The product's name.", examples=["Espresso Beans Monte Chiaro, 1 kg"])
    available: int = Field(description="Units that can be ordered.", examples=[4])
    reserved: int = Field(description="Units in orders that are not shipped yet.", examples=[2])
    on_hand: int = Field(description="`available` + `reserved`.", examples=[6])
    low_stock_threshold: int | None = Field(
        description="At this number of available units or fewer the product is low; null: never.", examples=[5]
    )


class StockAdjustedData(StockEventData):
    """A product's stock after a correction."""

    adjustment: int = Field(description="Units that were added, or, below zero, taken away.", examples=[10])
    cause: str = Field(description="`adjusted` by a manager, or `repaired` after a stock check.", examples=["adjusted"])


EVENTS = [
    EventType("product.created", ManagedProductResponse, "A product is new"),
    EventType("product.updated", ManagedProductResponse, "A product was edited"),
    EventType("product.archived", ManagedProductResponse, "A product is no longer on sale"),
    EventType("stock.adjusted", StockAdjustedData, "Somebody has corrected a product's stock"),
    EventType("stock.low", StockEventData, "No more than the low-stock threshold are available"),
    EventType("stock.out", StockEventData, "Nothing is available"),
    EventType("stock.replenished", StockEventData, "More than the low-stock threshold are available again"),
]


@dataclass(frozen=True)
class ProductChanged:
    """A product event that lacks the product's stock, which stands in an item of its own."""

    type: str
    product: Product

    def event(self, stock: Mapping[Key, RawItem]) -> Event[ManagedProductResponse]:
        """Complete. Raises LookupError for a product without stock, and whatever decoding and validation do."""
        product = self.product
        stored = StockItem.from_raw_data(stock[StockItem.key(product.id)])
        event = Event(
            id=event_id(self.type, product.updated_at, product.pk, product.version),
            type=self.type,
            occurred_at=product.updated_at,
            sequence=product.version,
            actor=EventActor(id=product.updated_by, role=product.updated_by_role),
            data=managed_product_response(product, stored),
        )
        # The only ones that a request of 256 KB can make so large: fifty names and values, of 500 characters each.
        return event.emptied("attributes", {}) if event.is_too_large else event


def events_of(change: Change) -> list[Event[Any] | ProductChanged]:
    """The events of a change of the inventory table, in the order in which they are to be told."""
    kind = change.keys["sk"]["S"]
    if change.new is None:
        return []
    if kind == Product.key("")[1]:
        return _product_events(change)
    if kind == StockItem.key("")[1]:
        return _stock_events(change, StockItem.from_raw_data(change.new))
    return []


def _product_events(change: Change) -> list[Event[Any] | ProductChanged]:
    product = Product.from_raw_data(change.new or {})
    if change.old is None:
        return [ProductChanged("product.created", product)]
    old = Product.from_raw_data(change.old)
    if old.version == product.version:
        return []
    archived = (old.status, product.status) == ("active", "archived")
    return [ProductChanged("product.archived" if archived else "product.updated", product)]


def _stock_events(change: Change, stock: StockItem) -> list[Event[Any] | ProductChanged]:
    """Which band the stock has come into is the stock book's to say: see `book.entry`."""
    written = book.entry(change)
    events: list[Event[Any] | ProductChanged] = []
    if isinstance(written, Movement):
        actor = EventActor(id=written.actor, role=stock.last.actor_role)
        if written.cause in _CORRECTIONS:
            adjustment = written.available_after - written.available_before
            corrected = StockAdjustedData(**_stock_data(stock), adjustment=adjustment, cause=written.cause)
            events.append(_stock_event("stock.adjusted", written.at, stock, actor, corrected, stock.version))
        if written.crossing:
            data = StockEventData(**_stock_data(stock))
            events.append(_stock_event(f"stock.{written.crossing}", written.at, stock, actor, data, stock.version))
    elif isinstance(written, Crossing):
        by = stock.edited or Edit(actor=System().id, actor_role=System().role, at=written.at)
        actor = EventActor(id=by.actor, role=by.actor_role)
        data = StockEventData(**_stock_data(stock))
        events.append(_stock_event(f"stock.{written.crossing}", by.at, stock, actor, data, written.sequence))
    return events


def _stock_event(
    name: str, at: str, stock: StockItem, actor: EventActor, data: StockEventData, change: int | str
) -> Event[Any]:
    return Event(
        id=event_id(name, at, stock.pk, change),
        type=name,
        occurred_at=at,
        sequence=stock.version + stock.edits,
        actor=actor,
        data=data,
    )


def _stock_data(stock: StockItem) -> dict[str, Any]:
    return {
        "product_id": stock.product_id,
        "sku": stock.sku,
        "name": stock.name,
        "available": stock.available,
        "reserved": stock.reserved,
        "on_hand": stock.available + stock.reserved,
        "low_stock_threshold": stock.low_stock_threshold,
    }


def stock_of(changed: Iterable[ProductChanged]) -> dict[Key, RawItem]:
    """The stock items of these products as they are now, by key: one BatchGet for all of them."""
    keys = [StockItem.key(it.product.id) for it in changed]
    return batch_get_raw(StockItem, keys) if keys else {}
