"""Chooses the shards from which an order draws its units, over all attempts to place it.

An order draws each line from one random shard, without a read. If that shard is short, it reads a snapshot of all
shards of the product: one with enough units, or several, are planned for the next attempt. A product is short only if
all shards together had too few units at one moment of the request.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from oms.core.actors import System
from oms.core.retries import ShardConflictError
from oms.core.transactions import MAX_OPERATIONS, TransactionError
from oms.inventory import shards
from oms.inventory.models import StockItem
from oms.inventory.shard_snapshots import Snapshot, SnapshotReader
from oms.inventory.shards import Draw
from oms.orders.limits import BuyerLimits
from oms.orders.offers import OfferCache
from oms.orders.pricing import PricedLine, PricedOrder

# The operations of an order's transaction that are not draws: the order itself, and up to two counters of orders.
_OTHER_OPERATIONS = 3
# A line with more draws would conflict often, so units are moved to one shard before.
_MAX_DRAWS = 8


class Drawing:
    """The choices for one order. An attempt uses the plans of the attempt before it."""

    def __init__(self) -> None:
        self._plans: dict[str, Sequence[Draw]] = {}
        self._tried: dict[str, int] = {}
        self._readers: dict[str, SnapshotReader] = {}

    def choose_shards(self, priced: PricedOrder) -> PricedOrder:
        """Returns the order with the shards from which its lines draw. Lines of products with one shard stay."""
        plans, self._plans = self._plans, {}
        if not plans and all(line.offer.shards == 1 for line in priced.lines):
            return priced
        return replace(priced, lines=[self._choose(line, plans.get(line.product_id, ())) for line in priced.lines])

    def _choose(self, line: PricedLine, plan: Sequence[Draw]) -> PricedLine:
        """Returns the line with its plan, or with a random shard, other than that of the attempt before."""
        if plan:
            return replace(line, planned=plan)
        if line.offer.shards == 1:
            return line
        candidates = range(line.offer.shards)
        tried = self._tried.get(line.product_id)
        shard = random.choice([shard for shard in candidates if shard != tried])  # noqa: S311 - not a secret
        self._tried[line.product_id] = shard
        return replace(line, shard=shard)

    def can_avoid_conflict(self, error: TransactionError, priced: PricedOrder, limits: BuyerLimits) -> bool:
        """Returns whether the next attempt can draw from other shards than those in conflict. Plans it if a read
        of all shards had chosen them.
        """
        conflicted = [line for line in priced.lines if any(map(error.has_reason, line.stock_items))]
        if not error.any_conflicted or not all(line.offer.stored_shards > 1 for line in conflicted):
            return False
        for line in conflicted:
            if line.planned:
                self._read(line, limits, _most_draws(priced))
        return bool(conflicted)

    def stock_of_failed(
        self, error: TransactionError, priced: PricedOrder, limits: BuyerLimits, offers: OfferCache
    ) -> list[tuple[PricedLine, StockItem | None]]:
        """Returns the lines that cannot be placed, with the product's stock; None for an unknown product.

        It omits the lines that the next attempt may place: it plans their shards, or makes their offers current.
        Raises ShardConflictError if the next attempt may place all lines, or if shards change while they are read.
        """
        failed: list[tuple[PricedLine, StockItem | None]] = []
        for line in priced.lines:
            stocks = list(_failed_items(error, line))
            if not stocks:
                continue
            if line.offer.stored_shards == 1 and not any(stock and stock.is_sharded for stock in stocks):
                failed.append((line, stocks[0]))
            elif all(stock and stock.offer == line.offer.number for stock in stocks):
                if short := self._read(line, limits, _most_draws(priced)):
                    failed.append((line, short))
            else:
                _make_current(line, stocks, offers)
        if self._plans and not failed:
            raise ShardConflictError("the next attempt draws from other shards")
        return failed

    def _read(self, line: PricedLine, limits: BuyerLimits, most_draws: int) -> StockItem | None:
        """Plans the draws of the line, if all shards together have enough units. Otherwise returns their sum."""
        product_id, needed = line.product_id, limits.stock_needed(line.quantity)
        reader = self._readers.setdefault(product_id, SnapshotReader(product_id, line.offer.stored_shards))
        # The transaction checks the units, but not the buyer's share of the stock, which needs more of them.
        is_share = needed > line.quantity
        snapshot = reader.read(needed, exact=is_share)
        if snapshot.settled and snapshot.available < needed:
            return _stock_in(snapshot, product_id)
        if (snapshot.certain if is_share else snapshot.available) < needed:
            raise ShardConflictError("a shard changed while all were read")
        plan = shards.planned_draws(snapshot.levels, line.quantity, shards=snapshot.shards)
        if len(plan) <= most_draws:
            self._plans[product_id] = plan
        else:
            shards.gather(product_id, snapshot.levels, line.quantity, actor=System())
        return None


def _most_draws(priced: PricedOrder) -> int:
    """Returns the most draws of a line, so that all lines fit into one transaction."""
    return max(1, min(_MAX_DRAWS, (MAX_OPERATIONS - _OTHER_OPERATIONS) // len(priced.lines)))


def _failed_items(error: TransactionError, line: PricedLine) -> Iterator[StockItem | None]:
    """Yields the stored items of the line whose conditions were false; None for one that is not stored."""
    for item in line.stock_items:
        if error.failed(item):
            raw = error.stored(item)
            yield StockItem.from_raw_data(raw) if raw else None


def _make_current(line: PricedLine, stocks: Sequence[StockItem | None], offers: OfferCache) -> None:
    """Makes an offer current: of the shards that a change has not reached yet, or in the cache.

    The cache learns the offer of shard 0 from each failed condition.
    """
    if any(stock is not None and stock.offer < line.offer.number for stock in stocks):
        shards.copy_offer(line.product_id)
    elif any(stock is None or stock.shard > 0 for stock in stocks):
        offers.forget(line.product_id)


def _stock_in(snapshot: Snapshot, product_id: str) -> StockItem:
    """Returns the units of all shards as one stock item, in memory."""
    return StockItem(*StockItem.key(product_id), status=snapshot.status, available=snapshot.available)
