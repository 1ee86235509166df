"""The requests and responses of the stock check, the repair and the movements."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, cast

from pydantic import Field

from oms.core.schemas import NextCursor, ProductId, Request, Response, Timestamp
from oms.inventory.schemas import UnitsChange
from oms.stock_ledger.effects import Units
from oms.stock_ledger.models import CheckRun, Movement, ProductDrift

type StockCheckStatus = Annotated[Literal["running", "done", "failed"], Field(description="How far a stock check is.")]


class StartStockCheckRequest(Request):
    """The kind of the check."""

    full: bool = Field(
        False,
        description="Recheck each product's full history instead of resuming from the last checkpoint. If it is not "
        "sent, the check resumes.",
        examples=[False],
    )


class RepairStockRequest(Request):
    """The product to repair."""

    product_id: ProductId
    dry_run: bool = Field(
        True,
        description="Only show the effect of a repair. If it is not sent, nothing is repaired: send `false` to repair.",
        examples=[True],
    )


class UnitsDrift(Response):
    """The difference between stored and expected units."""

    stored: int = Field(description="Units that are stored.", examples=[12])
    expected: int = Field(description="Units by the movements, orders and adjustments.", examples=[10])
    difference: int = Field(description="`stored` - `expected`.", examples=[2])


class UnitCounts(Response):
    """Units of a product."""

    available: int = Field(description="Units that can be ordered.", examples=[10])
    reserved: int = Field(description="Units in orders that are not shipped yet.", examples=[2])


class StockFinding(Response):
    """One inconsistency that the check found."""

    code: str = Field(description="The kind of inconsistency.", examples=["missing-movement"])
    version: int | None = Field(description="The version of the movement that it is about, if any.", examples=[7])
    last_version: int | None = Field(
        None, description="The last of several missing versions that begin at `version`; else null.", examples=[9]
    )
    ref: str | None = Field(
        description="The id of the order or adjustment that it is about, if any.", examples=["0C8Z4V6T2R9QKX1M5N7P"]
    )
    ref_version: int | None = Field(description="The version of that order or adjustment.", examples=[2])
    recorded: UnitCounts | None = Field(description="The units of the movement or the stock item, if there is one.")
    expected: UnitCounts | None = Field(description="The correct units.")


class StockDrift(Response):
    """A product whose stock is inconsistent."""

    product_id: str = Field(description="The id of the product.", examples=["7"])
    available: UnitsDrift = Field(description="The units that can be ordered.")
    reserved: UnitsDrift = Field(description="The units in orders.")
    findings: list[StockFinding] = Field(description="The first inconsistencies.")
    findings_count: int = Field(description="How many inconsistencies there are.", examples=[1])
    repaired_at: Timestamp | None = Field(description="When the product was repaired; null if it was not.")

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
    """The latest run of the stock check; its fields are null before the first."""

    id: str | None = Field(description="The run's id.", examples=["0C8Z4V6T2R9QKX1M5N7P"])
    status: StockCheckStatus | None = Field(description="How far the run is.")
    full: bool | None = Field(description="Whether it rechecks full histories.", examples=[False])
    started_at: Timestamp | None = Field(description="When it started.")
    finished_at: Timestamp | None = Field(description="When it finished; null while it runs.")
    checked: int | None = Field(description="How many products were checked.", examples=[40])
    orders_checked: int | None = Field(description="How many orders were checked.", examples=[7])
    unsettled: int | None = Field(
        description="How many products changed during the check, so that their latest movements are left to the next"
        " run.",
        examples=[0],
    )
    drift_count: int | None = Field(description="How many products are inconsistent.", examples=[0])
    drift: list[StockDrift] = Field(description="The first 100 inconsistent products.")

    @classmethod
    def of(cls, run: CheckRun | None, drifts: Sequence[ProductDrift]) -> "StockCheckResponse":
        if run is None:
            return cls.model_validate(dict.fromkeys(cls.model_fields) | {"drift": []})
        return cls(
            id=run.id,
            status=cast(StockCheckStatus, run.status),
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
    """The effect of a repair, or with `dry_run` its planned effect."""

    product_id: str = Field(description="The id of the product.", examples=["7"])
    check_id: str = Field(description="The run whose findings are repaired.", examples=["0C8Z4V6T2R9QKX1M5N7P"])
    dry_run: bool = Field(description="Whether nothing was changed.", examples=[True])
    version: int = Field(description="The version of the repair's own movement.", examples=[8])
    available: UnitsChange = Field(description="The units that can be ordered.")
    reserved: UnitsChange = Field(description="The units in orders.")
    repaired_at: Timestamp | None = Field(description="When it was repaired; null with `dry_run`.")


def _units_drift(stored: int, expected: int) -> UnitsDrift:
    return UnitsDrift(stored=stored, expected=expected, difference=stored - expected)


def _finding(found: dict[str, Any]) -> StockFinding:
    return StockFinding.model_validate(found | {name: _counts(found[name]) for name in ("recorded", "expected")})


def _counts(units: Sequence[int] | None) -> UnitCounts | None:
    return UnitCounts(**Units(*units)._asdict()) if units else None


class MovementResponse(Response):
    """One change of a product's stock."""

    version: int = Field(
        description="The stock's version after the movement: 1, 2, 3 and so on without gaps.", examples=[2]
    )
    at: Timestamp = Field(description="When it happened.")
    cause: str = Field(
        description="The cause of the movement, such as `order-created`, `order-shipped` or `adjusted`.",
        examples=["order-created"],
    )
    actor: str = Field(description="The user who did it, or `system`.", examples=["YVT65M7QNAW9TXAQ7PHA"])
    ref: str = Field(description="The id of the order or adjustment behind it.", examples=["0C8Z4V6T2R9QKX1M5N7P"])
    available: UnitsChange = Field(description="Units that can be ordered.")
    reserved: UnitsChange = Field(description="Units in orders that are not shipped yet.")

    @classmethod
    def of(cls, movement: Movement) -> "MovementResponse":
        return cls(
            version=movement.version,
            at=movement.at,
            cause=movement.cause,
            actor=movement.actor,
            ref=movement.ref,
            available=UnitsChange(before=movement.available_before, after=movement.available_after),
            reserved=UnitsChange(before=movement.reserved_before, after=movement.reserved_after),
        )


class MovementPage(Response):
    """A page of movements, newest first."""

    items: list[MovementResponse] = Field(description="The movements of this page.")
    next_cursor: NextCursor
