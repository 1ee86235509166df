"""Reading what there is about products: the stock item, its book and the adjustments behind it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from oms.core import clock
from oms.core.dynamodb import batch_get_raw, query_raw
from oms.core.pages import HIGHEST, Range, merged_page
from oms.inventory.models import BY_CREATED, Adjustment, StockItem, adjustments_of
from oms.stock_ledger.effects import UNREADABLE, Fact, Line, Units, line_of, of_adjustment
from oms.stock_ledger.models import MOVEMENTS, ClosedBalance, LedgerItem, Movement
from oms.stock_ledger.reconciliation import BEGINNING, Account, Balance, Stored, Verdict

# Seconds to wait for the stream before each look but the first.
_PAUSES = (0, 1, 2, 3)


def read_accounts(product_ids: Sequence[str], *, full: bool) -> list[Account]:
    """Each product's stock item and the balance to begin at; their lines are read by `settled`."""
    base = ClosedBalance.REPAIRED if full else ClosedBalance.NEWEST
    stocks = {product_id: StockItem.key(product_id) for product_id in product_ids}
    balances = {product_id: (stock, base) for product_id, (stock, _) in stocks.items()}
    items = batch_get_raw(LedgerItem, [*stocks.values(), *balances.values()])
    return [
        Account(
            product_id,
            stock=key[0],
            stored=_stored(items.get(key)),
            base=_balance(items.get(balances[product_id])),
            full=full,
        )
        for product_id, key in stocks.items()
    ]


def settled(accounts: Iterable[Account], judge: Callable[[Account], Verdict]) -> Iterator[tuple[Account, Verdict]]:
    """Each account, with its lines read, and what `judge` says of it. The lines are gone when the next one is taken.

    An account that is unsettled is looked at again after a moment, as the stream brings the lines up to what is stored.
    """
    for pause in _PAUSES:
        if pause:
            clock.sleep(pause)
        waiting = []
        for account in accounts:
            _read_lines(account)
            verdict = judge(account)
            if verdict is Verdict.UNSETTLED:
                waiting.append(account)
            else:
                yield account, verdict
            account.lines = ()
        accounts = waiting
        if not waiting:
            return
    yield from ((account, Verdict.UNSETTLED) for account in accounts)


def from_the_beginning(account: Account) -> Account:
    """The same account with all its lines and adjustments."""
    whole = replace(account, base=BEGINNING, full=True)
    _read_lines(whole)
    return whole


def lines_after(stock: str, version: int) -> list[Line]:
    """The movements of a stock item after `version`, as they are now. One that cannot be read is left out."""
    found = query_raw(Movement, stock, Movement.sort_key(version + 1), MOVEMENTS + HIGHEST)
    return [line for line in map(_line, found) if line]


def adjustments(product_id: str) -> dict[str, Fact]:
    """All adjustments and repairs of a product, by id."""
    ids: list[str] = []
    position: str | None = None
    while True:
        page = merged_page(BY_CREATED, [adjustments_of(product_id)], Range(100, after=position))
        ids += [entry["pk"].partition("#")[2] for entry in page.items]
        position = page.position
        if position is None:
            return _read_adjustments(ids)


def _read_lines(account: Account) -> None:
    since = min(account.base.version, account.base.digest_version)
    if account.stored is None or account.stored.version > since:
        account.lines = lines_after(account.stock, since)
    records = adjustments(account.product_id) if account.full else {}
    refs = {line.fact.ref for line in account.lines if not line.fact.of_order}
    records |= _read_adjustments(refs - records.keys())
    account.records = {ref: fact for ref, fact in records.items() if fact.stock == account.stock}


def _read_adjustments(ids: Iterable[str]) -> dict[str, Fact]:
    found = batch_get_raw(LedgerItem, [Adjustment.key(adjustment_id) for adjustment_id in ids])
    facts: dict[str, Fact] = {}
    for raw in found.values():
        try:
            fact = of_adjustment(raw)
        except UNREADABLE:
            continue  # then its movement has no cause, and is named for that
        facts[fact.ref] = fact
    return facts


def _line(raw: Mapping[str, Any]) -> Line | None:
    try:
        return line_of(raw)
    except UNREADABLE:
        return None  # then its version is missing, and is named for that


def _stored(raw: Mapping[str, Any] | None) -> Stored | None:
    if raw is None:
        return None
    try:
        return Stored(
            version=int(raw["version"]["N"]),
            units=Units(int(raw["available"]["N"]), int(raw["reserved"]["N"])),
            at=raw["last"]["M"]["at"]["S"],
            opening=int(raw["opening"]["N"]),
        )
    except UNREADABLE:
        return None


def _balance(raw: Mapping[str, Any] | None) -> Balance:
    if raw is None:
        return BEGINNING
    try:
        return Balance(
            version=int(raw["version"]["N"]),
            units=Units(int(raw["available"]["N"]), int(raw["reserved"]["N"])),
            digest=int(raw["digest"]["N"]),
            digest_version=int(raw["digest_version"]["N"]),
            at=raw.get("at", {}).get("S", ""),
        )
    except UNREADABLE:
        return BEGINNING
