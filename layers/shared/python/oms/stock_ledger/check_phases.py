"""The phases of a stock check: read all orders, verify all products, and explain the suspect ones.

A call of a phase processes one page, or a part of it if the time is over. All phases of a run exclude the same time
window, so the result does not depend on the time at which an item is read: see `reconciliation`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from datetime import timedelta

from aws_lambda_powertools import Logger

from oms.core import clock
from oms.core.clock import HasTime
from oms.core.dynamodb import ConditionFailedError, batch_get_raw, put_item
from oms.core.pages import KeyRange, merged_page
from oms.core.retries import retrying
from oms.core.settings import settings
from oms.inventory.models import BY_CREATED, Product
from oms.orders import models as orders
from oms.orders.models import Order
from oms.stock_ledger.check_progress import Phase, Progress
from oms.stock_ledger.effects import DIGEST_MODULUS, UNREADABLE_ERRORS, RawItem, RecordedEffect, effects_from_order
from oms.stock_ledger.models import CheckRun, ClosedBalance, LedgerItem, ProductDrift
from oms.stock_ledger.reader import from_first_version, judge_ledgers, product_of, read_ledgers
from oms.stock_ledger.reconciliation import (
    Balance,
    Drift,
    ExcludedWindow,
    ProductLedger,
    Verdict,
    closed_balance,
    digest_of,
    reconcile,
    verify,
)

logger = Logger(child=True)

MAX_LISTED = 100
_MAX_FINDINGS = 50
_PAGE_SIZE = 100
# No run takes this long.
_MAX_RUN_TIME = timedelta(days=1)
_ORDER_ATTRIBUTES = ("id", "lines", "history")


def _window_of(run: CheckRun) -> ExcludedWindow:
    return ExcludedWindow(run.cut, clock.timestamp(clock.instant(run.started_at) + _MAX_RUN_TIME))


def _add_up_orders(run: CheckRun, progress: Progress, _: HasTime) -> None:
    """Adds the digests of a page of orders to the sum of each stock item."""
    window = _window_of(run)
    found = _next_orders(progress, following=Phase.PRODUCTS)
    progress.orders += len(found)
    for effect in _effects(found):
        if not window.excludes(effect.at):
            digest = progress.digests.get(effect.stock, 0) + effect.digest
            progress.digests[effect.stock] = digest % DIGEST_MODULUS


def _verify_products(run: CheckRun, progress: Progress, has_time: HasTime) -> None:
    """Verifies a page of products against the sums of the orders, and closes the balances of the sound ones."""
    window = _window_of(run)

    def judge(ledger: ProductLedger) -> Verdict:
        return verify(ledger, progress.digests.get(ledger.stock, 0), window)

    page = merged_page(BY_CREATED, ["active", "archived"], KeyRange(_PAGE_SIZE, after=progress.after))
    # By product, since the index may list a product twice while its status changes.
    positions = {item["pk"].removeprefix("product#"): position for position, item in page.placed}
    # A product has several ledgers if it has several shards.
    judged: dict[Verdict, set[str]] = {verdict: set() for verdict in Verdict}
    for ledger, verdict in judge_ledgers(read_ledgers(list(positions), full=run.full), judge, has_time):
        judged[verdict].add(ledger.product_id)
        progress.digests.pop(ledger.stock, None)
        if verdict is Verdict.SOUND and not run.full:
            _close(ledger, closed_balance(ledger, window))
    for product_id in judged[Verdict.SUSPECT]:
        _suspect(progress, product_id)
    progress.unsettled += len(judged[Verdict.UNSETTLED])
    judged_count = len(set[str]().union(*judged.values()))
    progress.products += judged_count
    is_whole_page = judged_count == len(positions)
    progress.after = page.position if is_whole_page else list(positions.values())[judged_count - 1]
    if progress.after is None:
        # Orders may name products that the index does not list.
        for product_id in {product_of(stock) for stock in progress.digests} - set(progress.suspects):
            _suspect(progress, product_id)
        progress.digests = {}
        progress.enter(Phase.GATHER if progress.suspects else Phase.DONE)


def _suspect(progress: Progress, product_id: str) -> None:
    if len(progress.suspects) < MAX_LISTED:
        progress.suspects.append(product_id)
    else:
        progress.unexplained += 1


def _close(ledger: ProductLedger, balance: Balance | None) -> None:
    """Stores the balance from which the next run starts, unless another run or a repair has stored one meanwhile."""
    if balance is None:
        return
    item = ClosedBalance(
        ledger.stock,
        ClosedBalance.NEWEST,
        version=balance.version,
        available=balance.units.available,
        reserved=balance.units.reserved,
        digest=balance.digest,
        digest_version=balance.digest_version,
    )
    unchanged = ClosedBalance.pk.does_not_exist() | (ClosedBalance.version == ledger.base.version)
    with suppress(ConditionFailedError):
        retrying(lambda: put_item(item, unchanged))


def _gather(_run: CheckRun, progress: Progress, _has_time: HasTime) -> None:
    """Collects the effects of a page of orders on the suspect products."""
    suspects = set(progress.suspects)
    for effect in _effects(_next_orders(progress, following=Phase.EXPLAIN)):
        if product_of(effect.stock) in suspects:
            progress.entries.setdefault(effect.stock, []).append(effect)


def _explain(run: CheckRun, progress: Progress, has_time: HasTime) -> None:
    """Reports the findings about the suspect products that are still inconsistent."""
    window = _window_of(run)

    def judge(ledger: ProductLedger) -> Verdict:
        return verify(ledger, digest_of(progress.entries.get(ledger.stock, []), window), window)

    products = batch_get_raw(Product, [Product.key(product_id) for product_id in progress.suspects], only=("pk", "sk"))
    ledgers = read_ledgers(progress.suspects, full=run.full, named=list(progress.entries))
    for ledger in ledgers:
        ledger.gone = Product.key(ledger.product_id) not in products
    judged, unsettled = set(), set()
    for ledger, verdict in judge_ledgers(ledgers, judge, has_time):
        judged.add(ledger.product_id)
        if verdict is Verdict.SUSPECT:
            whole = from_first_version(ledger)
            progress.entries.setdefault(ledger.stock, []).extend(_overlooked_effects(whole, progress, window))
            if judge(ledger) is Verdict.SUSPECT:
                _report(run, reconcile(whole, progress.entries[ledger.stock], window))
                progress.drifted += 1
        if verdict is Verdict.UNSETTLED:
            unsettled.add(ledger.product_id)
        progress.entries.pop(ledger.stock, None)
    progress.unsettled += len(unsettled)
    progress.suspects = [product_id for product_id in progress.suspects if product_id not in judged]
    if not progress.suspects:
        progress.enter(Phase.DONE)


def _overlooked_effects(ledger: ProductLedger, progress: Progress, window: ExcludedWindow) -> list[RecordedEffect]:
    """Returns the effects of orders that movements name, but that the lagging index did not list."""
    known = {effect.ref for effect in progress.entries[ledger.stock]}
    moved = [movement.effect for movement in ledger.movements if movement.effect.is_from_order]
    named = {effect.ref for effect in moved if not window.excludes(effect.at)}
    found = batch_get_raw(Order, sorted(named - known), only=_ORDER_ATTRIBUTES).values()
    return [effect for effect in _effects(found) if effect.stock == ledger.stock]


def _report(run: CheckRun, drift: Drift) -> None:
    """Stores the drift, unless an earlier attempt did, since an operator may have repaired it meanwhile."""
    logger.error("stock differs from the ledger", product_id=drift.product_id, drift=drift.difference)
    item = ProductDrift(
        *ProductDrift.key(run.id, drift.product_id, drift.shard),
        run_id=run.id,
        product_id=drift.product_id,
        shard=drift.shard or None,
        version=drift.version,
        available=drift.stored.available,
        reserved=drift.stored.reserved,
        expected_available=drift.expected.available,
        expected_reserved=drift.expected.reserved,
        findings=[finding._asdict() for finding in drift.findings[:_MAX_FINDINGS]],
        found=len(drift.findings),
        digest=drift.digest,
        digest_version=drift.digest_version,
    )
    with suppress(ConditionFailedError):
        retrying(lambda: put_item(item, LedgerItem.pk.does_not_exist()))


def _next_orders(progress: Progress, *, following: Phase) -> Collection[RawItem]:
    """Returns the next page of orders.

    Moves `progress` to the page after it, or after the last page to the following phase.

    The page includes orders in the window, because clocks differ: a later transition may have an earlier time.
    """
    shard = orders.created_shard(progress.shard)
    page = merged_page(orders.BY_CREATED, [shard], KeyRange(_PAGE_SIZE, after=progress.after))
    progress.after = page.position
    if page.position is None:
        progress.shard += 1
    if progress.shard == settings().order_shards:
        progress.enter(following)
    ids = [item["id"] for item in page.items]
    return batch_get_raw(Order, ids, consistent=False, only=_ORDER_ATTRIBUTES).values()


def _effects(found: Iterable[RawItem]) -> Iterator[RecordedEffect]:
    """Yields the effects of orders. A damaged order has none, so its movements are reported as unexplained."""
    for order in found:
        try:
            yield from list(effects_from_order(order))
        except UNREADABLE_ERRORS:
            logger.exception("an order is unreadable", order_id=order.get("id"))


ADVANCE: dict[Phase, Callable[[CheckRun, Progress, HasTime], None]] = {
    Phase.ORDERS: _add_up_orders,
    Phase.PRODUCTS: _verify_products,
    Phase.GATHER: _gather,
    Phase.EXPLAIN: _explain,
}
