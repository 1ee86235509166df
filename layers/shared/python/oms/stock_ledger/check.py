"""The stock check: a job that workers hand over to each other, since it may run longer than one worker can."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import islice

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
from oms.core.pages import HIGHEST, KeyRange, table_page
from oms.core.settings import settings
from oms.stock_ledger import check_progress
from oms.stock_ledger.check_phases import ADVANCE, MAX_LISTED
from oms.stock_ledger.check_progress import Phase, Progress
from oms.stock_ledger.models import CHECKS, DRIFTS, PROGRESS, CheckProgress, CheckRun, ProductDrift, drift_prefix

# After these times without a worker, or without an end of the worker, another run may replace the run.
_QUEUE_LEASE = timedelta(minutes=20)
_WORKER_LEASE = timedelta(minutes=16)
# The items of this run and older ones that one run removes: about a minute's work. A run over a million products
# stores about 700.
_MAX_REMOVED = 5000


def start(*, full: bool = False) -> CheckRun:
    """Starts a run and sends its message, or returns the current run. An abandoned run is replaced."""
    now = clock.now()
    run = CheckRun(
        *CheckRun.key(),
        id=clock.random_id(),
        status="running",
        full=full,
        cut=clock.timestamp(now - settings().consistency_grace),
        started_at=clock.timestamp(now),
        lease_until=clock.timestamp(now + _QUEUE_LEASE),
    )
    run = retrying(lambda: _replace_last(run))
    if run.status == "running" and run.step == 0 and run.worker is None:
        _send(run)  # also for the current run: a start that crashed here did not send its message
    return run


def _replace_last(run: CheckRun) -> CheckRun:
    """Stores the run, or returns the current one.

    The cut is not older than the last run's, up to which balances may be closed.
    """
    is_idle = (CheckRun.status != "running") | (CheckRun.lease_until < run.started_at)
    try:
        put_item(run, CheckRun.pk.does_not_exist() | (is_idle & (CheckRun.cut <= run.cut)))
    except ConditionFailedError as error:
        current = CheckRun.from_raw_data(error.item or {})
        if current.status == "running" and current.lease_until >= run.started_at:
            return current
        run.cut = current.cut
        raise ConcurrentUpdateError from error
    return run


def last_run() -> tuple[CheckRun | None, list[ProductDrift]]:
    """The last run, and the first 100 inconsistent products that it found."""
    run = get_item(CheckRun, CheckRun.key())
    if run is None:
        return None, []
    low = drift_prefix(run.id)
    return run, table_page(ProductDrift, CHECKS, KeyRange(MAX_LISTED, low=low, high=low + HIGHEST)).items


def continue_run(run_id: str, step: int, *, has_time: Callable[[], bool]) -> CheckRun | None:
    """Works on a run while `has_time`, and then finishes it or hands it over. Returns None for an outdated message.

    Returns a finished run again, since the worker that finished it may have crashed before it sent its metrics. Raises
    UnavailableError while another worker has the run, or if a retry can continue it. Any other error fails the run.
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
        finished = _update(run, [CheckRun.status.set("done"), _finished_now(), *_counts(progress)])
    except UnavailableError:
        with suppress(ConditionFailedError, UnavailableError):
            _update(run, _release())
        raise
    except Exception:
        with suppress(ConditionFailedError):
            _update(run, [CheckRun.status.set("failed"), _finished_now()])
        raise
    with suppress(UnavailableError):  # then the next run removes them
        _remove_leftovers(finished)
    return finished


def _claim(run_id: str, step: int) -> CheckRun | None:
    now = clock.now()
    at, worker = clock.timestamp(now), clock.random_id()
    is_current = (CheckRun.id == run_id) & (CheckRun.status == "running") & (CheckRun.step == step)
    is_free = CheckRun.worker.does_not_exist() | (CheckRun.lease_until < at)
    lease_until = clock.timestamp(now + _WORKER_LEASE)
    actions: list[Action] = [CheckRun.worker.set(worker), CheckRun.lease_until.set(lease_until)]
    try:
        return retrying(lambda: update_item(CheckRun(*CheckRun.key()), actions, is_current & is_free))
    except ConditionFailedError as error:
        run = CheckRun.from_raw_data(error.item) if error.item else None
    if run is None or run.id != run_id:
        return None
    if run.status != "running":
        return run if run.status == "done" and run.step == step else None
    if run.worker == worker:
        return run  # the response to an earlier attempt was lost
    if run.step == step:
        raise UnavailableError("Another worker has this run. Retry later.")
    if run.step == step + 1 and run.worker is None:
        _send(run)  # the worker that handed the run over may have crashed before it sent the message
    return None


def _hand_over(run: CheckRun, progress: Progress) -> CheckRun:
    next_step = run.step + 1
    chunks = check_progress.save(progress, run, next_step)
    actions: list[Action] = [CheckRun.step.set(next_step), CheckRun.chunks.set(chunks), *_release(), *_counts(progress)]
    try:
        next_run = _update(run, actions)
    except ConditionFailedError as error:
        next_run = CheckRun.from_raw_data(error.item or {})
        if (next_run.id, next_run.status, next_run.step) != (run.id, "running", next_step):
            raise
        # The response to an earlier attempt was lost.
    _send(next_run)
    return next_run


def _release() -> list[Action]:
    return [CheckRun.worker.remove(), CheckRun.lease_until.set(clock.timestamp(clock.now() + _QUEUE_LEASE))]


def _finished_now() -> Action:
    return CheckRun.finished_at.set(clock.timestamp(clock.now()))


def _remove_leftovers(run: CheckRun) -> None:
    """Removes the progress of all runs and the drifts of older ones."""
    items = query_raw(CheckRun, CHECKS, DRIFTS, PROGRESS + HIGHEST)
    keys = (item["sk"]["S"] for item in items)
    leftovers = (sort_key for sort_key in keys if not sort_key.startswith(drift_prefix(run.id)))
    for sort_key in islice(leftovers, _MAX_REMOVED):
        delete_item(CheckProgress(CHECKS, sort_key))


def _counts(progress: Progress) -> list[Action]:
    return [
        CheckRun.products.set(progress.products),
        CheckRun.orders.set(progress.orders),
        CheckRun.unsettled.set(progress.unsettled),
        CheckRun.drifted.set(progress.drifted + progress.unexplained),
    ]


def _update(run: CheckRun, actions: list[Action]) -> CheckRun:
    """The run after a write by its worker. Raises ConditionFailedError if another worker has it meanwhile."""
    is_own = (CheckRun.id == run.id) & (CheckRun.step == run.step) & (CheckRun.worker == run.worker)
    return retrying(lambda: update_item(CheckRun(*CheckRun.key()), actions, is_own))


def _send(run: CheckRun) -> None:
    queues.send(settings().stock_check_queue_url, {"run": run.id, "step": run.step})
