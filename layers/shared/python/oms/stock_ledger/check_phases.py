"""The phases of a check: all orders, then all products, then once more the orders behind what is wrong, then why.

Each call does a page, or less when its time is over. A run leaves out one window of time, so nothing depends on when a
thing is read: see `reconciliation`.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

from aws_lambda_powertools import Logger

from oms.core import clock
from oms.core.dynamodb import ConditionFailedError, batch_get_raw, put_item, retrying
from oms.core.pages import Range, merged_page
from oms.core.settings import settings
from oms.inventory.models import BY_CREATED, Product, StockItem
from oms.orders import models as orders
from oms.orders.models import Order
from oms.stock_ledger.check_progress import Phase, Progress
from oms.stock_ledger.effects import UNREADABLE, WRAP, Fact, of_order
from oms.stock_ledger.models import CheckRun, ClosedBalance, LedgerItem, ProductDrift
from oms.stock_ledger.reader import from_the_beginning, read_accounts, settled
from oms.stock_ledger.reconciliation import (
    Account,
    Balance,
    Drift,
    Verdict,
    Window,
    closing,
    digest_of,
    reconcile,
    verify,
)

logger = Logger(child=True)

MOST_SHOWN = 100
_MOST_FINDINGS = 50
_PAGE = 100
# Longer than any run takes.
_LONGEST = timedelta(days=1)

type HasTime = Callable[[], bool]


def window_of(run: CheckRun) -> Window:
    return Window(run.cut, clock.timestamp(clock.instant(run.started_at) + _LONGEST))


def _add_up_orders(run: CheckRun, progress: Progress, _: HasTime) -> None:
    """What orders say of each stock item, as a digest."""
    window = window_of(run)
    for order in _next_orders(progress):
        progress.orders += 1
        for fact in _facts(order):
            if not window.leaves_out(fact.at):
                progress.digests[fact.stock] = (progress.digests.get(fact.stock, 0) + fact.digest) % WRAP
    if progress.shard == settings().order_shards:
        progress.enter(Phase.PRODUCTS)


def _verify_products(run: CheckRun, progress: Progress, has_time: HasTime) -> None:
    page = merged_page(BY_CREATED, ["active", "archived"], Range(_PAGE, after=progress.after))
    places = {entry["pk"].removeprefix("product#"): place for place, entry in page.placed}
    window = window_of(run)

    def taken() -> Iterator[Account]:
        for account in read_accounts(list(places), full=run.full):
            progress.after = places[account.product_id]
            progress.products += 1
            yield account
            if not has_time():
                return
        progress.after = page.position

    for account, verdict in settled(taken(), lambda it: verify(it, progress.digests.get(it.stock, 0), window)):
        progress.digests.pop(account.stock, None)
        if verdict is Verdict.SOUND:
            if not run.full:
                _close(account, closing(account, window))
        elif verdict is Verdict.UNSETTLED:
            progress.unsettled += 1
        else:
            _suspect(progress, account.product_id)
    if progress.after is None:
        # What is left is of products that are not there.
        for product_id in {stock.removeprefix("stock#").rpartition("#")[0] for stock in progress.digests}:
            _suspect(progress, product_id)
        progress.digests = {}
        progress.enter(Phase.GATHER if progress.suspects else Phase.DONE)


def _suspect(progress: Progress, product_id: str) -> None:
    if len(progress.suspects) < MOST_SHOWN:
        progress.suspects.append(product_id)
    else:
        progress.unexplained += 1


def _close(account: Account, balance: Balance | None) -> None:
    """The next run begins here, unless another has closed the account or mended it meanwhile."""
    if balance is None:
        return
    item = ClosedBalance(
        account.stock,
        ClosedBalance.NEWEST,
        version=balance.version,
        available=balance.units.available,
        reserved=balance.units.reserved,
        digest=balance.digest,
        digest_version=balance.digest_version,
    )
    unchanged = ClosedBalance.pk.does_not_exist() | (ClosedBalance.version == account.base.version)
    with suppress(ConditionFailedError):
        retrying(lambda: put_item(item, unchanged))


def _gather(_: CheckRun, progress: Progress, _has_time: HasTime) -> None:
    """What orders say of the suspects, entry by entry."""
    suspects = {stock: stock for stock in (StockItem.key(product_id)[0] for product_id in progress.suspects)}
    for order in _next_orders(progress):
        for fact in _facts(order):
            if stock := suspects.get(fact.stock):
                progress.entries.setdefault(stock, []).append(fact._replace(stock=stock))
    if progress.shard == settings().order_shards:
        progress.enter(Phase.EXPLAIN)


def _explain(run: CheckRun, progress: Progress, has_time: HasTime) -> None:
    """Names what is wrong with the suspects, unless it is right by now."""
    window = window_of(run)
    products = batch_get_raw(Product, [Product.key(product_id) for product_id in progress.suspects], only=("pk", "sk"))
    accounts = read_accounts(progress.suspects, full=run.full)

    def taken() -> Iterator[Account]:
        for account in accounts:
            progress.suspects.remove(account.product_id)
            account.gone = Product.key(account.product_id) not in products
            yield account
            if not has_time():
                return

    def judge(account: Account) -> Verdict:
        return verify(account, digest_of(progress.entries.get(account.stock, []), window), window)

    for account, verdict in settled(taken(), judge):
        if verdict is Verdict.SUSPECT:
            whole = from_the_beginning(account)
            progress.entries.setdefault(account.stock, []).extend(_overlooked(whole, progress, window))
            if judge(account) is Verdict.SUSPECT:
                _report(run, reconcile(whole, progress.entries[account.stock], window))
                progress.drifted += 1
        progress.unsettled += verdict is Verdict.UNSETTLED
        progress.entries.pop(account.stock, None)
    if not progress.suspects:
        progress.enter(Phase.DONE)


def _overlooked(account: Account, progress: Progress, window: Window) -> list[Fact]:
    """What orders say that the walk did not find, since it follows an index and that may lag."""
    known = {fact.ref for fact in progress.entries[account.stock]}
    named = {line.fact.ref for line in account.lines if line.fact.of_order and not window.leaves_out(line.fact.at)}
    found = batch_get_raw(Order, sorted(named - known), only=_OF_ORDERS).values()
    return [fact for order in found for fact in _facts(order) if fact.stock == account.stock]


def _report(run: CheckRun, drift: Drift) -> None:
    """What was reported before stays, as it may be repaired already."""
    logger.error("a product's stock and its book do not agree", product_id=drift.product_id, drift=drift.difference)
    item = ProductDrift(
        *ProductDrift.key(run.id, drift.product_id),
        run_id=run.id,
        product_id=drift.product_id,
        version=drift.version,
        available=drift.stored.available,
        reserved=drift.stored.reserved,
        expected_available=drift.expected.available,
        expected_reserved=drift.expected.reserved,
        findings=[finding._asdict() for finding in drift.findings[:_MOST_FINDINGS]],
        found=len(drift.findings),
        digest=drift.digest,
        digest_version=drift.digest_version,
    )
    with suppress(ConditionFailedError):
        retrying(lambda: put_item(item, LedgerItem.pk.does_not_exist()))


_OF_ORDERS = ("id", "lines", "history")


def _next_orders(progress: Progress) -> Iterable[dict[str, Any]]:
    """A page of the orders, and `progress` past it. Those in the window come too: clocks differ, so the entries of an
    order need not be in the order of their times."""
    shard = orders.created_shard(progress.shard)
    page = merged_page(orders.BY_CREATED, [shard], Range(_PAGE, after=progress.after))
    progress.after = page.position
    if page.position is None:
        progress.shard += 1
    ids = [entry["id"] for entry in page.items]
    return batch_get_raw(Order, ids, consistent=False, only=_OF_ORDERS).values()


def _facts(order: dict[str, Any]) -> list[Fact]:
    try:
        return list(of_order(order))
    except UNREADABLE:
        # Then its movements have no cause, and are named for that.
        logger.exception("an order cannot be read", order_id=order.get("id"))
        return []


ADVANCE: dict[Phase, Callable[[CheckRun, Progress, HasTime], None]] = {
    Phase.ORDERS: _add_up_orders,
    Phase.PRODUCTS: _verify_products,
    Phase.GATHER: _gather,
    Phase.EXPLAIN: _explain,
}
