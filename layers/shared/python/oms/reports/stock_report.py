"""The inventory report, read from sums, so the number of calls does not grow with the products."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from oms.core.dynamodb import Key, batch_get
from oms.core.pages import KeyRange, merged_page
from oms.inventory import shards
from oms.inventory.models import StockItem
from oms.inventory.stock_levels import StockLevel, stock_level
from oms.reports import stock_sums, sums
from oms.reports.models import LISTED

MAX_LISTED = 100


@dataclass(frozen=True)
class StockReport:
    """The report. `totals` has the `stock_sums.SUMS` of all products on sale.

    `low` and `out` are the first stock items of these stock levels, with their current stock.
    """

    totals: Counter[str]
    low: list[StockItem]
    out: list[StockItem]


def stock_report() -> StockReport:
    totals = stock_totals()
    keys = {scarce: _listed_keys(scarce) for scarce in stock_sums.SCARCE}
    stock = batch_get(StockItem, [key for listed in keys.values() for key in listed])
    shards.add_up(stock.values())
    low, out = (_still_scarce(scarce, listed, stock) for scarce, listed in keys.items())
    return StockReport(totals, low=low, out=out)


def stock_totals() -> Counter[str]:
    totals = Counter(dict.fromkeys(stock_sums.SUMS, 0))
    totals.update(sums.read([stock_sums.STOCK]).get(stock_sums.STOCK, {}))
    return totals


def _listed_keys(scarce: StockLevel) -> list[Key]:
    page = merged_page(LISTED, [stock_sums.list_of(scarce)], KeyRange(MAX_LISTED))
    return [StockItem.key(entry["created_key"]) for entry in page.items]


def _still_scarce(scarce: StockLevel, listed: list[Key], stock: Mapping[Key, StockItem]) -> list[StockItem]:
    """Returns the listed stock items that still have this stock level, since the lists lag behind the stock."""
    items = [stock[key] for key in listed if key in stock]
    return [
        item
        for item in items
        if item.status == "active" and stock_level(item.available, item.low_stock_threshold) == scarce
    ]
