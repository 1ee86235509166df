"""Counts of stock: sets the units on hand of a product, while orders change it.

A count is stored as the adjustment that leads to it: the difference between the counted units and those on hand at a
moment of the request. So it has a movement and a record like each adjustment, and the units that are shipped or
returned after that moment still count.
"""

from oms.core.actors import Actor
from oms.core.dynamodb import ConditionFailedError, put_item
from oms.core.errors import NotFoundError, StockChangedError, StockReservedError
from oms.core.idempotency import IdempotentResult
from oms.core.retries import ConcurrentUpdateError
from oms.core.transactions import TransactionError
from oms.inventory import adjustments, shards
from oms.inventory.adjustments import ChangedStock, NewAdjustment, StockChange
from oms.inventory.models import Adjustment, StockItem
from oms.inventory.stock_schemas import CountStockRequest

CAUSE = "counted"


def count_stock(
    product_id: str, request: CountStockRequest, *, actor: Actor, key: str | None
) -> IdempotentResult[ChangedStock]:
    """Sets the units on hand to `request.on_hand`, once for each key.

    Raises NotFoundError, StockChangedError if the stock has another version than `request.if_version`, and
    StockReservedError if orders reserve more units than are on hand.
    """
    route = f"PUT /inventory/products/{product_id}/stock"
    new = NewAdjustment.of(product_id, request, reason=request.reason, route=route, actor=actor, key=key)
    return adjustments.run_with_stock(
        lambda: try_to_count(new, request.on_hand, if_version=request.if_version), new, may_repeat=True
    )


def try_to_count(
    new: NewAdjustment, on_hand: int, *, if_version: int | None, known: StockItem | None = None
) -> IdempotentResult[StockChange]:
    """Tries once to count. `known` is the stored stock item of a product with one shard, if it was just read.

    Raises ConcurrentUpdateError if the stock changes meanwhile.
    """
    record = new.adjustment
    stocks = [known] if known else shards.read_settled_units(record.product_id)
    if not stocks:
        raise NotFoundError("Product not found.")
    available, reserved = sum(stock.available for stock in stocks), sum(stock.reserved for stock in stocks)
    version = sum(stock.version for stock in stocks)
    if if_version not in (None, version):
        raise StockChangedError(
            f"The stock has version {version} now. Compare the figures, and count again if necessary.",
            extra=_figures(available, reserved, version),
        )
    if on_hand < reserved:
        if len(stocks) > 1:
            shards.check_settled(record.product_id, stocks)
        raise StockReservedError(
            f"Orders reserve {reserved} units, so {on_hand} cannot be all that are on hand. Cancel orders first.",
            extra=_figures(available, reserved, version),
        )
    record.adjustment, record.cause = on_hand - available - reserved, CAUSE
    if not record.adjustment:
        return _confirm(new, stocks)
    if len(stocks) > 1:
        return adjustments.change_shards(new, stocks, main_version=stocks[0].version)
    return _change(new, stocks[0])


def _figures(available: int, reserved: int, version: int) -> dict[str, int]:
    return {
        "on_hand": available + reserved,
        "available": available,
        "reserved": reserved,
        "stock_version": version,
    }


def _confirm(new: NewAdjustment, stocks: list[StockItem]) -> IdempotentResult[StockChange]:
    """Stores a count that agrees with the stock, which it leaves as it is. So a replay leaves later changes."""
    new.adjustment.parts = []
    try:
        put_item(new.adjustment, Adjustment.pk.does_not_exist())
    except ConditionFailedError as error:
        return adjustments.replayed(Adjustment.from_raw_data(error.item or {}), new)
    return IdempotentResult(StockChange(new.adjustment, stocks[0] if len(stocks) == 1 else None), replayed=False)


def _change(new: NewAdjustment, stock: StockItem) -> IdempotentResult[StockChange]:
    """Stores the count of a product with one shard, if that is still as in `stock`."""
    new.adjustment.parts = None
    try:
        adjustments.put_change(new, StockItem.version == stock.version)
    except TransactionError as error:
        if error.failed(new.adjustment):
            return adjustments.replayed(Adjustment.from_raw_data(error.stored(new.adjustment)), new)
        if not error.has_reason(new.adjustment) and error.failed(new.stock):
            raise ConcurrentUpdateError from error
        raise
    stock.available += new.adjustment.adjustment
    stock.version += 1
    return IdempotentResult(StockChange(new.adjustment, stock), replayed=False)
