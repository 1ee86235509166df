"""Requests and responses of the stock check, the repair and the movements."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, cast

from pydantic import Field

from oms.core.schemas import NextCursor, ProductId, Request, Response, Timestamp
from oms.inventory.schemas import UnitsChange
from oms.stock_ledger.effects import Units
from oms.stock_ledger.models import CheckRun, Movement, ProductDrift

type StockCheckStatus = Annotated[
    Literal["running", "done", "failed"], Field(description="The status of a stock check.")
]


class StartStockCheckRequest(Request):
    """The scope of the check."""

    full: bool = Field(
        False,
        description="Whether to check each product's full history, instead of continuing from the last checkpoint. "
        "Default: `false`.",
        examples=[False],
    )


class RepairStockRequest(Request):
    """The product to repair."""

    product_id: ProductId
    shard: Annotated[int, Field(ge=0, le=255)] = Field(
        0, description="The number of the shard to repair, as in `drift`. Default: 0.", examples=[0]
    )
    dry_run: bool = Field(
        True,
        description="`true`, the default, shows the effect of a repair and changes nothing. Send `false` to repair.",
        examples=[True],
    )


class UnitsDrift(Response):
    """The difference between stored and expected units."""

    stored: int = Field(description="The stored units.", examples=[12])
    expected: int = Field(description="The units that movements, orders and adjustments add up to.", examples=[10])
    difference: int = Field(description="`stored` - `expected`.", examples=[2])


class UnitCounts(Response):
    """Units of a product."""

    available: int = Field(description="Units that can be ordered.", examples=[10])
    reserved: int = Field(description="Units in orders that are not shipped yet.", examples=[2])


class StockFinding(Response):
    """One inconsistency that the check found."""

    code: str = Field(description="The kind of inconsistency.", examples=["missing-movement"])
    version: int | None = Field(description="The version of the movement in question, if any.", examples=[7])
    last_version: int | None = Field(
        None, description="The last of several missing versions that begin at `version`; else null.", examples=[9]
    )
    ref: str | None = Field(
        description="The id of the order, adjustment or repair in question, if any. For the opening stock, the id of "
        "the product.",
        examples=["0C8Z4V6T2R9QKX1M5N7P"],
    )
    ref_version: int | None = Field(description="The version of the resource that `ref` names.", examples=[2])
    recorded: UnitCounts | None = Field(description="The units of the movement or the stock item, if there is one.")
    expected: UnitCounts | None = Field(description="The correct units.")


class StockDrift(Response):
    """A product whose stock is inconsistent. If it has several shards, each inconsistent one is listed."""

    product_id: str = Field(description="The id of the product.", examples=["7"])
    shard: int = Field(description="The number of the shard; 0 if the product has one.", examples=[0])
    available: UnitsDrift = Field(description="The units that can be ordered.")
    reserved: UnitsDrift = Field(description="Units in orders that are not shipped yet.")
    findings: list[StockFinding] = Field(description="The first inconsistencies.")
    findings_count: int = Field(description="The number of all inconsistencies.", examples=[1])
    repaired_at: Timestamp | None = Field(description="When the product was repaired; null if it was not.")

    @classmethod
    def of(cls, drift: ProductDrift) -> "StockDrift":
        return cls(
            product_id=drift.product_id,
            shard=drift.shard or 0,
            available=_units_drift(drift.available, drift.expected_available),
            reserved=_units_drift(drift.reserved, drift.expected_reserved),
            findings=[_finding(found) for found in drift.findings],
            findings_count=drift.found,
            repaired_at=drift.repaired_at,
        )


class StockCheckResponse(Response):
    """The latest run of the stock check; its fields are null before the first."""

    id: str | None = Field(description="The run's id.", examples=["0C8Z4V6T2R9QKX1M5N7P"])
    status: StockCheckStatus | None = Field(description="The status of the run.")
    full: bool | None = Field(description="Whether the run checks full histories.", examples=[False])
    started_at: Timestamp | None = Field(description="When the run started.")
    finished_at: Timestamp | None = Field(description="When the run finished; null while it is running.")
    checked: int | None = Field(description="The number of checked products.", examples=[40])
    orders_checked: int | None = Field(description="The number of checked orders.", examples=[7])
    unsettled: int | None = Field(
        description="The number of products that changed during the check. Their latest movements are left to the "
        "next run.",
        examples=[0],
    )
    drift_count: int | None = Field(description="The number of inconsistent products.", examples=[0])
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
    shard: int = Field(description="The number of the repaired shard.", examples=[0])
    check_id: str = Field(
        description="The id of the run whose findings are repaired.", examples=["0C8Z4V6T2R9QKX1M5N7P"]
    )
    dry_run: bool = Field(description="Whether the repair was only shown, and nothing was changed.", examples=[True])
    version: int = Field(description="The version of the repair's own movement.", examples=[8])
    available: UnitsChange = Field(description="The units that can be ordered.")
    reserved: UnitsChange = Field(description="The units in orders.")
    repaired_at: Timestamp | None = Field(description="When the product was repaired; null with `dry_run`.")


def _units_drift(stored: int, expected: int) -> UnitsDrift:
    return UnitsDrift(stored=stored, expected=expected, difference=stored - expected)


def _finding(found: dict[str, Any]) -> StockFinding:
    return StockFinding.model_validate(found | {name: _counts(found[name]) for name in ("recorded", "expected")})


def _counts(units: Sequence[int] | None) -> UnitCounts | None:
    return UnitCounts(**Units(*units)._asdict()) if units else None


class MovementResponse(Response):
    """One change of a product's stock."""

    version: int = Field(
        description="The version after the movement: 1, 2, 3 and so on without gaps, in each shard.", examples=[2]
    )
    shard: int = Field(description="The number of the changed shard; 0 if the product has one.", examples=[0])
    at: Timestamp = Field(description="When the stock changed.")
    cause: str = Field(
        description="The cause of the movement, such as `order-created`, `order-shipped` or `adjusted`.",
        examples=["order-created"],
    )
    actor: str = Field(
        description="The id of the user who changed the stock, or `system`.", examples=["YVT65M7QNAW9TXAQ7PHA"]
    )
    ref: str = Field(
        description="The id of the order, adjustment or repair that caused the movement. For `product-created`, the id "
        "of the product.",
        examples=["0C8Z4V6T2R9QKX1M5N7P"],
    )
    available: UnitsChange = Field(description="Units that can be ordered.")
    reserved: UnitsChange = Field(description="Units in orders that are not shipped yet.")

    @classmethod
    def of(cls, movement: Movement) -> "MovementResponse":
        return cls(
            version=movement.version,
            shard=movement.shard,
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
