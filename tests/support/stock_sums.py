"""The stored sums of the stock, and the expected ones, from all stock items."""

from collections import Counter
from typing import Any

from oms.inventory.models import StockItem
from tests.support.database import table
from tests.support.shop import stock_of

SUMS = ("products", "on_hand", "reserved", "value", "low", "out")


def raw_items(name: str, kind: str) -> list[dict[str, Any]]:
    items = table(name).items()
    return [item for item in items if item["kind"]["S"] == kind]


def on_sale() -> list[StockItem]:
    """Returns shard 0 of each product on sale, with the units of all its shards."""
    product_ids = {item["product_id"]["S"] for item in raw_items("inventory", "stock")}
    return [stock for product_id in product_ids if (stock := stock_of(product_id)).status == "active"]


def totals_of_the_stock() -> dict[str, int]:
    stock = on_sale()
    return {
        "products": len(stock),
        "on_hand": sum(it.available + it.reserved for it in stock),
        "reserved": sum(it.reserved for it in stock),
        "value": sum((it.available + it.reserved) * it.price for it in stock),
        "low": len(scarce_of_the_stock()["low"]),
        "out": len(scarce_of_the_stock()["out"]),
    }


def scarce_of_the_stock() -> dict[str, set[str]]:
    """Returns the product ids by stock level."""
    return {
        "low": {
            it.product_id
            for it in on_sale()
            if it.low_stock_threshold is not None and 0 < it.available <= it.low_stock_threshold
        },
        "out": {it.product_id for it in on_sale() if it.available == 0},
    }


def totals_kept() -> dict[str, int]:
    totals = Counter(dict.fromkeys(SUMS, 0))
    for item in raw_items("reports", "sum"):
        if item["sk"]["S"] == "stock":
            totals.update({name: int(item[name]["N"]) for name in SUMS if name in item})
    return dict(totals)


def scarce_kept() -> dict[str, set[str]]:
    lists: dict[str, set[str]] = {"low": set(), "out": set()}
    for item in raw_items("reports", "applied"):
        if "listing" in item:
            lists[item["listing"]["S"].removeprefix("band#")].add(item["created_key"]["S"])
    return lists


def assert_summed_up() -> None:
    """Asserts that the stored sums are those of the stock items."""
    assert totals_kept() == totals_of_the_stock()
    assert scarce_kept() == scarce_of_the_stock()
