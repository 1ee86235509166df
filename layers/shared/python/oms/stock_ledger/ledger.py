"""The stock ledger: the movements and crossings that the bookkeeper writes from the inventory table's stream."""

from datetime import UTC, datetime

from oms.core import clock
from oms.core.dynamodb import ConditionFailedError, get_item, put_item, retrying
from oms.core.errors import NotFoundError
from oms.core.pages import HIGHEST, KeyRange, Page, table_page
from oms.events.streams import Change, PermanentFailureError
from oms.inventory.models import Product, StockItem
from oms.inventory.stock_levels import StockLevel, stock_level, threshold_crossing
from oms.stock_ledger.models import MOVEMENTS, Crossing, LedgerItem, Movement


def item_from_change(change: Change) -> LedgerItem | None:
    """The ledger item that a change of the inventory table causes. None unless the change is of a stock item.

    Pure: the same change gives the same item. Raises ValueError for the removal of a stock item, which no part of the
    system does, and PynamoDB's errors for an incomplete one.
    """
    item = _item_from_change(change)
    if item is not None:
        item.serialize()  # an incomplete item raises here, where its record is quarantined, and not at each write
    return item


def _item_from_change(change: Change) -> LedgerItem | None:
    if change.keys["sk"]["S"] != StockItem.key("")[1]:
        return None
    if change.new is None:
        raise ValueError("a stock item was removed")
    old = StockItem.from_raw_data(change.old) if change.old else None
    new = StockItem.from_raw_data(change.new)
    # The first level of a new product is not a crossing.
    crossing = threshold_crossing(_level(old), _level(new)) if old else None
    if old is None or old.version != new.version:
        return Movement(
            new.pk,
            Movement.sort_key(new.version),
            version=new.version,
            at=new.last.at,
            cause=new.last.cause,
            actor=new.last.actor,
            ref=new.last.ref,
            ref_version=new.last.ref_version,
            available_before=old.available if old else 0,
            available_after=new.available,
            reserved_before=old.reserved if old else 0,
            reserved_after=new.reserved,
            crossing=crossing,
        )
    if crossing is None:
        return None
    at = clock.timestamp(datetime.fromtimestamp(change.at, UTC))
    return Crossing(new.pk, Crossing.sort_key(change.sequence), at=at, crossing=crossing, sequence=change.sequence)


def _level(stock: StockItem) -> StockLevel:
    return stock_level(stock.available, stock.low_stock_threshold)


def write(item: LedgerItem) -> None:
    """Stores a ledger item once. A stored one is never changed.

    Raises PermanentFailureError if another item is stored under the same key. Then the stock item was set back to an
    older state, and its next movements use versions again. They must not be lost without an alarm.
    """

    def attempt() -> None:
        try:
            put_item(item, LedgerItem.pk.does_not_exist())
        except ConditionFailedError as error:
            if error.item != item.serialize():
                raise PermanentFailureError("the ledger has another item of this version") from error

    retrying(attempt)


def list_movements(product_id: str, *, limit: int, after: str | None) -> Page[Movement]:
    """A page of a product's movements, newest first, which lag behind the stock by seconds. Raises NotFoundError."""
    part = KeyRange(limit, descending=True, low=MOVEMENTS, high=MOVEMENTS + HIGHEST, after=after)
    page = table_page(Movement, StockItem.key(product_id)[0], part)
    if not page.placed and get_item(Product, Product.key(product_id)) is None:
        raise NotFoundError("Product not found.")
    return page
