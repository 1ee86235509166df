"""The check of the stock book, as a job handed on from worker to worker: it may take longer than one of them lives."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import chain, islice

from aws_lambda_powertools import Logger
from pynamodb.expressions.update import Action

from oms.core import clock, queues
from oms.core.dynamodb import (
    ConcurrentUpdateError,
    ConditionFailedError,
    delete_item,
    get_item,
    put_item,
    query_raw,
    retrying,
    update_item,
)
from oms.core.errors import UnavailableError
from oms.core.pages import HIGHEST, Range, table_page
from oms.core.settings import settings
from oms.stock_ledger import check_progress
from oms.stock_ledger.check_phases import ADVANCE, MOST_SHOWN
from oms.stock_ledger.check_progress import Phase, Progress
from oms.stock_ledger.models import CHECKS, DRIFTS, PROGRESS, CheckProgress, CheckRun, ProductDrift, drifts_of

logger = Logger(child=True)

# How long a message may wait in the queue, and a worker may be at work, before the run counts as abandoned.
_WAITING = timedelta(minutes=20)
_WORKING = timedelta(minutes=16)
# How many items that older runs have left a run removes when it is done.
_MOST_REMOVED = 500


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
    run = retrying(lambda: _replace_last(run))
    if run.status == "running" and run.step == 0 and run.worker is None:
        _send(run)  # perhaps again: that of a start that crashed here was never sent
    return run


def _replace_last(run: CheckRun) -> CheckRun:
    """Puts the run, unless one is under way: then that one.

    No run has an older cut than the one before it, since balances may be closed up to that.
    """
    idle = (CheckRun.status != "running") | (CheckRun.lease_until < run.started_at)
    try:
        put_item(run, CheckRun.pk.does_not_exist() | (idle & (CheckRun.cut <= run.cut)))
    except ConditionFailedError as error:
        last = CheckRun.from_raw_data(error.item or {})
        if last.status == "running" and last.lease_until >= run.started_at:
            return last
        run.cut = last.cut
        raise ConcurrentUpdateError from error
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

    A run that is done already is given once more: whoever finished it may have crashed before telling so. Raises
    UnavailableError while another worker has the run, and when it can go on later. What else it raises, the run has
    failed of.
    """
    run = _claim(run_id, step)
    if run is None or run.status == "done":
        return run
    try:
        progress = check_progress.load(run)
        while progress.phase is not Phase.DONE:
            if not has_time():
                return _hand_over(run, progress)
            ADVANCE[progress.phase](run, progress, has_time)
        finished = _finish(run, progress)
    except UnavailableError:
        with suppress(ConditionFailedError, UnavailableError):
            _update(run, _free())
        raise
    except Exception:
        with suppress(ConditionFailedError):
            _update(run, [CheckRun.status.set("failed"), CheckRun.finished_at.set(clock.timestamp(clock.now()))])
        raise
    with suppress(UnavailableError):  # then the next run does it
        _remove_what_is_left(finished)
    return finished


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
    if run is None or run.id != run_id:
        return None
    if run.status != "running":
        return run if run.status == "done" and run.step == step else None
    if run.worker == worker:
        return run  # an attempt whose answer was lost
    if run.step == step:
        raise UnavailableError("Another worker is at this run.")
    if run.step == step + 1 and run.worker is None:
        _send(run)  # handed over by a worker that may have crashed before it sent the message
    return None


def _hand_over(run: CheckRun, progress: Progress) -> CheckRun:
    chunks = check_progress.save(progress, run, run.step + 1)
    step: list[Action] = [CheckRun.step.set(run.step + 1), CheckRun.chunks.set(chunks)]
    try:
        handed = _update(run, [*step, *_free(), *_counts(progress)])
    except ConditionFailedError as error:
        handed = CheckRun.from_raw_data(error.item or {})
        if (handed.id, handed.status, handed.step) != (run.id, "running", run.step + 1):
            raise
        # Ours: an attempt whose answer was lost.
    _send(handed)
    check_progress.forget(run, run.step, run.chunks)
    return handed


def _free() -> list[Action]:
    return [CheckRun.worker.remove(), CheckRun.lease_until.set(clock.timestamp(clock.now() + _WAITING))]


def _finish(run: CheckRun, progress: Progress) -> CheckRun:
    done = [CheckRun.status.set("done"), CheckRun.finished_at.set(clock.timestamp(clock.now()))]
    return _update(run, [*done, *_counts(progress)])


def _remove_what_is_left(run: CheckRun) -> None:
    """Removes what this run has gathered and what older ones have found; a run leaves a few hundred items at most."""
    left = chain(
        query_raw(CheckRun, CHECKS, DRIFTS, DRIFTS + HIGHEST), query_raw(CheckRun, CHECKS, PROGRESS, PROGRESS + HIGHEST)
    )
    keys = (item["sk"]["S"] for item in left)
    for sort_key in islice((it for it in keys if not it.startswith(drifts_of(run.id))), _MOST_REMOVED):
        delete_item(CheckProgress(CHECKS, sort_key))


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
    queues.send(settings().stock_check_queue_url, {"run": run.id, "step": run.step})
