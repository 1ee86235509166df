"""What the routes of the stock check take and give."""

from collections.abc import Sequence
from typing import Any, Literal, cast

from pydantic import Field

from oms.inventory.facts import Units
from oms.inventory.models import CheckRun, ProductDrift
from oms.inventory.schemas import UnitsMoved
from oms.inventory.stock_repair import Repair
from oms.schemas import ProductId, Request, Response

RunStatus = Literal["running", "done", "failed"]


class StartStockCheckRequest(Request):
    full: bool = Field(
        False, description="Begin at the beginning of each product's book, not at its last closed balance"
    )


class RepairStockRequest(Request):
    product_id: ProductId
    dry_run: bool = True


class UnitsDrift(Response):
    stored: int
    expected: int
    difference: int


class UnitCounts(Response):
    available: int
    reserved: int


class StockFinding(Response):
    """One thing that is wrong. `version` names a movement, `ref` and `ref_version` an order's or adjustment's doing.

    `last_version` is set where several versions from `version` on are missing.
    """

    code: str
    version: int | None
    last_version: int | None = None
    ref: str | None
    ref_version: int | None
    recorded: UnitCounts | None
    expected: UnitCounts | None


class StockDrift(Response):
    product_id: str
    available: UnitsDrift
    reserved: UnitsDrift
    findings: list[StockFinding]
    findings_count: int
    repaired_at: str | None

    @classmethod
    def of(cls, drift: ProductDrift) -> "StockDrift":
        return cls(
            product_id=drift.product_id,
            available=_units_drift(drift.available, drift.expected_available),
            reserved=_units_drift(drift.reserved, drift.expected_reserved),
            findings=[_finding(found) for found in drift.findings],
            findings_count=drift.found,
            repaired_at=drift.repaired_at,
        )


class StockCheckResponse(Response):
    """The last run; all null before the first. `drift` are the first 100 of `drift_count` products."""

    id: str | None
    status: RunStatus | None
    full: bool | None
    started_at: str | None
    finished_at: str | None
    checked: int | None
    orders_checked: int | None
    unsettled: int | None
    drift_count: int | None
    drift: list[StockDrift]

    @classmethod
    def of(cls, run: CheckRun | None, drifts: Sequence[ProductDrift]) -> "StockCheckResponse":
        if run is None:
            return cls.model_validate(dict.fromkeys(cls.model_fields) | {"drift": []})
        return cls(
            id=run.id,
            status=cast(RunStatus, run.status),
            full=run.full,
            started_at=run.started_at,
            finished_at=run.finished_at,
            checked=run.products,
            orders_checked=run.orders,
            unsettled=run.unsettled,
            drift_count=run.drifted,
            drift=[StockDrift.of(drift) for drift in drifts],
        )


class StockRepairResponse(Response):
    """What a repair does (`repaired_at` is null) or did. `version` is that of its movement in the stock book."""

    product_id: str
    check_id: str
    dry_run: bool
    version: int
    available: UnitsMoved
    reserved: UnitsMoved
    repaired_at: str | None

    @classmethod
    def of(cls, repair: Repair, *, dry_run: bool) -> "StockRepairResponse":
        return cls(
            product_id=repair.product_id,
            check_id=repair.run_id,
            dry_run=dry_run,
            version=repair.version,
            available=UnitsMoved(before=repair.before.available, after=repair.after.available),
            reserved=UnitsMoved(before=repair.before.reserved, after=repair.after.reserved),
            repaired_at=repair.repaired_at,
        )


def _units_drift(stored: int, expected: int) -> UnitsDrift:
    return UnitsDrift(stored=stored, expected=expected, difference=stored - expected)


def _finding(found: dict[str, Any]) -> StockFinding:
    return StockFinding.model_validate(found | {name: _counts(found[name]) for name in ("recorded", "expected")})


def _counts(units: Sequence[int] | None) -> UnitCounts | None:
    return UnitCounts(**Units(*units)._asdict()) if units else None
