"""Shards: the stock items over which the units of a busy product are spread.

Transactions on one item conflict, so one item limits the orders a second of its product. A product with several shards
sells from any of them. Its stock is the sum over all stored shards, also of those from which orders do not draw first
(`StockItem.shards`): these are drawn when the others are short, so no unit is ever out of reach.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.core import clock
from oms.core.actors import Actor
from oms.core.dynamodb import batch_get, batch_get_raw, in_parallel, is_written, update_item
from oms.core.retries import ConcurrentUpdateError, retrying
from oms.core.transactions import TransactionError, transaction
from oms.inventory.models import Adjustment, Cause, ShardUnits, StockItem

# The donors of one move. The more items a transaction has, the more often it conflicts with orders.
_MAX_DONORS = 20
_MAX_ROUNDS = 24
# Shards that differ by less than this part of their mean are balanced.
_TOLERANCE = 8

_ADDED = ("available", "reserved", "version")

type RawItem = dict[str, Any]


# ---- sums -----------------------------------------------------------------------------------------------------------


def add_up(stocks: Iterable[StockItem]) -> None:
    """Adds the units and versions of the other shards to each product's shard 0, in memory.

    One call reads 100 shards. Products without other shards cost no call.
    """
    # Access by PynamoDB's attributes takes ten times as long, which lists notice.
    sharded = {stock.product_id: stock for stock in stocks if (stock.attribute_values.get("shards_created") or 1) > 1}
    others = _other_units({product_id: stock.item_count for product_id, stock in sharded.items()}, consistent=True)
    for product_id, sums in others.items():
        for name, added in zip(_ADDED, sums, strict=True):
            setattr(sharded[product_id], name, getattr(sharded[product_id], name) + added)


def add_up_raw(stocks: Iterable[RawItem], *, consistent: bool = True) -> None:
    """Adds up the units as `add_up`, of raw items."""
    sharded = {raw["product_id"]["S"]: raw for raw in stocks if "shards_created" in raw}
    counts = {product_id: int(raw["shards_created"]["N"]) for product_id, raw in sharded.items()}
    for product_id, sums in _other_units(counts, consistent=consistent).items():
        raw = sharded[product_id]
        for name, added in zip(_ADDED, sums, strict=True):
            if name in raw:
                raw[name] = {"N": str(int(raw[name]["N"]) + added)}


def _other_units(counts: Mapping[str, int], *, consistent: bool) -> dict[str, list[int]]:
    """Returns the sums of the attributes `_ADDED` over each product's shards without shard 0."""
    if not counts:
        return {}
    keys = {product_id: keys_of(product_id, count)[1:] for product_id, count in counts.items()}
    wanted = [key for some in keys.values() for key in some]
    found = batch_get_raw(StockItem, wanted, consistent=consistent, only=("pk", "sk", *_ADDED))

    def total(product_id: str, name: str) -> int:
        return sum(int(found[key][name]["N"]) for key in keys[product_id] if key in found)

    return {product_id: [total(product_id, name) for name in _ADDED] for product_id in counts}


def keys_of(product_id: str, count: int) -> list[tuple[str, str]]:
    return [StockItem.key(product_id, shard) for shard in range(count)]


def has_shards(main: StockItem) -> Condition:
    """Returns the condition that a stored shard 0 has as many other shards as `main`."""
    created = StockItem.shards_created
    number = created.does_not_exist() if main.shards_created is None else created == main.shards_created
    condition: Condition = StockItem.pk.exists() & number
    return condition


# ---- all shards of a product ----------------------------------------------------------------------------------------


def read_shards(product_id: str, count: int = 1) -> list[StockItem]:
    """Returns all stored shards in order, by consistent reads; none for an unknown product.

    `count` is the expected number of stored shards. If there are more, they are read by one more read.
    """
    keys = keys_of(product_id, count)
    found = batch_get(StockItem, keys)
    main = found.get(keys[0])
    if main is not None and main.item_count > count:
        return read_shards(product_id, main.item_count)
    return [found[key] for key in keys if key in found] if main is not None else []


