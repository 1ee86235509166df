"""The events about stock: corrections, and crossings of the low-stock threshold."""

from typing import Any

from pydantic import BaseModel, Field

from oms.core.actors import System
from oms.core.schemas import Response
from oms.events.envelope import Event, EventActor, event_id
from oms.events.streams import Change
from oms.inventory.models import Edit, StockItem
from oms.stock_ledger import ledger
from oms.stock_ledger.models import Crossing, Movement

# The causes of movements that do not come from orders.
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

    adjustment: int = Field(description="Units that were added, or, below zero, removed.", examples=[10])
    cause: str = Field(description="`adjusted` by a manager, or `repaired` after a stock check.", examples=["adjusted"])


PAYLOADS: dict[str, type[BaseModel]] = {
    "stock.adjusted": StockAdjustedData,
    "stock.low": StockEventData,
    "stock.out": StockEventData,
    "stock.replenished": StockEventData,
}


def events_from_change(change: Change) -> list[Event[Any]]:
    """The events of a change of a stock item, in the order of their publication."""
    if change.new is None or change.keys["sk"]["S"] != StockItem.key("")[1]:
        return []
    stock = StockItem.from_raw_data(change.new)
    item = ledger.item_from_change(change)
    if isinstance(item, Movement):
        return _movement_events(item, stock)
    return [_crossing_event(item, stock)] if isinstance(item, Crossing) else []


def _movement_events(movement: Movement, stock: StockItem) -> list[Event[Any]]:
    actor = EventActor(id=movement.actor, role=stock.last.actor_role)
    events: list[Event[Any]] = []
    if movement.cause in _CORRECTIONS:
        adjustment = movement.available_after - movement.available_before
        corrected = StockAdjustedData(**_data(stock), adjustment=adjustment, cause=movement.cause)
        events.append(_event("stock.adjusted", movement.at, stock, actor, corrected, stock.version))
    if movement.crossing:
        data = StockEventData(**_data(stock))
        events.append(_event(f"stock.{movement.crossing}", movement.at, stock, actor, data, stock.version))
    return events


def _crossing_event(crossing: Crossing, stock: StockItem) -> Event[Any]:
    edit = stock.edited or Edit(actor=System().id, actor_role=System().role, at=crossing.at)
    actor, data = EventActor(id=edit.actor, role=edit.actor_role), StockEventData(**_data(stock))
    return _event(f"stock.{crossing.crossing}", edit.at, stock, actor, data, crossing.sequence)


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
