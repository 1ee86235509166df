"""Reads a product's ledger: its stock item, its movements and the adjustments that caused them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from oms.core import clock
from oms.core.clock import HasTime
from oms.core.dynamodb import Key, batch_get_raw, query_raw
from oms.core.pages import HIGHEST, all_entries
from oms.inventory.models import BY_CREATED, Adjustment, StockItem, adjustments_of, shard_of_key
from oms.stock_ledger.effects import (
    UNREADABLE_ERRORS,
    ParsedMovement,
    RawItem,
    RecordedEffect,
    Units,
    effects_from_adjustment,
    parse_movement,
)
from oms.stock_ledger.models import MOVEMENTS, ClosedBalance, LedgerItem, Movement
from oms.stock_ledger.reconciliation import ZERO_BALANCE, Balance, ProductLedger, StoredStock, Verdict

_PAGE_SIZE = 100
# The pauses before unsettled ledgers are read again.
_PAUSES_SECONDS = (1, 2, 3)


def read_ledgers(product_ids: Sequence[str], *, full: bool, named: Iterable[str] = ()) -> list[ProductLedger]:
    """Returns the ledgers of each product's stock items, with the balances to start from, by product and shard.

    `named` are further stock items, by partition key, which orders name. `judge_ledgers` reads the movements.
    """
    base = ClosedBalance.REPAIRED if full else ClosedBalance.NEWEST
    shards = {product_id: {0} for product_id in product_ids}
    for stock in named:
        product_id = product_of(stock)
        if product_id in shards:
            shards[product_id].add(shard_of_key(stock))
    items = _read_items(shards, base)
    others: dict[str, set[int]] = {}
    for product_id, known in shards.items():
        count = _readable(_parse_count, items.get(StockItem.key(product_id))) or 1
        others[product_id] = set(range(count)) - known
        known |= others[product_id]
    items |= _read_items(others, base)
    return [
        _ledger(product_id, shard, items, base, full=full)
        for product_id, known in shards.items()
        for shard in sorted(known)
    ]


def read_ledger(product_id: str, shard: int) -> ProductLedger:
    """Returns the ledger of one stock item, with its newest balance."""
    items = _read_items({product_id: {shard}}, ClosedBalance.NEWEST)
    return _ledger(product_id, shard, items, ClosedBalance.NEWEST, full=False)


def product_of(stock: str) -> str:
    """Returns the product's id in the partition key of a stock item."""
    return stock.removeprefix("stock#").rpartition("#")[0]


def _read_items(shards: Mapping[str, Iterable[int]], base: str) -> dict[Key, RawItem]:
    stocks = [StockItem.key(product_id, shard) for product_id, numbers in shards.items() for shard in numbers]
    keys = [key for pk, sk in stocks for key in ((pk, sk), (pk, base))]
    return dict(batch_get_raw(LedgerItem, keys)) if keys else {}


def _ledger(product_id: str, shard: int, items: Mapping[Key, RawItem], base: str, *, full: bool) -> ProductLedger:
    pk, sk = StockItem.key(product_id, shard)
    return ProductLedger(
        product_id,
        stock=pk,
        stored=_readable(_parse_stock, items.get((pk, sk))),
        base=_readable(_parse_balance, items.get((pk, base))) or ZERO_BALANCE,
        full=full,
    )


def judge_ledgers(
    ledgers: Iterable[ProductLedger], judge: Callable[[ProductLedger], Verdict], has_time: HasTime
) -> Iterator[tuple[ProductLedger, Verdict]]:
    """Yields each ledger, with its movements, and its verdict, while `has_time`: all ledgers of a product or none.

    A ledger keeps its movements only until the next result, which bounds the memory.

    The order of results differs from the order of ledgers: unsettled ledgers are read again after a pause, when the
    stream may have delivered the missing movements.
    """
    unsettled: list[ProductLedger] = []
    listed: ListedAdjustments = {}
    last = ""
    for ledger in ledgers:
        if ledger.product_id != last:
            if last and not has_time():
                break
            last, listed = ledger.product_id, {}
        yield from _judge(ledger, judge, unsettled, listed)
    for pause_seconds in _PAUSES_SECONDS:
        if not unsettled:
            return
        clock.sleep(pause_seconds)
        waiting, unsettled = unsettled, []
        for ledger in waiting:
            yield from _judge(ledger, judge, unsettled, {})
    yield from ((ledger, Verdict.UNSETTLED) for ledger in unsettled)


