"""The check of the stock book, as a job: all orders, then all products, then once more the orders behind what is wrong.

A run has one cut in time. What it has gathered is handed on from worker to worker, so it may take longer than one of
them lives. Nothing depends on when a thing is read: see `reconciliation`.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from pynamodb.expressions.update import Action

from oms import clock
from oms.dynamodb import ConditionFailedError, batch_get_raw, get_item, put_item, retrying, update_item
from oms.errors import UnavailableError
from oms.inventory import check_progress
from oms.inventory.accounts import adjustments, read_accounts, settled
from oms.inventory.check_progress import Phase, Progress
from oms.inventory.facts import UNREADABLE, WRAP, Fact, of_order
from oms.inventory.models import BY_CREATED, CHECKS, CheckRun, ClosedBalance, ProductDrift, StockItem, drifts_of
from oms.inventory.reconciliation import Account, Balance, Drift, Verdict, closing, reconcile, verify
from oms.orders import models as orders
from oms.orders.models import Order
from oms.pages import HIGHEST, Range, merged_page, table_page
from oms.settings import settings

logger = Logger(child=True)

MOST_SHOWN = 100
_MOST_FINDINGS = 50
_PAGE = 100
# How long a message may wait in the queue, and a worker may be at work, before the run counts as abandoned.
_WAITING = timedelta(minutes=20)
_WORKING = timedelta(minutes=16)


# ---- runs -----------------------------------------------------------------------------------------------------------


def start(*, full: bool = False) -> CheckRun:
    """A new run, its message sent; or the one that is under way. One that was abandoned is replaced."""
    now = clock.now()
    at = clock.timestamp(now)
    run = CheckRun(
        *CheckRun.key(),
        id=clock.random_id(),
        status="running",
        full=full,
        cut=clock.timestamp(now - settings().settle),
        started_at=at,
        step=0,
        lease_until=clock.timestamp(now + _WAITING),
        chunks=0,
        products=0,
        orders=0,
        unsettled=0,
        drifted=0,
    )
    idle = CheckRun.pk.does_not_exist() | (CheckRun.status != "running") | (CheckRun.lease_until < at)
    try:
        retrying(lambda: put_item(run, idle))
    except ConditionFailedError as error:
        run = CheckRun.from_raw_data(error.item or {})
    if run.step == 0 and run.worker is None:
        _send(run)  # perhaps again: that of a start that crashed here was never sent
    return run


def last() -> tuple[CheckRun | None, list[ProductDrift]]:
    """The last run, and the first 100 products that it found wrong."""
    run = get_item(CheckRun, CheckRun.key())
    if run is None:
        return None, []
    low = drifts_of(run.id)
    return run, table_page(ProductDrift, CHECKS, Range(MOST_SHOWN, low=low, high=low + HIGHEST)).items


def work(run_id: str, step: int, *, has_time: Callable[[], bool]) -> CheckRun | None:
    """Goes on with a run while `has_time`, and hands it over or finishes it. None: the message was an old one.

    Raises UnavailableError while another worker has the run. A run that fails for any other reason has failed.
    """
    run = _claim(run_id, step)
    if run is None:
        return None
    try:
        progress = check_progress.load(run)
        while progress.phase is not Phase.DONE:
            if not has_time():
                return _hand_over(run, progress)
            _ADVANCE[progress.phase](run, progress)
        return _finish(run, progress)
    except Exception:
        with suppress(ConditionFailedError):
            _update(run, [CheckRun.status.set("failed"), CheckRun.finished_at.set(clock.timestamp(clock.now()))])
        raise


def _claim(run_id: str, step: int) -> CheckRun | None:
    now = clock.now()
    at, worker = clock.timestamp(now), clock.random_id()
    is_ours = (CheckRun.id == run_id) & (CheckRun.status == "running") & (CheckRun.step == step)
    is_free = CheckRun.worker.does_not_exist() | (CheckRun.lease_until < at)
    actions: list[Action] = [CheckRun.worker.set(worker), CheckRun.lease_until.set(clock.timestamp(now + _WORKING))]
    try:
        return retrying(lambda: update_item(CheckRun(*CheckRun.key()), actions, is_ours & is_free))
    except ConditionFailedError as error:
        run = CheckRun.from_raw_data(error.item) if error.item else None
    if run is None or run.id != run_id or run.status != "running":
        return None
    if run.worker == worker:
        return run  # an attempt whose answer was lost
    if run.step == step:
        raise UnavailableError("Another worker is at this run.")
    if run.step == step + 1 and run.worker is None:
        _send(run)  # handed over by a worker that may have crashed before it sent the message
    return None


def _hand_over(run: CheckRun, progress: Progress) -> CheckRun:
    chunks = check_progress.save(progress, run, run.step + 1)
    handed = _update(
        run,
        [
            CheckRun.step.set(run.step + 1),
            CheckRun.chunks.set(chunks),
            CheckRun.worker.remove(),
            CheckRun.lease_until.set(clock.timestamp(clock.now() + _WAITING)),
            *_counts(progress),
        ],
    )
    _send(handed)
    check_progress.forget(run, run.step, run.chunks)
    return handed


def _finish(run: CheckRun, progress: Progress) -> CheckRun:
    done = [CheckRun.status.set("done"), CheckRun.finished_at.set(clock.timestamp(clock.now()))]
    finished = _update(run, [*done, *_counts(progress)])
    check_progress.forget(run, run.step, run.chunks)
    return finished


def _counts(progress: Progress) -> list[Action]:
    return [
        CheckRun.products.set(progress.products),
        CheckRun.orders.set(progress.orders),
        CheckRun.unsettled.set(progress.unsettled),
        CheckRun.drifted.set(progress.drifted + progress.unexplained),
    ]


def _update(run: CheckRun, actions: list[Action]) -> CheckRun:
    """The run after a write of the worker that has it. Raises ConditionFailedError when another has it by now."""
    is_ours = (CheckRun.id == run.id) & (CheckRun.step == run.step) & (CheckRun.worker == run.worker)
    return retrying(lambda: update_item(CheckRun(*CheckRun.key()), actions, is_ours))


def _send(run: CheckRun) -> None:
    body = json.dumps({"run": run.id, "step": run.step})
    _sqs().send_message(QueueUrl=settings().stock_check_queue_url, MessageBody=body)


@cache
def _sqs() -> Any:
    return boto3.client("sqs")


# ---- phases: each call is a page ------------------------------------------------------------------------------------


def _add_up_orders(run: CheckRun, progress: Progress) -> None:
    """What orders say of each stock item before the cut, as a digest."""
    for order in _next_orders(run, progress):
        progress.orders += 1
        for fact in _facts(order):
            if fact.at < run.cut:
                progress.digests[fact.stock] = (progress.digests.get(fact.stock, 0) + fact.digest) % WRAP
    if progress.shard == settings().order_shards:
        progress.enter(Phase.PRODUCTS)


def _verify_products(run: CheckRun, progress: Progress) -> None:
    part = Range(_PAGE, after=progress.after)
    page = merged_page(BY_CREATED, ["active", "archived"], part)
    ids = list(dict.fromkeys(entry["pk"].removeprefix("product#") for entry in page.items))
    accounts = read_accounts(ids, base=ClosedBalance.REPAIRED if run.full else ClosedBalance.NEWEST)
    progress.products += len(ids)
    for account, verdict in settled(accounts, lambda it: verify(it, progress.digests.get(it.stock, 0), run.cut)):
        if verdict is Verdict.SOUND:
            if not run.full:
                _close(account, closing(account, run.cut))
        elif verdict is Verdict.UNSETTLED:
            progress.unsettled += 1
        elif len(progress.suspects) < MOST_SHOWN:
            progress.suspects.append(account.product_id)
        else:
            progress.unexplained += 1
    progress.after = page.position
    if page.position is None:
        progress.digests = {}
        progress.enter(Phase.EXPLAIN if progress.suspects else Phase.DONE)


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


def _explain(run: CheckRun, progress: Progress) -> None:
    """Gathers what orders say of the suspects; after the last page, names what is wrong."""
    suspects = {StockItem.key(product_id)[0] for product_id in progress.suspects}
    for order in _next_orders(run, progress):
        for fact in _facts(order):
            if fact.stock in suspects:
                progress.entries.setdefault(fact.stock, []).append(fact)
    if progress.shard < settings().order_shards:
        return
    entered = {
        stock: sum(fact.digest for fact in entries if fact.at < run.cut) % WRAP
        for stock, entries in progress.entries.items()
    }
    accounts = read_accounts(progress.suspects, base=None)
    for account, verdict in settled(accounts, lambda it: verify(it, entered.get(it.stock, 0), run.cut)):
        if verdict is Verdict.UNSETTLED:
            progress.unsettled += 1
            continue
        account.records = adjustments(account.product_id) | dict(account.records)
        _report(run, reconcile(account, progress.entries.get(account.stock, []), run.cut))
        progress.drifted += 1
    progress.enter(Phase.DONE)


def _report(run: CheckRun, drift: Drift) -> None:
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
    retrying(lambda: put_item(item))


def _next_orders(run: CheckRun, progress: Progress) -> list[dict[str, Any]]:
    """A page of the orders that were created before the cut, and `progress` past it."""
    page = merged_page(
        orders.BY_CREATED,
        [orders.created_shard(progress.shard)],
        Range(_PAGE, high=run.cut, after=progress.after),
    )
    progress.after = page.position
    if page.position is None:
        progress.shard += 1
    ids = [entry["id"] for entry in page.items]
    return list(batch_get_raw(Order, ids, consistent=False, only=("id", "lines", "history")).values())


def _facts(order: dict[str, Any]) -> Iterator[Fact]:
    try:
        facts = list(of_order(order))
    except UNREADABLE:
        # Then its movements have no cause, and are named for that.
        logger.exception("an order cannot be read", order_id=order.get("id"))
        facts = []
    return iter(facts)


_ADVANCE: dict[Phase, Callable[[CheckRun, Progress], None]] = {
    Phase.ORDERS: _add_up_orders,
    Phase.PRODUCTS: _verify_products,
    Phase.EXPLAIN: _explain,
}
