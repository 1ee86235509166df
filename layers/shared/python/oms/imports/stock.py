"""Rows that count stock: SKU and units on hand. The units that orders move meanwhile still count."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from oms.core.dynamodb import Key, batch_get_raw
from oms.core.errors import NotFoundError, OmsError, StockReservedError, UnavailableError
from oms.core.schemas import INVISIBLE_IS_NULL, Request
from oms.imports.rows import Decision, Job, Outcome, Row, Write, failed, validated
from oms.inventory import counts, shards, skus
from oms.inventory.adjustments import NewAdjustment
from oms.inventory.models import Adjustment, StockItem
from oms.inventory.schemas import Sku, Units
from oms.inventory.stock_schemas import CountStockRequest, Reason

_READ = ("pk", "sk", "product_id", "available", "reserved", "version", "shards_created")
_DEFAULT_REASON = "Imported"


class CountedRow(Request):
    """A row of a file of kind `stock`."""

    sku: Sku
    on_hand: Units
    reason: Annotated[Reason | None, INVISIBLE_IS_NULL] = None


class Stock:
    required: Sequence[str] = ("sku", "on_hand")
    optional: Sequence[str] = ("reason",)
    integers = frozenset(("on_hand",))

    def key_of(self, fields: Mapping[str, Any]) -> tuple[str, CountedRow]:
        request = validated(CountedRow, fields)
        return request.sku.casefold(), request

    def decide(self, rows: Sequence[Row], job: Job, *, unsure: frozenset[int]) -> list[Decision]:
        ids = skus.ids_of([row.request.sku for row in rows])
        found = batch_get_raw(StockItem, [StockItem.key(it) for it in ids.values()], only=_READ)
        stocks = {raw["product_id"]["S"]: raw for raw in found.values()}
        # After the stock: a count that this read of the stock shows is shown by this read too.
        written = _written([row.id for row in rows if row.number in unsure])
        if job.dry_run:
            shards.add_up_raw(stocks.values())
        return [_decide(row, job, stocks.get(ids.get(row.key, "")), written.get(row.id)) for row in rows]


def _written(row_ids: Sequence[str]) -> dict[str, Outcome]:
    """Returns the outcomes of rows whose counts are stored already."""
    if not row_ids:
        return {}
    keys: dict[Key, str] = {Adjustment.key(row_id): row_id for row_id in row_ids}
    found = batch_get_raw(Adjustment, keys, only=("pk", "sk", "adjustment"))
    return {keys[key]: _outcome(int(raw["adjustment"]["N"])) for key, raw in found.items()}


def _outcome(units: int) -> Outcome:
    return "updated" if units else "unchanged"


def _decide(row: Row, job: Job, raw: dict[str, Any] | None, written: Outcome | None) -> Decision:
    if raw is None:
        return failed(NotFoundError("No product has this SKU."), "sku")
    if written:
        return written
    on_hand, is_sharded = row.request.on_hand, "shards_created" in raw
    available, reserved = (int(raw[name]["N"]) for name in ("available", "reserved"))
    if job.dry_run or not is_sharded:
        if available + reserved == on_hand:
            return "unchanged"
        if on_hand < reserved:
            return failed(StockReservedError(f"Orders reserve {reserved} units. Cancel orders first."), "on_hand")
    product_id = raw["product_id"]["S"]
    known = StockItem(
        *StockItem.key(product_id),
        product_id=product_id,
        available=available,
        reserved=reserved,
        version=int(raw["version"]["N"]),
    )
    return Write("updated", lambda: _count(row, job, product_id, None if is_sharded else known))


def _count(row: Row, job: Job, product_id: str, known: StockItem | None) -> Outcome:
    """Counts once, under the row's id. `known` is the stored stock item of a product with one shard."""
    reason = row.request.reason or _DEFAULT_REASON
    request = CountStockRequest(on_hand=row.request.on_hand, reason=reason)
    new = NewAdjustment.under_id(row.id, product_id, request, reason=reason, actor=job.actor)
    try:
        change = counts.try_to_count(new, request.on_hand, if_version=None, known=known)
    except UnavailableError:
        raise  # the row is tried again
    except OmsError as error:
        raise failed(error, "on_hand") from error
    return _outcome(change.value.record.adjustment)
