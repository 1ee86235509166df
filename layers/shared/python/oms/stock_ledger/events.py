"""What other systems learn of a product's stock: corrections, and the threshold it has crossed."""

from typing import Any

from pydantic import BaseModel, Field

from oms.core.actors import System
from oms.core.schemas import Response
from oms.events.envelope import Event, EventActor, event_id
from oms.events.streams import Change
from oms.inventory.models import Edit, StockItem
from oms.stock_ledger import ledger
from oms.stock_ledger.models import Crossing, Movement

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


PAYLOADS: dict[str, type[BaseModel]] = {
    "stock.adjusted": StockAdjustedData,
    "stock.low": StockEventData,
    "stock.out": StockEventData,
    "stock.replenished": StockEventData,
}


def events_of(change: Change) -> list[Event[Any]]:
    """The events of a change of a stock item, in the order in which they are to be told."""
    if change.new is None or change.keys["sk"]["S"] != StockItem.key("")[1]:
        return []
    return _events(change, StockItem.from_raw_data(change.new))


def _events(change: Change, stock: StockItem) -> list[Event[Any]]:
    """Which band the stock has come into is the stock book's to say: see `book.entry`."""
    written = ledger.entry(change)
    events: list[Event[Any]] = []
    if isinstance(written, Movement):
        actor = EventActor(id=written.actor, role=stock.last.actor_role)
        if written.cause in _CORRECTIONS:
            adjustment = written.available_after - written.available_before
            corrected = StockAdjustedData(**_data(stock), adjustment=adjustment, cause=written.cause)
            events.append(_event("stock.adjusted", written.at, stock, actor, corrected, stock.version))
        if written.crossing:
            data = StockEventData(**_data(stock))
            events.append(_event(f"stock.{written.crossing}", written.at, stock, actor, data, stock.version))
    elif isinstance(written, Crossing):
        by = stock.edited or Edit(actor=System().id, actor_role=System().role, at=written.at)
        actor = EventActor(id=by.actor, role=by.actor_role)
        data = StockEventData(**_data(stock))
        events.append(_event(f"stock.{written.crossing}", by.at, stock, actor, data, written.sequence))
    return events


def _event(
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


def _data(stock: StockItem) -> dict[str, Any]:
    return {
        "product_id": stock.product_id,
        "sku": stock.sku,
        "name": stock.name,
        "available": stock.available,
        "reserved": stock.reserved,
        "on_hand": stock.available + stock.reserved,
        "low_stock_threshold": stock.low_stock_threshold,
    }
