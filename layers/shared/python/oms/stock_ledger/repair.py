"""Repairs a product's stock by the findings of the last stock check."""

from dataclasses import dataclass, replace
from datetime import timedelta

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock
from oms.core.actors import Actor
from oms.core.dynamodb import get_item
from oms.core.errors import ConflictError, InsufficientStockError, NotFoundError, NothingToRepairError
from oms.core.idempotency import run_idempotent
from oms.core.retries import ConcurrentUpdateError
from oms.core.transactions import TransactionError, transaction
from oms.inventory.models import Adjustment, Cause, Product, ShardUnits, StockItem
from oms.stock_ledger.effects import Units
from oms.stock_ledger.models import CheckRun, ClosedBalance, ProductDrift
from oms.stock_ledger.reader import movements_after, read_ledger
from oms.stock_ledger.reconciliation import StoredStock, chain_breaks, version_gaps

# Movements newer than this may still be in the stream.
_MAX_LAG = timedelta(minutes=1)
_MAX_CLOCK_SKEW = timedelta(minutes=1)


@dataclass(frozen=True)
class Repair:
    """A planned or completed repair, with the units before and after it, and the version that it creates."""

    product_id: str
    shard: int
    run_id: str
    version: int
    before: Units
    after: Units
    repaired_at: str | None = None

    @property
    def change(self) -> Units:
        return self.after.minus(self.before)


def repair(product_id: str, shard: int = 0, *, dry_run: bool, actor: Actor, address: str) -> Repair:
    """Repairs one shard of a product's stock by the findings of the last check. A dry run writes nothing.

    Raises NotFoundError for an unknown product, NothingToRepairError, InsufficientStockError if units that never
    existed were sold, ConflictError if the stock changed without a movement since the check, and UnavailableError while
    the ledger lags.
    """
    repair_id = clock.random_id()
    planned: Repair | None = None

    def completed(drift: ProductDrift) -> Repair | None:
        """Returns the repair of an earlier attempt whose response was lost, if any."""
        return replace(planned, repaired_at=drift.repaired_at) if planned and drift.repair == repair_id else None

    def attempt() -> Repair:
        nonlocal planned
        drift = _read_drift(product_id, shard)
        if previous := completed(drift):
            return previous
        if drift.repaired_at is not None:
            raise NothingToRepairError("The findings of the latest check are already repaired.")
        stored, version = _read_stock(drift)
        planned = _plan(drift, stored.units, version)
        return planned if dry_run else _write(planned, drift, stored, repair_id, actor=actor, address=address)

    return run_idempotent(attempt, find_previous=lambda: completed(_read_drift(product_id, shard)), keyed=False)


def _read_drift(product_id: str, shard: int) -> ProductDrift:
    run = get_item(CheckRun, CheckRun.key())
    if run and run.status == "running":
        raise ConflictError("A stock check is running. Wait until it is done, then repair from its result.")
    if run and run.status == "failed":
        raise ConflictError("The latest stock check failed. Start another, then repair from its result.")
    drift = get_item(ProductDrift, ProductDrift.key(run.id, product_id, shard)) if run else None
    if drift is not None:
        return drift
    if get_item(Product, Product.key(product_id)) is None:
        raise NotFoundError("Product not found.")
    raise NothingToRepairError("The latest check found no inconsistency of this product.")


def _read_stock(drift: ProductDrift) -> tuple[StoredStock, int]:
    """Returns the current stock, and the next free version.

    Raises an error unless movements lead from the state that the check found to the current one.

    New movements may be missing, since the ledger of a product in demand always lags. The version is also free in the
    ledger, which has later versions if the item was set back to an older state.
    """
    ledger = read_ledger(drift.product_id, drift.shard or 0)
    stored = ledger.stored
    if stored is None:
        raise ConflictError("The stock item is missing or unreadable. Restore it from a backup of the table.")
    found = movements_after(ledger.stock, drift.version)
    movements = [movement for movement in found if movement.version <= stored.version]
    missing = list(version_gaps(movements, stored, drift.version))
    is_new = stored.at > clock.timestamp(clock.now() - _MAX_LAG)
    late = [gap for gap in missing if gap.last == stored.version and is_new]
    if missing != late:
        raise ConcurrentUpdateError  # the ledger lags
    breaks = chain_breaks(movements, Units(drift.available, drift.reserved), stored)
    if any(finding.code == "broken-chain" or not late for finding in breaks):
        raise ConflictError("The stock has changed without a movement since the check. Start another check.")
    return stored, max([stored.version, *(movement.version for movement in found)]) + 1


