"""The contribution of a product's stock to the sums of all stock, and the lists of low and sold-out products.

Only products on sale count. The bookkeeper gets each change of a stock item from the stream. `version_of` orders these
changes.
"""

from collections.abc import Iterable, Mapping

from oms.events.streams import PermanentFailureError
from oms.inventory.models import StockItem
from oms.inventory.stock_levels import StockLevel, stock_level
from oms.reports import sums
from oms.reports.sum_keys import SHARDS, total_of
from oms.reports.sums import Chunk, chunks
from oms.stock_ledger.models import ProductLevel

SUMS = ("products", "on_hand", "reserved", "value", "low", "out")
SCARCE = (StockLevel.LOW, StockLevel.OUT)
STOCK = total_of("stock")


def list_of(scarce: StockLevel) -> str:
    """Returns the partition of the reports' index with the stock items of a stock level."""
    return f"band#{scarce}"


def version_of(stock: StockItem) -> int:
    """Returns a number that each write to a stock item raises. None of its parts ever falls."""
    return stock.version + stock.offer + stock.edits


def contribution(stock: StockItem) -> list[Chunk]:
    """Returns the contribution of a stock item. `value` is the price of all units on hand, in minor units.

    A product is counted by its shard 0. If it has several shards, its level is another contribution.
    """
    on_sale = stock.status == "active"
    left = StockLevel.OK if stock.is_sharded else stock_level(stock.available, stock.low_stock_threshold)
    on_hand = stock.available + stock.reserved
    amounts = {
        "products": on_sale and stock.shard == 0,
        "on_hand": on_sale * on_hand,
        "reserved": on_sale * stock.reserved,
        "value": on_sale * on_hand * stock.price,
    }
    return _chunks(stock, version_of(stock), amounts, left)


def contribution_of_level(level: ProductLevel) -> list[Chunk]:
    """Returns the contribution of the level of a product with several shards."""
    return _chunks(level, level.version, {}, StockLevel(level.level))


def _chunks(item: StockItem | ProductLevel, version: int, amounts: Mapping[str, int], left: StockLevel) -> list[Chunk]:
    on_sale = item.status == "active"
    scarce = {"low": on_sale and left == StockLevel.LOW, "out": on_sale and left == StockLevel.OUT}
    whole = {STOCK: {name: int(it) for name, it in (*amounts.items(), *scarce.items())}}
    listed = (list_of(left), item.product_id) if on_sale and left in SCARCE else None
    return chunks(item.pk, version, whole, listed=listed)


def add_up(contributions: Iterable[Iterable[Chunk]]) -> None:
    """Applies these contributions to the sums. They may come repeatedly and in any order.

    Raises PermanentFailureError if an applied contribution is unreadable, and the errors of `sums.apply`.
    """
    try:
        # All shards, since readers of totals always read them all.
        sums.apply((chunk for chunks in contributions for chunk in chunks), shards=SHARDS)
    except (LookupError, TypeError, ValueError) as error:
        raise PermanentFailureError(
            "the applied contribution of a stock item is unreadable: rebuild the reports"
        ) from error
