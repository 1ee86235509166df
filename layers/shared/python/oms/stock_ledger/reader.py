"""Reads a product's ledger: its stock item, its movements and the adjustments that caused them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from oms.core import clock
from oms.core.dynamodb import batch_get_raw, query_raw
from oms.core.pages import HIGHEST, KeyRange, merged_page
from oms.inventory.models import BY_CREATED, Adjustment, StockItem, adjustments_of
from oms.stock_ledger.effects import (
    UNREADABLE_ERRORS,
    ParsedMovement,
    RawItem,
    RecordedEffect,
    Units,
    effect_from_adjustment,
    parse_movement,
)
from oms.stock_ledger.models import MOVEMENTS, ClosedBalance, LedgerItem, Movement
from oms.stock_ledger.reconciliation import ZERO_BALANCE, Balance, ProductLedger, StoredStock, Verdict

_PAGE_SIZE = 100
# The waits for the stream before each further reading of unsettled ledgers.
_PAUSES_SECONDS = (1, 2, 3)


def read_ledgers(product_ids: Sequence[str], *, full: bool) -> list[ProductLedger]:
    """Each product's stock item and the balance to start from. `judge_ledgers` reads the movements."""
    base = ClosedBalance.REPAIRED if full else ClosedBalance.NEWEST
    stocks = {product_id: StockItem.key(product_id) for product_id in product_ids}
    balances = {product_id: (stock, base) for product_id, (stock, _) in stocks.items()}
    items = batch_get_raw(LedgerItem, [*stocks.values(), *balances.values()])
    return [
        ProductLedger(
            product_id,
            stock=key[0],
            stored=_readable(_parse_stock, items.get(key)),
            base=_readable(_parse_balance, items.get(balances[product_id])) or ZERO_BALANCE,
            full=full,
        )
        for product_id, key in stocks.items()
    ]


def judge_ledgers(
    ledgers: Iterable[ProductLedger], judge: Callable[[ProductLedger], Verdict], has_time: Callable[[], bool]
) -> Iterator[tuple[ProductLedger, Verdict]]:
    """Each ledger, with its movements read, and its verdict, while `has_time`. A result keeps no movements afterwards.

    The results are those of the first ledgers, in another order: an unsettled ledger is read again after a pause, and
    comes later, since the stream may bring the missing movements meanwhile.
    """
    unsettled: list[ProductLedger] = []
    for number, ledger in enumerate(ledgers):
        if number and not has_time():
            break
        yield from _judge(ledger, judge, unsettled)
    for pause_seconds in _PAUSES_SECONDS:
        if not unsettled:
            return
        clock.sleep(pause_seconds)
        waiting, unsettled = unsettled, []
        for ledger in waiting:
            yield from _judge(ledger, judge, unsettled)
    yield from ((ledger, Verdict.UNSETTLED) for ledger in unsettled)


def _judge(
    ledger: ProductLedger, judge: Callable[[ProductLedger], Verdict], unsettled: list[ProductLedger]
) -> Iterator[tuple[ProductLedger, Verdict]]:
    """The ledger with its verdict, or nothing if it was added to `unsettled`."""
    _read_movements(ledger)
    verdict = judge(ledger)
    if verdict is Verdict.UNSETTLED:
        unsettled.append(ledger)
    else:
        yield ledger, verdict
    ledger.movements = ()


def from_first_version(ledger: ProductLedger) -> ProductLedger:
    """The same ledger with all its movements and adjustments."""
    whole = replace(ledger, base=ZERO_BALANCE, full=True)
    _read_movements(whole)
    return whole


def movements_after(stock: str, version: int) -> list[ParsedMovement]:
    """The current movements of a stock item after `version`.

    Leaves out unreadable ones, whose versions are then reported as missing.
    """
    found = query_raw(Movement, stock, Movement.sort_key(version + 1), MOVEMENTS + HIGHEST)
    return [movement for item in found if (movement := _readable(parse_movement, item))]


def read_adjustments(product_id: str) -> dict[str, RecordedEffect]:
    """All adjustments and repairs of a product, by id."""
    ids: list[str] = []
    position: str | None = None
    while True:
        page = merged_page(BY_CREATED, [adjustments_of(product_id)], KeyRange(_PAGE_SIZE, after=position))
        ids += [item["pk"].partition("#")[2] for item in page.items]
        position = page.position
        if position is None:
            return _get_adjustments(ids)


def _read_movements(ledger: ProductLedger) -> None:
    since = min(ledger.base.version, ledger.base.digest_version)
    if ledger.stored is None or ledger.stored.version > since:
        ledger.movements = movements_after(ledger.stock, since)
    adjustments = read_adjustments(ledger.product_id) if ledger.full else {}
    refs = {movement.effect.ref for movement in ledger.movements if not movement.effect.is_from_order}
    adjustments |= _get_adjustments(refs - adjustments.keys())
    ledger.adjustments = {ref: effect for ref, effect in adjustments.items() if effect.stock == ledger.stock}


def _get_adjustments(ids: Iterable[str]) -> dict[str, RecordedEffect]:
    """Leaves out unreadable ones, whose movements are then reported as unexplained."""
    found = batch_get_raw(LedgerItem, [Adjustment.key(adjustment_id) for adjustment_id in ids])
    effects = (_readable(effect_from_adjustment, item) for item in found.values())
    return {effect.ref: effect for effect in effects if effect}


def _readable[T](parse: Callable[[RawItem], T], item: RawItem | None) -> T | None:
    """None for an item that is missing or damaged."""
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
    )


def _parse_balance(item: RawItem) -> Balance:
    return Balance(
        version=int(item["version"]["N"]),
        units=Units(int(item["available"]["N"]), int(item["reserved"]["N"])),
        digest=int(item["digest"]["N"]),
        digest_version=int(item["digest_version"]["N"]),
        at=item.get("at", {}).get("S", ""),
    )
