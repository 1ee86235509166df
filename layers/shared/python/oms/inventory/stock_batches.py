"""Adjusts and counts the stock of many products in one request, each on its own."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from oms.core.actors import Actor
from oms.core.dynamodb import Key, batch_get, in_parallel
from oms.core.errors import OmsError, UnavailableError
from oms.core.idempotency import IdempotentResult, run_idempotent
from oms.inventory import adjustments, counts, shards
from oms.inventory.adjustments import NewAdjustment, StockChange
from oms.inventory.models import StockItem
from oms.inventory.stock_schemas import StockOutcome, StockRow


class RowResult(NamedTuple):
    """The result of a row: its change or its error."""

    row: StockRow
    change: IdempotentResult[StockChange] | None = None
    error: OmsError | None = None

    @property
    def stock(self) -> StockItem | None:
        """The stock after the row, if it is known without a read."""
        return self.change.value.stock if self.change else None


def change_stocks(rows: Sequence[StockRow], *, actor: Actor, key: str | None) -> list[StockOutcome]:
    """Adjusts or counts each product, and returns the outcomes in the order of the rows.

    A failed row has no effect on the others. With a key, each row is made once: its own key consists of that and the
    product. So a request that ended anywhere can be sent again.

    Raises UnavailableError, before the first row.
    """
    known = batch_get(StockItem, [StockItem.key(row.product_id) for row in rows])

    def run(row: StockRow) -> RowResult:
        try:
            return RowResult(row, change=_run_row(row, known, actor=actor, key=key))
        except OmsError as error:
            return RowResult(row, error=error)

    results = in_parallel(run, rows)
    others = _read_stocks(it.row.product_id for it in results if it.stock is None)
    return [_outcome(it, it.stock or others.get(StockItem.key(it.row.product_id))) for it in results]


def _read_stocks(product_ids: Iterable[str]) -> Mapping[Key, StockItem]:
    """Returns the stocks after the rows, or none if they cannot be read.

    Rows may have been made, so an error would make a client without a key send them again.
    """
    try:
        stocks = batch_get(StockItem, [StockItem.key(product_id) for product_id in product_ids])
        shards.add_up(stocks.values())
    except UnavailableError:
        return {}
    return stocks


def _run_row(
    row: StockRow, known: Mapping[Key, StockItem], *, actor: Actor, key: str | None
) -> IdempotentResult[StockChange]:
    route = f"PATCH /inventory/stock {row.product_id}"
    new = NewAdjustment.of(row.product_id, row, reason=row.reason, route=route, actor=actor, key=key)
    first = [stock] if (stock := known.get(StockItem.key(row.product_id))) and not stock.is_sharded else []

    def attempt() -> IdempotentResult[StockChange]:
        if row.on_hand is None:
            return adjustments.try_to_adjust(new)
        known_now = first.pop() if first else None
        return counts.try_to_count(new, row.on_hand, if_version=row.if_version, known=known_now)

    new.adjustment.adjustment = row.adjustment or 0
    return run_idempotent(attempt, find_previous=lambda: adjustments.find_stored(new), keyed=True)


def _outcome(result: RowResult, stock: StockItem | None) -> StockOutcome:
    change, error = result.change, result.error
    added = change.value.record.adjustment if change else None
    return StockOutcome(
        product_id=result.row.product_id,
        status="failed" if added is None else "changed" if added else "unchanged",
        replayed=change is not None and change.replayed,
        code=error.code if error else None,
        detail=str(error) if error else None,
        adjustment=added,
        on_hand=stock.available + stock.reserved if stock else None,
        available=stock.available if stock else None,
        reserved=stock.reserved if stock else None,
        stock_version=stock.version if stock else None,
    )
