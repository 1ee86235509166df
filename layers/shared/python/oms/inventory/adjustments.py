"""Adjusts the stock of a product. An adjustment is stored with the change, and is its own idempotency record."""

import random
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pynamodb.expressions.condition import Condition

from oms.core import clock
from oms.core.actors import Actor
from oms.core.dynamodb import get_item
from oms.core.errors import InsufficientStockError, NotFoundError, UnavailableError
from oms.core.idempotency import (
    IdempotentResult,
    RequestHash,
    check_same_request,
    keyed_id,
    request_hash,
    run_idempotent,
)
from oms.core.retries import ConcurrentUpdateError
from oms.core.transactions import TransactionError, transaction
from oms.inventory import shards
from oms.inventory.models import Adjustment, ShardUnits, StockItem
from oms.inventory.schemas import AdjustStockRequest

# The shards that one transaction changes.
_MAX_PARTS = 20


@dataclass(frozen=True)
class NewAdjustment:
    """An adjustment to store. `request_hash` shows whether an earlier request was the same."""

    adjustment: Adjustment
    actor: Actor
    request_hash: RequestHash
    keyed: bool

    @property
    def stock(self) -> StockItem:
        return StockItem(*StockItem.key(self.adjustment.product_id))


def adjust_stock(
    product_id: str, request: AdjustStockRequest, *, actor: Actor, key: str | None
) -> IdempotentResult[StockItem]:
    """Adds `request.adjustment` to the available units, once for each key. Returns the stock item after it.

    Raises NotFoundError, and InsufficientStockError if the available units would be negative.
    """
    hashed = request_hash(request)
    adjustment = Adjustment(
        id=keyed_id(actor.id, f"PATCH /inventory/products/{product_id}/stock", key),
        product_id=product_id,
        adjustment=request.adjustment,
        reason=request.reason,
        actor=actor.id,
        at=clock.timestamp(clock.now()),
        request_hash=hashed.stored,
    ).place()
    new = NewAdjustment(adjustment, actor, hashed, keyed=key is not None)
    return run_idempotent(lambda: _try_to_adjust(new), find_previous=lambda: _find_stored(new), keyed=new.keyed)


def _try_to_adjust(new: NewAdjustment) -> IdempotentResult[StockItem]:
    try:
        _put_adjustment(new)
    except TransactionError as error:
        if error.failed(new.adjustment):
            return _replayed(Adjustment.from_raw_data(error.stored(new.adjustment)), new)
        if not error.has_reason(new.adjustment) and error.failed(new.stock):
            stored = error.stored(new.stock)
            if "shards_created" in stored:
                return _adjust_shards(new, int(stored["shards_created"]["N"]))
            raise _cannot_adjust(stored, new.adjustment.adjustment) from error
        raise
    return IdempotentResult(_read_stock(new), replayed=False)


def _adjust_shards(new: NewAdjustment, count: int) -> IdempotentResult[StockItem]:
    """Tries once to adjust a product with several shards. Raises ConcurrentUpdateError if a shard changes meanwhile."""
    adjustment, units = new.adjustment, new.adjustment.adjustment
    stocks = shards.read_shards(adjustment.product_id, count)
    available = sum(stock.available for stock in stocks)
    if available + units < 0:
        shards.check_settled(adjustment.product_id, stocks)
        raise _too_few(units, available)
    levels, selling = shards.levels_of(stocks), stocks[0].shard_count
    if units > 0:
        adjustment.parts = [ShardUnits(shard=random.randrange(selling), units=units)]  # noqa: S311 - spreads load
    else:
        draws = shards.planned_draws(levels, -units, shards=selling)
        if len(draws) > _MAX_PARTS:
            shards.gather(adjustment.product_id, levels, -units, actor=new.actor)
            raise ConcurrentUpdateError
        adjustment.parts = [ShardUnits(shard=draw.shard, units=-draw.quantity) for draw in draws]
    try:
        _put_parts(new)
    except TransactionError as error:
        if error.failed(adjustment):
            return _replayed(Adjustment.from_raw_data(error.stored(adjustment)), new)
        if not error.has_reason(adjustment) and error.any_failed:
            raise ConcurrentUpdateError from error
        raise
    if units > 0:
        # The added units are on sale already. If this fails, orders find them by a read of all shards.
        with suppress(UnavailableError):
            shards.balance(adjustment.product_id, len(stocks), actor=new.actor)
    return IdempotentResult(_read_stock(new), replayed=False)


def _find_stored(new: NewAdjustment) -> IdempotentResult[StockItem] | None:
    stored = get_item(Adjustment, Adjustment.key(new.adjustment.id))
    return _replayed(stored, new) if stored else None


def _replayed(stored: Adjustment, new: NewAdjustment) -> IdempotentResult[StockItem]:
    """Returns the stock after an earlier request. Raises IdempotencyKeyReusedError if that request was different."""
    check_same_request(stored.request_hash, new.request_hash)
    return IdempotentResult(_read_stock(new), replayed=new.keyed)


def _put_adjustment(new: NewAdjustment) -> None:
    """Stores the adjustment of a product with one shard."""
    adjustment, units = new.adjustment, new.adjustment.adjustment
    adjustment.parts = None
    cause = shards.cause_of_change(adjustment, new.actor.role)
    enough: Condition = StockItem.pk.exists() & StockItem.shards_created.does_not_exist()
    if units < 0:
        enough &= StockItem.available >= -units
    with transaction() as write:
        write.save(adjustment, condition=Adjustment.pk.does_not_exist(), return_values="ALL_OLD")
        write.update(
            new.stock,
            actions=[StockItem.available.add(units), StockItem.version.add(1), StockItem.last.set(cause)],
            condition=enough,
            return_values="ALL_OLD",
        )


def _put_parts(new: NewAdjustment) -> None:
    """Stores the adjustment of a product with several shards. Its event comes from it, not from a stock item."""
    new.adjustment.actor_role = new.actor.role
    cause = shards.cause_of_change(new.adjustment, new.actor.role)
    with transaction() as write:
        write.save(new.adjustment, condition=Adjustment.pk.does_not_exist(), return_values="ALL_OLD")
        for part in new.adjustment.parts:
            write.update(
                StockItem(*StockItem.key(new.adjustment.product_id, part.shard)),
                actions=[StockItem.available.add(part.units), StockItem.version.add(1), StockItem.last.set(cause)],
                condition=StockItem.available >= max(0, -part.units),
            )


def _cannot_adjust(raw_stock: dict[str, Any], units: int) -> NotFoundError | InsufficientStockError:
    if not raw_stock:
        return NotFoundError("Product not found.")
    return _too_few(units, StockItem.from_raw_data(raw_stock).available)


def _too_few(units: int, available: int) -> InsufficientStockError:
    return InsufficientStockError(
        f"The stock cannot be adjusted by {units}: only {available} units are available. Remove fewer units."
    )


def _read_stock(new: NewAdjustment) -> StockItem:
    stock = get_item(StockItem, StockItem.key(new.adjustment.product_id))
    if stock is None:
        raise NotFoundError("Product not found.")
    shards.add_up([stock])
    return stock
