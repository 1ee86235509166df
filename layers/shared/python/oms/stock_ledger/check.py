"""The stock check: a job that one worker hands over to the next, because it can take longer than one invocation."""

from contextlib import suppress
from datetime import timedelta
from itertools import islice

from pynamodb.expressions.update import Action

from oms.core import clock, queues
from oms.core.clock import HasTime
from oms.core.dynamodb import ConditionFailedError, delete_item, get_item, put_item, query_raw, update_item
from oms.core.errors import UnavailableError
from oms.core.leases import Lease
from oms.core.pages import HIGHEST, KeyRange, table_page
from oms.core.retries import ConcurrentUpdateError, retrying
from oms.core.settings import settings
from oms.stock_ledger import check_progress
from oms.stock_ledger.check_phases import ADVANCE, MAX_LISTED
from oms.stock_ledger.check_progress import Phase, Progress
from oms.stock_ledger.models import CHECKS, DRIFTS, PROGRESS, CheckProgress, CheckRun, ProductDrift, drift_prefix

# The lease of a run. If no worker takes it before the message is this old, another run may replace the run.
_LEASE = Lease(CheckRun.worker, CheckRun.lease_until)
_QUEUE_LEASE = timedelta(minutes=20)
# Longer than the worker's timeout.
_WORKER_LEASE = timedelta(minutes=16)
# The maximum number of items that one run removes, of itself and of older runs. It takes about a minute. A run over a
# million products stores about 700.
_MAX_REMOVED = 5000


def start(*, full: bool = False) -> CheckRun:
    """Starts a run and sends its message, or returns the current run. Replaces an abandoned run."""
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
        _send(run)  # also for the current run, since an earlier start may have crashed before this line
    return run


def _replace_last(run: CheckRun) -> CheckRun:
    """Stores the run, or returns the current one.

    The cut is not older than that of the last run, because balances may be closed up to it.
    """
    is_idle = (CheckRun.status != "running") | _LEASE.has_expired(run.started_at)
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
    """Returns the last run, and the first 100 inconsistent products that it found."""
    run = get_item(CheckRun, CheckRun.key())
    if run is None:
        return None, []
    low = drift_prefix(run.id)
    return run, table_page(ProductDrift, CHECKS, KeyRange(MAX_LISTED, low=low, high=low + HIGHEST)).items


def continue_run(run_id: str, step: int, *, has_time: HasTime) -> CheckRun | None:
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
    with suppress(UnavailableError):  # the next run removes what is left
        _remove_leftovers(finished)
    return finished


def _claim(run_id: str, step: int) -> CheckRun | None:
    now = clock.now()
    at, worker = clock.timestamp(now), clock.random_id()
    is_current = (CheckRun.id == run_id) & (CheckRun.status == "running") & (CheckRun.step == step)
    actions = _LEASE.take(worker, clock.timestamp(now + _WORKER_LEASE))
    try:
        return retrying(lambda: update_item(CheckRun(*CheckRun.key()), actions, is_current & _LEASE.is_free(at)))
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
    return _LEASE.release(clock.timestamp(clock.now() + _QUEUE_LEASE))


def _finished_now() -> Action:
    return CheckRun.finished_at.set(clock.timestamp(clock.now()))


def _remove_leftovers(run: CheckRun) -> None:
    """Removes the progress of all runs, and the drifts of older runs."""
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
    """Writes the run as its worker, and returns it. Raises ConditionFailedError if another worker has taken it."""
    is_same_step = (CheckRun.id == run.id) & (CheckRun.step == run.step)
    return retrying(lambda: update_item(CheckRun(*CheckRun.key()), actions, is_same_step & _LEASE.is_held(run)))


def _send(run: CheckRun) -> None:
    queues.send(settings().stock_check_queue_url, {"run": run.id, "step": run.step})