def check_settled(product_id: str, stocks: Sequence[StockItem]) -> None:
    """Checks that all shards were as in `stocks` at one moment: that another read finds the same versions.

    Raises ConcurrentUpdateError if a shard has changed since it was read.
    """
    again = read_shards(product_id, len(stocks))
    if [stock.version for stock in stocks] != [stock.version for stock in again]:
        raise ConcurrentUpdateError("a shard changed while all were read")


def read_settled_units(product_id: str) -> list[StockItem]:
    """Returns all stored shards as `read_shards`, with units on hand that all had at one moment.

    Orders that reserve or release units do not change those on hand, so they may continue meanwhile. A shard whose
    version rose by 1 had one change, so equal units mean that this left them. Raises ConcurrentUpdateError if units on
    hand may have changed during the reads.
    """
    stocks = read_shards(product_id)
    if len(stocks) > 1:
        again = read_shards(product_id, len(stocks))
        if len(again) != len(stocks) or not all(map(_has_same_units, stocks, again)):
            raise ConcurrentUpdateError("the units on hand changed while all shards were read")
    return stocks


def _has_same_units(before: StockItem, after: StockItem) -> bool:
    on_hand = before.available + before.reserved
    return after.version - before.version in (0, 1) and after.available + after.reserved == on_hand


def copy_offer(product_id: str, count: int = 1) -> None:
    """Copies the offer of shard 0 to the shards that have an older one.

    An offer changes in shard 0 first. Each shard sells at the offer that it has, until this copies the new one. Safe to
    repeat, and to run several times at once: an offer never replaces a newer one.
    """
    stocks = read_shards(product_id, count)
    old = [shard for shard in stocks if shard.offer < stocks[0].offer]
    in_parallel(lambda shard: copy_offer_to(shard, stocks[0]), old)


def copy_offer_to(shard: StockItem, main: StockItem) -> None:
    """Copies the offer of shard 0 to another shard that has an older one."""
    attributes = (StockItem.sku, StockItem.name, StockItem.category, StockItem.price, StockItem.status, StockItem.offer)
    actions: list[Action] = [attribute.set(getattr(main, attribute.attr_name)) for attribute in attributes]
    is_written(lambda: update_item(StockItem(shard.pk, shard.sk), actions, StockItem.offer < main.offer))


# ---- moving units ---------------------------------------------------------------------------------------------------


class ShardLevel(NamedTuple):
    """The available units of a shard."""

    shard: int
    available: int


def levels_of(stocks: Iterable[StockItem]) -> list[ShardLevel]:
    return [ShardLevel(stock.shard, stock.available) for stock in stocks]


class Draw(NamedTuple):
    """The units to take from one shard."""

    shard: int
    quantity: int


def planned_draws(levels: Sequence[ShardLevel], quantity: int, *, shards: int) -> list[Draw]:
    """Returns the draws of `quantity`: from one shard if possible, of the first `shards` if possible.

    Otherwise from several, the fullest first. All shards together must have enough units.
    """
    enough = [level for level in levels if level.available >= quantity]
    if enough:
        first = [level for level in enough if level.shard < shards]
        return [Draw(random.choice(first or enough).shard, quantity)]  # noqa: S311 - spreads load, not a secret
    draws: list[Draw] = []
    for level in sorted(levels, key=lambda level: level.available, reverse=True):
        units = min(level.available, quantity - sum(draw.quantity for draw in draws))
        if units <= 0:
            break
        draws.append(Draw(level.shard, units))
    return draws


