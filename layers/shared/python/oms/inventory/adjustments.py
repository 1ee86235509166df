"""Adjusts the stock of a product. An adjustment is stored with the change, and is its own idempotency record."""

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

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
from oms.core.schemas import Request
from oms.core.transactions import TransactionError, transaction
from oms.inventory import shards
from oms.inventory.models import Adjustment, ShardUnits, StockItem
from oms.inventory.stock_schemas import AdjustStockRequest

# The shards that one transaction changes.
_MAX_PARTS = 20


class StockChange(NamedTuple):
    """A stored adjustment or count, and the stock after it; None if only a read shows it."""

    record: Adjustment
    stock: StockItem | None = None


class ChangedStock(NamedTuple):
    """The stock item after a change, and the units that the change added."""

    stock: StockItem
    adjustment: int


@dataclass(frozen=True)
class NewAdjustment:
    """An adjustment to store. `request_hash` shows whether an earlier request was the same."""

    adjustment: Adjustment
    actor: Actor
    request_hash: RequestHash
    keyed: bool

    @classmethod
    def of(
        cls, product_id: str, request: Request, *, reason: str, route: str, actor: Actor, key: str | None
    ) -> "NewAdjustment":
        """Returns an adjustment of no units. `route` names the method and the path, with the product."""
        adjustment_id = keyed_id(actor.id, route, key)
        return cls.under_id(adjustment_id, product_id, request, reason=reason, actor=actor, keyed=key is not None)

    @classmethod
    def under_id(
        cls, adjustment_id: str, product_id: str, request: Request, *, reason: str, actor: Actor, keyed: bool = True
    ) -> "NewAdjustment":
        """Returns an adjustment of no units with this id, under which it is made once."""
        hashed = request_hash(request)
        adjustment = Adjustment(
            id=adjustment_id,
            product_id=product_id,
            adjustment=0,
            reason=reason,
            actor=actor.id,
            at=clock.timestamp(clock.now()),
            request_hash=hashed.stored,
        ).place()
        return cls(adjustment, actor, hashed, keyed)

    @property
    def stock(self) -> StockItem:
        return StockItem(*StockItem.key(self.adjustment.product_id))


def adjust_stock(
    product_id: str, request: AdjustStockRequest, *, actor: Actor, key: str | None
) -> IdempotentResult[ChangedStock]:
    """Adds `request.adjustment` to the available units, once for each key.

    Raises NotFoundError, and InsufficientStockError if the available units would be negative.
    """
    route = f"PATCH /inventory/products/{product_id}/stock"
    new = NewAdjustment.of(product_id, request, reason=request.reason, route=route, actor=actor, key=key)
    new.adjustment.adjustment = request.adjustment
    return run_with_stock(lambda: try_to_adjust(new), new)


def run_with_stock(
    attempt: Callable[[], IdempotentResult[StockChange]], new: NewAdjustment, *, may_repeat: bool = False
) -> IdempotentResult[ChangedStock]:
    """Runs the attempt once for each key. Returns its change, with the stock after it.

    With `may_repeat`, an attempt whose response was lost may be why the next one is refused, also without a key.
    """

    def with_stock(change: IdempotentResult[StockChange]) -> IdempotentResult[ChangedStock]:
        record, stock = change.value
        return IdempotentResult(ChangedStock(stock or _read_stock(new), record.adjustment), change.replayed)

    def find_previous() -> IdempotentResult[ChangedStock] | None:
        previous = find_stored(new)
        return with_stock(previous) if previous else None

    return run_idempotent(lambda: with_stock(attempt()), find_previous=find_previous, keyed=new.keyed or may_repeat)


def try_to_adjust(new: NewAdjustment) -> IdempotentResult[StockChange]:
    try:
        _put_adjustment(new)
    except TransactionError as error:
        if error.failed(new.adjustment):
            return replayed(Adjustment.from_raw_data(error.stored(new.adjustment)), new)
        if not error.has_reason(new.adjustment) and error.failed(new.stock):
            stored = error.stored(new.stock)
            if "shards_created" in stored:
                return _adjust_shards(new, int(stored["shards_created"]["N"]))
            raise _cannot_adjust(stored, new.adjustment.adjustment) from error
        raise
    return IdempotentResult(StockChange(new.adjustment), replayed=False)


