"""The number of conversions of texts to cells. These counts, not seconds, keep an export fast."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from oms.exports import cells, sources, xlsx_file
from oms.exports.csv_file import CsvFile
from oms.exports.xlsx_file import XlsxFile

PRODUCTS = 10_000
FORMATS = [
    pytest.param(cells._cached, CsvFile([], gzip=False, bom=False).text, id="csv"),
    pytest.param(xlsx_file._cached_text_cell, XlsxFile("orders", []).text, id="xlsx"),
]


@pytest.mark.parametrize(("cache", "text"), FORMATS)
def test_the_texts_of_a_large_catalogue_are_converted_once(cache: Any, text: Callable[[str], Any]) -> None:
    cache.cache_clear()

    for _ in range(3):
        for number in range(PRODUCTS):
            text(f"SKU-{number}")
            text(f"Product {number}, in a box of 12")

    assert cache.cache_info().misses == 2 * PRODUCTS


@pytest.mark.parametrize(("cache", "text"), FORMATS)
def test_long_texts_are_not_kept_in_memory(cache: Any, text: Callable[[str], Any]) -> None:
    cache.cache_clear()

    for number in range(100):
        text(f"{number} " + "note " * 100)

    assert cache.cache_info().currsize == 0


def test_only_the_texts_of_people_are_checked_for_formulas() -> None:
    line = {"product_id": "P1", "sku": "S1", "name": "Hammer", "category": "Tools"}
    order: Any = {name: {"S": name} for name in ("id", "number", "status", "created_at", "customer_id", "currency")}
    order |= {name: {"N": "490"} for name in ("shipping_cost", "total")}
    numbers = {"quantity": {"N": "1"}, "unit_price": {"N": "199"}}
    order["lines"] = {"L": [{"M": {name: {"S": value} for name, value in line.items()} | numbers}]}
    checked: list[str] = []
    fake: Any = SimpleNamespace(text=checked.append, own=str, time=str, number=int, money=int)

    sources._order_rows(order, fake, further=False)

    assert checked == list(line.values())
