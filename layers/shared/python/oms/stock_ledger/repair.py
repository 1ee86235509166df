"""Mending a product's stock by what the last check found: once, in one transaction, with a movement that says so."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from pynamodb.exceptions import TransactWriteError

from oms.audit import audit_log
from oms.core import clock
from oms.core.actors import Actor
from oms.core.dynamodb import ConcurrentUpdateError, failed, get_item, transaction
from oms.core.errors import ConflictError, InsufficientStockError, NotFoundError, NothingToRepairError
from oms.core.idempotency import run_idempotent
from oms.inventory.models import Adjustment, Cause, Product, StockItem
from oms.stock_ledger.effects import Units
from oms.stock_ledger.models import CheckRun, ClosedBalance, ProductDrift
from oms.stock_ledger.reader import lines_after, read_accounts
from oms.stock_ledger.reconciliation import Stored, breaks, gaps

# How new the end of the book may be that is not there yet.
_LATE = timedelta(minutes=1)
# How far apart the clocks of two functions may be.
_SKEW = timedelta(minutes=1)


@dataclass(frozen=True)
class Repair:
    """What a repair does, or did: the stock before and after it, and the version that it makes."""

    product_id: str
    run_id: str
    version: int
    before: Units
    after: Units
    repaired_at: str | None = None


def repair(product_id: str, *, dry_run: bool, by: Actor, address: str) -> Repair:
    """The repair of a product by what the last check found; nothing is written on a dry run.

    Raises NotFoundError for a product that is not there, NothingToRepairError, InsufficientStockError where units are
    sold already that never were, ConflictError where the stock moved past its book again since the check, and
    UnavailableError while the book lags behind.
    """
    repair_id = clock.random_id()
    planned: Repair | None = None

    def find_previous() -> Repair | None:
        """What an attempt whose answer was lost has made."""
        drift = _drift(product_id)
        return replace(planned, repaired_at=drift.repaired_at) if planned and drift.repair == repair_id else None

    def attempt() -> Repair:
        nonlocal planned
        drift = _drift(product_id)
        if planned and drift.repair == repair_id:
            return replace(planned, repaired_at=drift.repaired_at)
        if drift.repaired_at is not None:
            raise NothingToRepairError("What the last check found of this product is repaired.")
        stored, version = _stock_as_its_book_says(drift)
        planned = _plan(drift, stored.units, version)
        return planned if dry_run else _write(planned, drift, stored, repair_id, by=by, address=address)

    return run_idempotent(attempt, find_previous=find_previous, keyed=False)


def _drift(product_id: str) -> ProductDrift:
    run = get_item(CheckRun, CheckRun.key())
    if run and run.status != "done":
        state = "under way" if run.status == "running" else "failed"
        raise ConflictError(f"The last check is {state}. Repair by what one has found that is done.")
    drift = get_item(ProductDrift, ProductDrift.key(run.id, product_id)) if run else None
    if drift is not None:
        return drift
    if get_item(Product, Product.key(product_id)) is None:
        raise NotFoundError("There is no such product.")
    raise NothingToRepairError("The last check found nothing wrong with this product.")


def _stock_as_its_book_says(drift: ProductDrift) -> tuple[Stored, int]:
    """The stock item as it is now, if its book leads to it from where the check saw it, and the next free version.

    The end of the book may be missing while it is new, as a product in demand is always a moment ahead of it. The next
    version is free in the book as well, which an item that was put back to an earlier state is behind.
    """
    (account,) = read_accounts([drift.product_id], full=False)
    stored = account.stored
    if stored is None:
        raise ConflictError("The stock item is gone or cannot be read: restore it from a backup of the table.")
    booked = lines_after(account.stock, drift.version)
    lines = [line for line in booked if line.version <= stored.version]
    missing = list(gaps(lines, stored, drift.version))
    late = [gap for gap in missing if gap.last == stored.version and stored.at > clock.timestamp(clock.now() - _LATE)]
    if missing != late:
        raise ConcurrentUpdateError  # the book lags
    found = breaks(lines, Units(drift.available, drift.reserved), stored)
    if any(it.code == "broken-chain" or not late for it in found):
        raise ConflictError("The stock was changed past its book since the check: run the check again.")
    return stored, max([stored.version, *(line.version for line in booked)]) + 1


def _plan(drift: ProductDrift, before: Units, version: int) -> Repair:
    difference = Units(drift.available - drift.expected_available, drift.reserved - drift.expected_reserved)
    after = before.minus(difference)
    if min(after) < 0:
        raise InsufficientStockError(
            f"The repair would leave {after.available} available and {after.reserved} reserved: "
            "units were sold that are not there. Cancel orders or adjust the stock first, and run the check again."
        )
    return Repair(drift.product_id, drift.run_id, version, before, after)


def _write(planned: Repair, drift: ProductDrift, stored: Stored, repair_id: str, *, by: Actor, address: str) -> Repair:
    """One transaction: the run that is still the last, the stock as it was read, the record of the repair, the finding
    that is not repaired yet, the balances at which the next check begins, and the entry in the audit log.

    A run that begins later sees the repair; so none finds what was wrong before it.
    """
    at = clock.timestamp(clock.now())
    moved = planned.after.minus(planned.before)
    cause = Cause(cause="repaired", actor=by.id, actor_role=by.role, ref=repair_id, ref_version=1, at=at)
    is_last = (CheckRun.id == drift.run_id) & (CheckRun.status == "done")
    try:
        with transaction() as write:
            write.condition_check(CheckRun, *CheckRun.key(), condition=is_last)
            for balance in _balances(planned, drift, at):
                write.save(balance)
            write.save(_record(planned, repair_id, by, at), condition=Adjustment.pk.does_not_exist())
            write.save(_audit_entry(planned, by, address))
            write.update(
                drift,
                actions=[ProductDrift.repaired_at.set(at), ProductDrift.repair.set(repair_id)],
                condition=ProductDrift.repaired_at.does_not_exist(),
            )
            write.update(
                StockItem(*StockItem.key(drift.product_id)),
                actions=[
                    StockItem.available.add(moved.available),
                    StockItem.reserved.add(moved.reserved),
                    StockItem.version.set(planned.version),
                    StockItem.last.set(cause),
                ],
                condition=(StockItem.version == stored.version)
                & (StockItem.available == stored.units.available)
                & (StockItem.reserved == stored.units.reserved),
            )
    except TransactWriteError as error:
        if any(failed(reason) for reason in error.cancellation_reasons):
            raise ConcurrentUpdateError from error  # by an order, a repair or a check run: the next attempt sees which
        raise
    return replace(planned, repaired_at=at)


def _record(planned: Repair, repair_id: str, by: Actor, at: str) -> Adjustment:
    moved = planned.after.minus(planned.before)
    return Adjustment(
        id=repair_id,
        product_id=planned.product_id,
        adjustment=moved.available,
        reserved=moved.reserved,
        reason=f"stock check {planned.run_id}",
        actor=by.id,
        at=at,
        request_hash="",
    ).place()


def _audit_entry(planned: Repair, by: Actor, address: str) -> Any:
    moved = planned.after.minus(planned.before)
    return audit_log.entry(
        "stock.repaired",
        actor_id=by.id,
        actor_role=by.role,
        address=address,
        target=f"product#{planned.product_id}",
        details={"run": planned.run_id, "available": moved.available, "reserved": moved.reserved},
    )


def _balances(planned: Repair, drift: ProductDrift, at: str) -> Sequence[Any]:
    return [
        ClosedBalance(
            StockItem.key(planned.product_id)[0],
            sort_key,
            version=planned.version,
            available=planned.after.available,
            reserved=planned.after.reserved,
            digest=drift.digest,
            digest_version=drift.digest_version,
            at=clock.timestamp(clock.instant(at) + _SKEW),
        )
        for sort_key in (ClosedBalance.NEWEST, ClosedBalance.REPAIRED)
    ]
