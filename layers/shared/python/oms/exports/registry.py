"""The sources of all exports by report name, and the source of daily sales."""

from collections.abc import Iterator
from datetime import date, timedelta

from oms.core import clock
from oms.core.settings import settings
from oms.exports.models import Export
from oms.exports.parts import Cells, Rows
from oms.exports.sources import INVENTORY, ORDERS, ExportSource, pick
from oms.reports.sales import sales_by_day

_COUNTED = ("orders", "units")
_MONEY = ("revenue", "shipping")
_LEFT_OUT = ("cancelled", "returned", "pending")


def _sales(export: Export, after: str | None, cells: Cells) -> Iterator[tuple[str, Rows]]:
    """Yields one row per day, as in the sales report. At most 366 days fit into one part."""
    start, end = (clock.day_of(clock.instant(str(text))) for text in (export.from_, export.to))
    chosen = pick(export)
    for day, amounts in sales_by_day(start, end - timedelta(days=1)).items():
        position = clock.timestamp(clock.start_of(date.fromisoformat(day)))
        if after is None or position > after:
            counted = [cells.number(amounts[name]) for name in _COUNTED]
            money = [cells.money(amounts[name]) for name in _MONEY]
            left_out = [cells.number(amounts[name]) for name in _LEFT_OUT]
            yield position, chosen([(cells.day(day), *counted, *money, *left_out, cells.text(settings().currency))])


SOURCES = {"orders": ORDERS, "inventory": INVENTORY, "sales": ExportSource(_sales)}