type ListedAdjustments = dict[str, dict[str, list[RecordedEffect]]]
"""The adjustments of the current product, which all its ledgers need, by product and id. It is filled when needed."""


def _judge(
    ledger: ProductLedger,
    judge: Callable[[ProductLedger], Verdict],
    unsettled: list[ProductLedger],
    listed: ListedAdjustments,
) -> Iterator[tuple[ProductLedger, Verdict]]:
    """Yields the ledger with its verdict, or adds it to `unsettled` and yields nothing."""
    _read_movements(ledger, listed)
    verdict = judge(ledger)
    if verdict is Verdict.UNSETTLED:
        unsettled.append(ledger)
    else:
        yield ledger, verdict
    ledger.movements = ()


def from_first_version(ledger: ProductLedger) -> ProductLedger:
    """Returns the same ledger with all its movements and adjustments."""
    whole = replace(ledger, base=ZERO_BALANCE, full=True)
    _read_movements(whole, {})
    return whole


def movements_after(stock: str, version: int) -> list[ParsedMovement]:
    """Returns the current movements of a stock item after `version`.

    Omits unreadable movements, so their versions are reported as missing.
    """
    found = query_raw(Movement, stock, Movement.sort_key(version + 1), MOVEMENTS + HIGHEST)
    return [movement for item in found if (movement := _readable(parse_movement, item))]


def read_adjustments(product_id: str) -> dict[str, list[RecordedEffect]]:
    """Returns the effects of all adjustments and repairs of a product, by id."""
    entries = all_entries(BY_CREATED, [adjustments_of(product_id)], page_size=_PAGE_SIZE)
    return _get_adjustments(entry["pk"].partition("#")[2] for entry in entries)


def _read_movements(ledger: ProductLedger, listed: ListedAdjustments) -> None:
    since = min(ledger.base.version, ledger.base.digest_version)
    if ledger.stored is None or ledger.stored.version > since:
        ledger.movements = movements_after(ledger.stock, since)
    if ledger.full and ledger.product_id not in listed:
        listed[ledger.product_id] = read_adjustments(ledger.product_id)
    adjustments = dict(listed.get(ledger.product_id, {}))
    refs = {movement.effect.ref for movement in ledger.movements if not movement.effect.is_from_order}
    adjustments |= _get_adjustments(refs - adjustments.keys())
    effects = (effect for found in adjustments.values() for effect in found)
    ledger.adjustments = {effect.ref: effect for effect in effects if effect.stock == ledger.stock}


def _get_adjustments(ids: Iterable[str]) -> dict[str, list[RecordedEffect]]:
    """Returns the effects of these adjustments by id.

    Omits unreadable ones, so their movements are reported as unexplained.
    """
    found = batch_get_raw(LedgerItem, [Adjustment.key(adjustment_id) for adjustment_id in ids])
    adjustments = (_readable(effects_from_adjustment, item) for item in found.values())
    return {effects[0].ref: effects for effects in adjustments if effects}


def _readable[T](parse: Callable[[RawItem], T], item: RawItem | None) -> T | None:
    """Returns the parsed item, or None if it is missing or damaged."""
    try:
        return parse(item) if item is not None else None
    except UNREADABLE_ERRORS:
        return None


def _parse_stock(item: RawItem) -> StoredStock:
    return StoredStock(
        version=int(item["version"]["N"]),
        units=Units(int(item["available"]["N"]), int(item["reserved"]["N"])),
        at=item["last"]["M"]["at"]["S"],
        opening=int(item["opening"]["N"]),
        is_sharded="shards_created" in item or shard_of_key(item["pk"]["S"]) > 0,
    )


def _parse_count(item: RawItem) -> int:
    return int(item["shards_created"]["N"]) if "shards_created" in item else 1


def _parse_balance(item: RawItem) -> Balance:
    return Balance(
        version=int(item["version"]["N"]),
        units=Units(int(item["available"]["N"]), int(item["reserved"]["N"])),
        digest=int(item["digest"]["N"]),
        digest_version=int(item["digest_version"]["N"]),
        at=item.get("at", {}).get("S", ""),
    )
