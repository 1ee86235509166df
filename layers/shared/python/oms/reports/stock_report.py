"""What there is of the products on sale, read from sums: as many calls for ten products as for a million."""

from collections import Counter
from dataclasses import dataclass

from oms.dynamodb import batch_get
from oms.inventory.bands import Band
from oms.pages import Range, table_page
from oms.reports.models import STOCK_SHARDS, ScarceProduct, StockTotals

MOST_LISTED = 100


@dataclass(frozen=True)
class StockReport:
    """`totals` are those of `StockTotals`, of all products on sale; `low` and `out` the first of each."""

    totals: Counter[str]
    low: list[ScarceProduct]
    out: list[ScarceProduct]


def stock_report() -> StockReport:
    return StockReport(totals=stock_totals(), low=_first_in(Band.LOW), out=_first_in(Band.OUT))


def stock_totals() -> Counter[str]:
    totals: Counter[str] = Counter()
    for part in batch_get(StockTotals, map(StockTotals.key, range(STOCK_SHARDS))).values():
        totals.update({name: getattr(part, name) for name in StockTotals.SUMS})
    return totals


def _first_in(band: Band) -> list[ScarceProduct]:
    return table_page(ScarceProduct, ScarceProduct.partition(band), Range(MOST_LISTED)).items
