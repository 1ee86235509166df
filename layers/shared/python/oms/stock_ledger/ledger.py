"""The stock ledger: the movements and crossings that the bookkeeper writes from the inventory table's stream."""

from datetime import UTC, datetime

from oms.core import clock
from oms.core.dynamodb import ConditionFailedError, batch_get, get_item, put_item
from oms.core.errors import NotFoundError
from oms.core.pages import HIGHEST, KeyRange, Page, merged_page, table_page
from oms.core.retries import retrying
from oms.events.streams import Change, PermanentFailureError
from oms.inventory.models import BY_CREATED, Product, StockItem
from oms.inventory.stock_levels import StockLevel, stock_level, threshold_crossing
from oms.stock_ledger.models import MOVEMENTS, Crossing, LedgerItem, Movement, movements_of


def item_from_change(change: Change) -> LedgerItem | None:
    """Returns the ledger item that a change of the inventory table causes, or None if the change is not of a stock
    item.

    The same change always gives the same item. Raises ValueError if a stock item was removed, which no part of the
    system does, and PynamoDB's errors if it is incomplete.
    """
    item = _item_from_change(change)
    if item is not None:
        item.serialize()  # raises for an incomplete item, which would fail at each write
    return item


def _item_from_change(change: Change) -> LedgerItem | None:
    if change.keys["sk"]["S"] != StockItem.key("")[1]:
        return None
    if change.new is None:
        raise ValueError("a stock item was removed")
    old = StockItem.from_raw_data(change.old) if change.old else None
    new = StockItem.from_raw_data(change.new)
    # The first level of a new product is not a crossing. If it has several shards, their sum crosses: see `levels`.
    crossing = threshold_crossing(_level(old), _level(new)) if old and not new.is_sharded else None
    if old is None or old.version != new.version:
        movement = Movement(
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
        return movement.list_by_time(new.product_id) if new.is_sharded else movement
    if crossing is None:
        return None
    at = clock.timestamp(datetime.fromtimestamp(change.at, UTC))
    return Crossing(new.pk, Crossing.sort_key(change.sequence), at=at, crossing=crossing, sequence=change.sequence)


def _level(stock: StockItem) -> StockLevel:
    return stock_level(stock.available, stock.low_stock_threshold)


def write(item: LedgerItem) -> None:
    """Stores a ledger item once. Stored items never change.

    Raises PermanentFailureError if another item is stored under the same key. That means that the stock item was set
    back to an older state, so its next movements repeat versions. They must not be lost without an alarm.
    """

    def attempt() -> None:
        try:
            put_item(item, LedgerItem.pk.does_not_exist())
        except ConditionFailedError as error:
            if error.item != item.serialize():
                key = f"{item.pk}/{item.sk}"
                raise PermanentFailureError(f"the ledger has a different item under {key}") from error

    retrying(attempt)


def list_movements(product_id: str, *, limit: int, after: str | None) -> Page[Movement]:
    """Returns a page of a product's movements, newest first. They lag behind the stock by seconds. Raises
    NotFoundError.

    The movements of one shard are in one partition, by version. Those of several shards are listed by an index, by
    time. The movements before the product had several shards follow them.
    """
    if after is None or after.startswith(MOVEMENTS):
        part = KeyRange(limit, descending=True, low=MOVEMENTS, high=MOVEMENTS + HIGHEST, after=after)
        page = table_page(Movement, StockItem.key(product_id)[0], part)
        if not page.placed and get_item(Product, Product.key(product_id)) is None:
            raise NotFoundError("Product not found.")
        if not page.items or page.items[0].listing is None:
            return page
    return _list_of_shards(product_id, limit=limit, after=after)


def _list_of_shards(product_id: str, *, limit: int, after: str | None) -> Page[Movement]:
    stock = get_item(StockItem, StockItem.key(product_id))
    if stock is None or stock.unsharded_version is None:
        raise NotFoundError("Product not found.")
    partitions = [movements_of(product_id, shard) for shard in range(stock.item_count)]
    page = merged_page(BY_CREATED, partitions, KeyRange(limit, descending=True, after=after))
    keys = [(place, (entry["pk"], entry["sk"])) for place, entry in page.placed]
    found = batch_get(Movement, [key for _, key in keys])
    placed = [(place, found[key]) for place, key in keys if key in found]
    # After the index, the next page begins with the last movement that it does not list.
    return Page(placed, page.position or Movement.sort_key(stock.unsharded_version + 1))
