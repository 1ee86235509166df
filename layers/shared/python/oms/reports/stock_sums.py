"""The contribution of a product's stock to the sums of all stock, and the lists of low and sold-out products.

Only products on sale count. The bookkeeper gets each change of a stock item from the stream. `version_of` orders these
changes, for any changed attribute.
"""

from collections.abc import Iterable

from oms.events.streams import PermanentFailureError
from oms.inventory.models import StockItem
from oms.inventory.stock_levels import StockLevel, stock_level
from oms.reports import sums
from oms.reports.order_sums import shard_of
from oms.reports.sums import Chunk, SumKey, chunks

SUMS = ("products", "on_hand", "reserved", "value", "low", "out")
SCARCE = (StockLevel.LOW, StockLevel.OUT)


def totals_of(shard: int) -> SumKey:
    return SumKey(f"totals#{shard}", "stock")


def list_of(scarce: StockLevel) -> str:
    """The partition of the reports' index with the stock items of a stock level."""
    return f"band#{scarce}"


def version_of(stock: StockItem) -> int:
    """Each write to a stock item raises at least one of these numbers, and none ever falls."""
    return stock.version + stock.offer + stock.edits


def contribution(stock: StockItem) -> list[Chunk]:
    """`value` is that of the units on hand at the product's price, in minor units."""
    on_sale = stock.status == "active"
    left = stock_level(stock.available, stock.low_stock_threshold)
    on_hand = stock.available + stock.reserved
    amounts = {
        "products": on_sale,
        "on_hand": on_sale * on_hand,
        "reserved": on_sale * stock.reserved,
        "value": on_sale * on_hand * stock.price,
        "low": on_sale and left == StockLevel.LOW,
        "out": on_sale and left == StockLevel.OUT,
    }
    whole = {totals_of(shard_of(stock.product_id)): {name: int(amount) for name, amount in amounts.items()}}
    listed = (list_of(left), stock.product_id) if on_sale and left in SCARCE else None
    return chunks(stock.pk, version_of(stock), whole, listed=listed)


def add_up(contributions: Iterable[Iterable[Chunk]]) -> None:
    """Brings the sums to these contributions, in any order and however often.

    Raises PermanentFailureError if an applied contribution cannot be read, and what `sums.apply` raises.
    """
    try:
        sums.apply(chunk for it in contributions for chunk in it)
    except (LookupError, TypeError, ValueError) as error:
        raise PermanentFailureError(
            "the applied contribution of a stock item is unreadable: rebuild the reports"
        ) from error