def move_units(product_id: str, parts: Mapping[int, int], *, actor: Actor) -> bool:
    """Moves available units between shards in one transaction. `parts` has the units to add by shard; their sum is 0.

    Returns whether they were moved. They are not if a shard has fewer units meanwhile.
    """
    record = Adjustment(
        id=clock.random_id(),
        product_id=product_id,
        adjustment=0,
        parts=[ShardUnits(shard=shard, units=units) for shard, units in parts.items()],
        cause="moved",
        reason="moved between shards",
        actor=actor.id,
        at=clock.timestamp(clock.now()),
        request_hash="",
    ).place()
    cause = cause_of_change(record, actor.role)

    def attempt() -> None:
        with transaction() as write:
            write.save(record, condition=Adjustment.pk.does_not_exist())
            for shard, units in parts.items():
                write.update(
                    StockItem(*StockItem.key(product_id, shard)),
                    actions=[
                        StockItem.available.add(units),
                        StockItem.version.add(1),
                        StockItem.moves.add(1),
                        StockItem.last.set(cause),
                    ],
                    condition=StockItem.available >= max(0, -units),
                )

    try:
        retrying(attempt)
    except TransactionError as error:
        if error.failed(record):
            return True  # the response to an earlier attempt was lost
        if error.any_failed:
            return False
        raise
    return True


def cause_name(record: Adjustment) -> str:
    return record.cause or ("adjusted" if record.reserved is None else "repaired")


def cause_of_change(record: Adjustment, actor_role: str) -> Cause:
    """Returns the cause that the stock ledger records for the stock items that change with `record`."""
    return Cause(
        cause=cause_name(record), actor=record.actor, actor_role=actor_role, ref=record.id, ref_version=1, at=record.at
    )


def gather(product_id: str, levels: Sequence[ShardLevel], units: int, *, actor: Actor) -> None:
    """Moves units to the fullest shard until it has `units`. Does less if shards are drawn meanwhile."""
    fullest, *others = sorted(levels, key=lambda level: level.available, reverse=True)
    missing = units - fullest.available
    parts: dict[int, int] = {}
    for level in others:
        if missing <= 0 or not level.available:
            break
        taken = min(missing, level.available)
        parts[level.shard] = -taken
        missing -= taken
        if len(parts) == _MAX_DONORS:
            move_units(product_id, {**parts, fullest.shard: -sum(parts.values())}, actor=actor)
            parts = {}
    if parts:
        move_units(product_id, {**parts, fullest.shard: -sum(parts.values())}, actor=actor)


def balance(product_id: str, count: int, *, actor: Actor) -> None:
    """Spreads the available units evenly over the shards from which orders draw first, and empties the others.

    `count` is the number of stored shards. It is safe to stop after any call, and to run several times at once.
    """
    for _ in range(_MAX_ROUNDS):
        stocks = read_shards(product_id, count)
        moves = planned_moves(levels_of(stocks), stocks[0].shard_count)
        if not moves:
            return
        in_parallel(lambda parts: move_units(product_id, parts, actor=actor), moves)


def planned_moves(levels: Sequence[ShardLevel], shards: int) -> list[dict[int, int]]:
    """Returns the moves of one round, each with other shards. There are none if all is balanced.

    A shard that others exceed by far gets half of the difference, so that after each round twice as many shards have
    units. The shards after the first `shards` give all their units.
    """
    selling = sorted((level for level in levels if level.shard < shards), key=lambda level: level.available)
    surplus = [level for level in levels if level.shard >= shards and level.available]
    moves: list[dict[int, int]] = []
    receivers = [level.shard for level in selling[: -(-len(surplus) // _MAX_DONORS)]]
    for place, receiver in enumerate(receivers):
        donors = surplus[place :: len(receivers)][:_MAX_DONORS]
        moves.append({donor.shard: -donor.available for donor in donors})
        moves[-1][receiver] = sum(donor.available for donor in donors)
    rest = selling[len(receivers) :]
    least_difference = max(2, sum(level.available for level in selling) // shards // _TOLERANCE)
    for poor, rich in zip(rest[: len(rest) // 2], reversed(rest), strict=False):
        units = (rich.available - poor.available) // 2
        if 2 * units >= least_difference:
            moves.append({rich.shard: -units, poor.shard: units})
    return moves