def _adjust_shards(new: NewAdjustment, count: int) -> IdempotentResult[StockChange]:
    """Tries once to adjust a product with several shards. Raises ConcurrentUpdateError if a shard changes meanwhile."""
    adjustment, units = new.adjustment, new.adjustment.adjustment
    stocks = shards.read_shards(adjustment.product_id, count)
    available = sum(stock.available for stock in stocks)
    if available + units < 0:
        shards.check_settled(adjustment.product_id, stocks)
        raise _too_few(units, available)
    return change_shards(new, stocks)


def change_shards(
    new: NewAdjustment, stocks: Sequence[StockItem], *, main_version: int | None = None
) -> IdempotentResult[StockChange]:
    """Tries once to store the adjustment of a product with several shards, which have enough units in `stocks`.

    With `main_version`, only if shard 0 still has this version. Raises ConcurrentUpdateError if a shard changes
    meanwhile.
    """
    adjustment, units = new.adjustment, new.adjustment.adjustment
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
        _put_parts(new, main_version)
    except TransactionError as error:
        if error.failed(adjustment):
            return replayed(Adjustment.from_raw_data(error.stored(adjustment)), new)
        if not error.has_reason(adjustment) and error.any_failed:
            raise ConcurrentUpdateError from error
        raise
    if units > 0:
        # The added units are on sale already. If this fails, orders find them by a read of all shards.
        with suppress(UnavailableError):
            shards.balance(adjustment.product_id, len(stocks), actor=new.actor)
    return IdempotentResult(StockChange(adjustment), replayed=False)


def find_stored(new: NewAdjustment) -> IdempotentResult[StockChange] | None:
    """Returns the change that an earlier request with the same key stored, if any."""
    stored = get_item(Adjustment, Adjustment.key(new.adjustment.id))
    return replayed(stored, new) if stored else None


def replayed(stored: Adjustment, new: NewAdjustment) -> IdempotentResult[StockChange]:
    """Returns the change of an earlier request. Raises IdempotencyKeyReusedError if that request was different."""
    check_same_request(stored.request_hash, new.request_hash)
    return IdempotentResult(StockChange(stored), replayed=new.keyed)


def _put_adjustment(new: NewAdjustment) -> None:
    """Stores the adjustment of a product with one shard."""
    adjustment, units = new.adjustment, new.adjustment.adjustment
    adjustment.parts = None
    enough: Condition = StockItem.pk.exists() & StockItem.shards_created.does_not_exist()
    if units < 0:
        enough &= StockItem.available >= -units
    put_change(new, enough)


def put_change(new: NewAdjustment, condition: Condition) -> None:
    """Stores a change of shard 0, if the condition holds for that."""
    cause = shards.cause_of_change(new.adjustment, new.actor.role)
    with transaction() as write:
        write.save(new.adjustment, condition=Adjustment.pk.does_not_exist(), return_values="ALL_OLD")
        write.update(
            new.stock,
            actions=[
                StockItem.available.add(new.adjustment.adjustment),
                StockItem.version.add(1),
                StockItem.last.set(cause),
            ],
            condition=condition,
            return_values="ALL_OLD",
        )


def _put_parts(new: NewAdjustment, main_version: int | None) -> None:
    """Stores the adjustment of a product with several shards. Its event comes from it, not from a stock item."""
    new.adjustment.actor_role = new.actor.role
    cause = shards.cause_of_change(new.adjustment, new.actor.role)
    if main_version is not None and all(part.shard for part in new.adjustment.parts):
        # The part of no units lets the condition on shard 0 take part, and gives its new version a movement.
        new.adjustment.parts.append(ShardUnits(shard=0, units=0))
    with transaction() as write:
        write.save(new.adjustment, condition=Adjustment.pk.does_not_exist(), return_values="ALL_OLD")
        for part in new.adjustment.parts:
            condition: Condition = StockItem.available >= max(0, -part.units)
            if main_version is not None and part.shard == 0:
                condition &= StockItem.version == main_version
            write.update(
                StockItem(*StockItem.key(new.adjustment.product_id, part.shard)),
                actions=[StockItem.available.add(part.units), StockItem.version.add(1), StockItem.last.set(cause)],
                condition=condition,
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
