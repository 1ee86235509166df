"""Events about stock: corrections, and crossings of the low-stock threshold."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from oms.core.actors import System
from oms.core.dynamodb import Key
from oms.core.schemas import Response
from oms.events.envelope import Event, EventActor, event_id
from oms.events.streams import Change, RawItem
from oms.inventory import shards
from oms.inventory.models import UNKNOWN_ROLE, Adjustment, Edit, StockItem
from oms.inventory.stock_levels import StockLevel, threshold_crossing
from oms.stock_ledger import ledger
from oms.stock_ledger.models import Crossing, Movement, ProductLevel

# The causes of movements that do not come from orders.
_CORRECTIONS = ("adjusted", "counted", "repaired")


class StockEventData(Response):
    """A product's stock after the change."""

    product_id: str = Field(description="The id of the product.", examples=["1"])
    sku: str = Field(description="The product's SKU.", examples=["COF-ESP-1000"])
    name: str = Field(description="The product's name.", examples=["Espresso Beans Monte Chiaro, 1 kg"])
    available: int = Field(description="Units that can be ordered.", examples=[4])
    reserved: int = Field(description="Units in orders that are not shipped yet.", examples=[2])
    on_hand: int = Field(description="`available` + `reserved`.", examples=[6])
    low_stock_threshold: int | None = Field(
        description="The number of available units at or below which the product is low; null: the product is never "
        "low.",
        examples=[5],
    )


class StockAdjustedData(StockEventData):
    """A product's stock after a correction."""

    adjustment: int = Field(
        description="The number of units that were added; a negative number means removed units.", examples=[10]
    )
    cause: str = Field(
        description="`adjusted` or `counted` by a manager, or `repaired` after a stock check.", examples=["adjusted"]
    )


PAYLOADS: dict[str, type[BaseModel]] = {
    "stock.adjusted": StockAdjustedData,
    "stock.low": StockEventData,
    "stock.out": StockEventData,
    "stock.replenished": StockEventData,
}


@dataclass(frozen=True)
class AdjustmentEventDraft:
    """The event of a correction of a product with several shards, without the product's stock."""

    adjustment: Adjustment

    @property
    def product_id(self) -> str:
        return self.adjustment.product_id

    def event(self, stock: Mapping[Key, RawItem]) -> Event[StockAdjustedData]:
        """Returns the complete event, with the stock items by key.

        Raises LookupError for a product without stock, and the errors of decoding and validation.
        """
        correction = self.adjustment
        stored = StockItem.from_raw_data(stock[StockItem.key(correction.product_id)])
        return Event(
            id=event_id("stock.adjusted", correction.at, correction.pk, 1),
            type="stock.adjusted",
            occurred_at=correction.at,
            sequence=stored.version + stored.edits,
            actor=EventActor(id=correction.actor, role=correction.actor_role or UNKNOWN_ROLE),
            data=StockAdjustedData(
                **_data(stored), adjustment=correction.adjustment, cause=shards.cause_name(correction)
            ),
        )


def events_from_change(change: Change) -> list[Event[Any] | AdjustmentEventDraft]:
    """Returns the events of a change of a stock item, a level or an adjustment, in the order of their publication.

    Products with several shards have their events from the last two.
    """
    if change.new is None:
        return []
    events = _EVENTS.get(change.keys["sk"]["S"])
    return list(events(change.old, change.new, change)) if events else []


def _level_events(old: RawItem | None, new: RawItem, _: Change) -> Iterator[Event[Any]]:
    """Yields the crossing of a product with several shards, if the change of its level is one."""
    before, level = ProductLevel.from_raw_data(old) if old else None, ProductLevel.from_raw_data(new)
    crossing = threshold_crossing(StockLevel(before.level), StockLevel(level.level)) if before else None
    if crossing:
        actor, data = EventActor(id=level.by, role=level.by_role), StockEventData(**_data(level))
        yield _event(f"stock.{crossing}", level.at, level, actor, data, level.version)


def _adjustment_events(old: RawItem | None, new: RawItem, _: Change) -> Iterator[AdjustmentEventDraft]:
    """Yields the event of a new correction of several shards. That of one shard is derived from its stock item."""
    adjustment = Adjustment.from_raw_data(new)
    if old is None and adjustment.parts and shards.cause_name(adjustment) in _CORRECTIONS:
        yield AdjustmentEventDraft(adjustment)


def _stock_events(_: RawItem | None, new: RawItem, change: Change) -> list[Event[Any]]:
    stock = StockItem.from_raw_data(new)
    if stock.is_sharded:
        return []
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


_EVENTS: Mapping[str, Callable[[RawItem | None, RawItem, Change], Iterable[Event[Any] | AdjustmentEventDraft]]] = {
    StockItem.key("")[1]: _stock_events,
    ProductLevel.key("")[1]: _level_events,
    Adjustment.key("")[1]: _adjustment_events,
}


def _event(
    name: str, at: str, stock: StockItem | ProductLevel, actor: EventActor, data: StockEventData, change: int | str
) -> Event[Any]:
    """Returns an event. All changes of a product's stock, by movements or edits, raise `sequence`."""
    version = stock.stock_version if isinstance(stock, ProductLevel) else stock.version
    return Event(
        id=event_id(name, at, stock.pk, change),
        type=name,
        occurred_at=at,
        sequence=version + stock.edits,
        actor=actor,
        data=data,
    )


def _data(stock: StockItem | ProductLevel) -> dict[str, Any]:
    return {
        "product_id": stock.product_id,
        "sku": stock.sku,
        "name": stock.name,
        "available": stock.available,
        "reserved": stock.reserved,
        "on_hand": stock.available + stock.reserved,
        "low_stock_threshold": stock.low_stock_threshold,
    }
