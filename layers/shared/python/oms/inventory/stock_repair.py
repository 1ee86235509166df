"""Mending a product's stock by what the last check found: once, in one transaction, with a movement that says so."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pynamodb.exceptions import TransactWriteError

from oms import audit, clock
from oms.dynamodb import TryAgainError, failed, get_item, transaction
from oms.errors import (
    ConflictError,
    InsufficientStockError,
    NotFoundError,
    NothingToRepairError,
)
from oms.idempotency import settle
from oms.inventory.accounts import lines_after
from oms.inventory.facts import Units
from oms.inventory.models import (
    Adjustment,
    Cause,
    CheckRun,
    ClosedBalance,
    Product,
    ProductDrift,
    StockItem,
)
from oms.inventory.reconciliation import Stored, breaks, gaps


class Admin(Protocol):
    """Who repairs."""

    @property
    def id(self) -> str: ...
    @property
    def role(self) -> str: ...


@dataclass(frozen=True)
class Repair:
    """What a repair does, or did: the stock before and after it, and the version that it makes."""

    product_id: str
    run_id: str
    version: int
    before: Units
    after: Units
    repaired_at: str | None = None


def repair(product_id: str, *, dry_run: bool, by: Admin, address: str) -> Repair:
    """The repair of a product by what the last check found; nothing is written on a dry run.

    Raises NotFoundError for a product that is not there, NothingToRepairError, InsufficientStockError where units are
    sold already that never were, ConflictError where the stock moved past its book again since the check, and
    UnavailableError while the book lags behind.
    """
    repair_id = clock.random_id()
    planned: Repair | None = None

    def made_before() -> Repair | None:
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
        stock = _stock_as_its_book_says(drift)
        planned = _plan(drift, stock)
        return planned if dry_run else _write(planned, drift, stock, repair_id, by=by, address=address)

    return settle(attempt, made_before=made_before, keyed=False)


def _drift(product_id: str) -> ProductDrift:
    run = get_item(CheckRun, CheckRun.key())
    drift = get_item(ProductDrift, ProductDrift.key(run.id, product_id)) if run else None
    if drift is not None:
        return drift
    if get_item(Product, Product.key(product_id)) is None:
        raise NotFoundError("There is no such product.")
    raise NothingToRepairError("The last check found nothing wrong with this product.")


def _stock_as_its_book_says(drift: ProductDrift) -> StockItem:
    """The stock item as it is now, if its book leads to it from where the check saw it."""
    stock = get_item(StockItem, StockItem.key(drift.product_id))
    if stock is None:
        raise ConflictError("The stock item is gone: restore it from a backup of the table.")
    seen = Units(drift.available, drift.reserved)
    stored = Stored(stock.version, Units(stock.available, stock.reserved), stock.last.at, stock.opening)
    lines = [line for line in lines_after(stock.pk, drift.version) if line.version <= stored.version]
    if any(gaps(lines, stored, drift.version)):
        raise TryAgainError  # the book lags by a moment, or another repair has just been made
    if any(breaks(lines, seen, stored)):
        raise ConflictError("The stock was changed past its book since the check: run the check again.")
    return stock


def _plan(drift: ProductDrift, stock: StockItem) -> Repair:
    before = Units(stock.available, stock.reserved)
    difference = Units(drift.available - drift.expected_available, drift.reserved - drift.expected_reserved)
    after = before.minus(difference)
    if min(after) < 0:
        raise InsufficientStockError(
            f"The repair would leave {after.available} available and {after.reserved} reserved: "
            "units were sold that are not there. Cancel orders or adjust the stock first, and run the check again."
        )
    return Repair(drift.product_id, drift.run_id, stock.version + 1, before, after)


def _write(
    planned: Repair, drift: ProductDrift, stock: StockItem, repair_id: str, *, by: Admin, address: str
) -> Repair:
    """One transaction: the stock as it was read, the record of the repair, the finding that is not repaired yet, the
    balances at which the next check begins, and the entry in the audit log."""
    at = clock.timestamp(clock.now())
    moved = planned.after.minus(planned.before)
    cause = Cause(cause="repaired", actor=by.id, ref=repair_id, ref_version=1, at=at)
    record = Adjustment(
        id=repair_id,
        product_id=drift.product_id,
        adjustment=moved.available,
        reserved=moved.reserved,
        reason=f"stock check {drift.run_id}",
        actor=by.id,
        at=at,
        request_hash="",
    ).place()
    as_read = (
        (StockItem.version == stock.version)
        & (StockItem.available == stock.available)
        & (StockItem.reserved == stock.reserved)
    )
    entry = audit.entry(
        "stock.repaired",
        actor_id=by.id,
        actor_role=by.role,
        address=address,
        target=f"product {drift.product_id}",
        details={"run": drift.run_id, "available": moved.available, "reserved": moved.reserved},
    )
    try:
        with transaction() as write:
            for balance in _balances(planned, drift, stock):
                write.save(balance)
            write.save(record, condition=Adjustment.pk.does_not_exist())
            write.save(entry)
            write.update(
                drift,
                actions=[ProductDrift.repaired_at.set(at), ProductDrift.repair.set(repair_id)],
                condition=ProductDrift.repaired_at.does_not_exist(),
            )
            write.update(
                stock,
                actions=[
                    StockItem.available.add(moved.available),
                    StockItem.reserved.add(moved.reserved),
                    StockItem.version.add(1),
                    StockItem.last.set(cause),
                ],
                condition=as_read,
            )
    except TransactWriteError as error:
        if any(failed(reason) for reason in error.cancellation_reasons):
            raise TryAgainError from error  # an order came in, or another repair: the next attempt sees which
        raise
    return replace(planned, repaired_at=at)


def _balances(planned: Repair, drift: ProductDrift, stock: StockItem) -> Sequence[Any]:
    return [
        ClosedBalance(
            stock.pk,
            sort_key,
            version=planned.version,
            available=planned.after.available,
            reserved=planned.after.reserved,
            digest=drift.digest,
            digest_version=drift.digest_version,
        )
        for sort_key in (ClosedBalance.NEWEST, ClosedBalance.REPAIRED)
    ]