def _plan(drift: ProductDrift, before: Units, version: int) -> Repair:
    difference = Units(drift.available - drift.expected_available, drift.reserved - drift.expected_reserved)
    after = before.minus(difference)
    if min(after) < 0:
        raise InsufficientStockError(
            f"The repair would leave {after.available} available and {after.reserved} reserved, "
            "since more units were sold than exist. Cancel orders or adjust the stock, then start another check."
        )
    return Repair(drift.product_id, drift.shard or 0, drift.run_id, version, before, after)


def _write(
    planned: Repair, drift: ProductDrift, stored: StoredStock, repair_id: str, *, actor: Actor, address: str
) -> Repair:
    """Writes the repair in one transaction.

    It succeeds only if the run is the last one, the drift is not repaired, and the stock equals `stored`. A later run
    reads the repair, so it does not report the same drift again.
    """
    at = clock.timestamp(clock.now())
    run, stock = CheckRun(*CheckRun.key()), StockItem(*StockItem.key(planned.product_id, planned.shard))
    adjustment = _adjustment(planned, repair_id, actor, at)
    if stored.is_sharded:
        adjustment.parts = [ShardUnits(shard=planned.shard, units=planned.change.available)]
        adjustment.actor_role = actor.role
    cause = Cause(cause="repaired", actor=actor.id, actor_role=actor.role, ref=repair_id, ref_version=1, at=at)
    try:
        with transaction() as write:
            write.check(run, (CheckRun.id == drift.run_id) & (CheckRun.status == "done"))
            for balance in _balances(planned, drift, at):
                write.save(balance)
            write.save(adjustment, condition=Adjustment.pk.does_not_exist())
            write.save(_audit_entry(planned, actor, address))
            write.update(
                drift,
                actions=[ProductDrift.repaired_at.set(at), ProductDrift.repair.set(repair_id)],
                condition=ProductDrift.repaired_at.does_not_exist(),
            )
            write.update(
                stock,
                actions=[
                    StockItem.available.add(planned.change.available),
                    StockItem.reserved.add(planned.change.reserved),
                    StockItem.version.set(planned.version),
                    StockItem.last.set(cause),
                ],
                condition=(StockItem.version == stored.version)
                & (StockItem.available == stored.units.available)
                & (StockItem.reserved == stored.units.reserved),
            )
    except TransactionError as error:
        if error.any_failed:
            raise ConcurrentUpdateError from error  # the next attempt reads the order, repair or run that was first
        raise
    return replace(planned, repaired_at=at)


def _adjustment(planned: Repair, repair_id: str, actor: Actor, at: str) -> Adjustment:
    return Adjustment(
        id=repair_id,
        product_id=planned.product_id,
        adjustment=planned.change.available,
        reserved=planned.change.reserved,
        reason=f"stock check {planned.run_id}",
        actor=actor.id,
        at=at,
        request_hash="",
    ).place()


def _audit_entry(planned: Repair, actor: Actor, address: str) -> AuditEntry:
    return audit_log.entry(
        "stock.repaired",
        actor_id=actor.id,
        actor_role=actor.role,
        address=address,
        target=f"product#{planned.product_id}",
        details={"run": planned.run_id, **planned.change._asdict()}
        | ({"shard": planned.shard} if planned.shard else {}),
    )


def _balances(planned: Repair, drift: ProductDrift, at: str) -> list[ClosedBalance]:
    """Returns the balances from which the next check and the next full check start."""
    return [
        ClosedBalance(
            StockItem.key(planned.product_id, planned.shard)[0],
            sort_key,
            version=planned.version,
            available=planned.after.available,
            reserved=planned.after.reserved,
            digest=drift.digest,
            digest_version=drift.digest_version,
            at=clock.timestamp(clock.instant(at) + _MAX_CLOCK_SKEW),
        )
        for sort_key in (ClosedBalance.NEWEST, ClosedBalance.REPAIRED)
    ]
