"""The stock levels of products with several shards.

No change of one shard shows whether the product crosses its threshold. So the bookkeeper reads all shards after each
batch of changes, and stores the level that it finds. Each stored change of the level is one crossing, and causes one
event: the levels alternate, and the last one is that of the stock. A level that ends before the next read is missed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from oms.core.dynamodb import ConditionFailedError, get_item, is_written, put_item
from oms.core.retries import ConcurrentUpdateError, retrying
from oms.events.streams import Change, RawRecord
from oms.inventory import shards
from oms.inventory.models import StockItem
from oms.inventory.stock_levels import StockLevel, stock_level
from oms.stock_ledger.models import ProductLevel


@dataclass(frozen=True)
class LevelUpdate:
    """A change of a shard, after which the product's level is found again.

    `first` is the level before the product had several shards, if this change created them. `changes_offer`: the offer
    of shard 0 changed, so it must reach the other shards, also if the request that changed it was interrupted.
    """

    stock: StockItem
    first: StockLevel | None
    changes_offer: bool


def update_from_change(change: Change) -> LevelUpdate | None:
    """Returns the update that a change of a stock item causes; None if its product has one shard."""
    new = StockItem.from_raw_data(change.new) if change.new else None
    if new is None or not new.is_sharded:
        return None
    old = StockItem.from_raw_data(change.old) if change.old else None
    first = stock_level(old.available, old.low_stock_threshold) if old and not old.is_sharded else None
    return LevelUpdate(new, first, changes_offer=new.shard == 0 and (old is None or old.offer != new.offer))


def latest(updates: Iterable[tuple[RawRecord, LevelUpdate]]) -> list[tuple[RawRecord, LevelUpdate]]:
    """Returns the last update of each product, which also does what the earlier ones have to do."""
    found: dict[str, tuple[RawRecord, LevelUpdate]] = {}
    for record, update in updates:
        _, earlier = found.get(update.stock.product_id, (record, update))
        found[update.stock.product_id] = (
            record,
            replace(
                update,
                first=earlier.first or update.first,
                changes_offer=earlier.changes_offer or update.changes_offer,
            ),
        )
    return list(found.values())


def apply(update: LevelUpdate) -> None:
    """Finds the product's level and stores it, until it finds the stored one. Safe to repeat.

    If no level is stored, the change that created the shards is still in the stream. It stores the first level, and
    finds the current one then.
    """
    if update.changes_offer:
        shards.copy_offer(update.stock.product_id)
    if update.first is not None:
        first = _level_of([update.stock], update, version=1)
        first.level = update.first
        is_written(lambda: put_item(first, ProductLevel.pk.does_not_exist()))
    while retrying(lambda: _store_level(update)):
        pass


def _store_level(update: LevelUpdate) -> bool:
    """Returns whether it has stored another level."""
    product_id = update.stock.product_id
    stored = get_item(ProductLevel, ProductLevel.key(product_id))
    if stored is None:
        return False
    found = _level_of(_read_between_moves(product_id), update, version=stored.version + 1)
    if (found.level, found.status) == (stored.level, stored.status):
        return False
    try:
        put_item(found, ProductLevel.version == stored.version)
    except ConditionFailedError as error:
        raise ConcurrentUpdateError from error
    return True


def _read_between_moves(product_id: str) -> Sequence[StockItem]:
    """Returns all shards. No units are counted twice, or not at all, because they moved during the read.

    Orders may come in meanwhile. Raises ConcurrentUpdateError if units moved.
    """
    first = shards.read_shards(product_id)
    second = shards.read_shards(product_id, len(first))
    if [stock.moves for stock in first] != [stock.moves for stock in second]:
        raise ConcurrentUpdateError("units moved while all shards were read")
    return second


def _level_of(stocks: Sequence[StockItem], update: LevelUpdate, *, version: int) -> ProductLevel:
    main, change = stocks[0], update.stock
    available = sum(stock.available for stock in stocks)
    edited = change.edited if change.edited and change.edited.at > change.last.at else None
    return ProductLevel(
        *ProductLevel.key(main.product_id),
        product_id=main.product_id,
        sku=main.sku,
        name=main.name,
        status=main.status,
        level=stock_level(available, main.low_stock_threshold),
        available=available,
        reserved=sum(stock.reserved for stock in stocks),
        low_stock_threshold=main.low_stock_threshold,
        stock_version=sum(stock.version for stock in stocks),
        edits=main.edits,
        version=version,
        by=edited.actor if edited else change.last.actor,
        by_role=edited.actor_role if edited else change.last.actor_role,
        at=edited.at if edited else change.last.at,
    )
