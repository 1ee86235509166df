"""A19: no spreadsheet runs any text of an export as a formula."""

import csv
import io
import re
import string
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unicodedata import category, normalize

import openpyxl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oms.core import clock
from oms.core.dynamodb import get_item, put_item, update_item
from oms.exports.cells import CsvEncoder, text
from oms.exports.columns import COLUMNS
from oms.exports.registry import SOURCES
from oms.inventory.models import StockItem
from oms.orders.models import Shipment
from tests.support.examples import examples
from tests.support.exports import an_order, content, exported, process_until_finished, request_export
from tests.support.fixtures import files, product
from tests.support.invocation import Person

__all__ = ["files", "product"]

FORMULAS = ("=1+1", "+1+1", "-1+1", "@SUM(1)", '=HYPERLINK("https://evil.example";"x")', "=cmd|'/c calc'!A1")
WIDE = ("\uff1d1+1", "\uff0b1+1", "\uff0d1+1", "\uff20SUM(1)", "\ufe661+1")
BEFORE = ("", "\t", "\r", "\n", "\r\n", "\0", " ", "\u00a0", "\ufeff", "\u200b", "\x0b", "\t \0")
INSIDE = ("a;", "a\t", "a\n", "a\r\n", 'a";', "a; ", "a;\0", '"\n')
ATTACKS = [
    *(before + formula for before in BEFORE for formula in (*FORMULAS, *WIDE)),
    *(inside + formula for inside in INSIDE for formula in FORMULAS),
]
TEXT_OF_LINES = ("product_id", "sku", "name", "category")
TEXT_OF_ADDRESSES = ("name", "line1", "line2", "city", "postal_code", "region", "country", "company", "phone")
TEXT_OF_SHIPMENTS = ("carrier", "tracking_number", "tracking_url")

DOCS = Path(__file__).parents[2] / "docs" / "integrate" / "exports.md"

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


def runs(cell: str) -> bool:
    """Whether some spreadsheet runs the cell as a formula, ignoring invisible characters."""
    shown = normalize("NFKC", cell).lstrip(string.whitespace)
    while shown and (category(shown[0]) in ("Cc", "Cf") or shown[0].isspace()):
        shown = shown[1:]
    return shown[:1] in ("=", "+", "-", "@") and not _is_number(shown)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def cells(data: bytes) -> Iterator[str]:
    """Returns the cells by programs with commas as separators, and by those with semicolons or tabs."""
    for separator in (",", ";", "\t"):
        for row in csv.reader(io.StringIO(data.decode(), newline=""), delimiter=separator):
            yield from row


def test_the_judge_of_this_test_knows_a_formula() -> None:
    assert all(runs(before + formula) for before in BEFORE for formula in FORMULAS)
    assert not any(runs(it) for it in ("", "Hammer", "'=1+1", "-12.50", "+49", "1-1", "a=b"))


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("column", TEXT_OF_LINES)
def test_a19_no_text_of_an_order_is_active_in_its_file(manager: Person, column: str) -> None:
    an_order(*({column: attack} for attack in ATTACKS))
    export = request_export(manager)

    process_until_finished(export)

    data = content(export) or b""
    assert not [cell for cell in cells(data) if runs(cell)]
    assert len(list(csv.reader(io.StringIO(data.decode(), newline="")))) == len(ATTACKS) + 1


@pytest.mark.usefixtures("files")
def test_a19_no_text_of_an_address_a_note_or_a_shipment_is_active_in_its_file(
    manager: Person, person: Callable[..., Person]
) -> None:
    customer_id = person("customer", email="=1+1@example.com").id
    for attack in ATTACKS:
        order = an_order({})
        order.shipping_address = dict.fromkeys(TEXT_OF_ADDRESSES, attack)
        order.note, order.customer_id = attack, customer_id
        order.purchase_order, order.tags = attack, ["a", attack]
        order.shipment = Shipment(**dict.fromkeys(TEXT_OF_SHIPMENTS, attack), shipped_at=order.created_at)
        put_item(order)
    export = request_export(manager, columns=",".join(COLUMNS["orders"].further))

    process_until_finished(export)

    data = content(export) or b""
    assert not [cell for cell in cells(data) if runs(cell)]
    assert len(list(csv.reader(io.StringIO(data.decode(), newline="")))) == len(ATTACKS) + 1


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("column", TEXT_OF_LINES)
def test_a19_in_a_workbook_every_text_is_one_to_the_letter(manager: Person, column: str) -> None:
    attacks = [it for it in ATTACKS if it.isprintable()]
    an_order(*({column: attack} for attack in attacks))
    export = request_export(manager, format="xlsx", columns=column)

    process_until_finished(export)

    sheet = openpyxl.load_workbook(io.BytesIO(content(export) or b"")).active
    found = [row[0] for row in sheet.iter_rows(min_row=2)]
    assert [it.value for it in found] == attacks
    assert {it.data_type for it in found} == {"s"}


@pytest.mark.usefixtures("files")
def test_a19_no_text_of_a_product_is_active_in_its_file(
    manager: Person, product: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [product(sku="=cmd|'/c_calc'!A1"), product(sku="a;=1+1")]
    # Products from before names were checked may have them.
    for it, name, group in zip(ids, ("\t=1+1", 'a";-1'), ("\uff20SUM(1)", "\x00+1"), strict=True):
        stock = get_item(StockItem, StockItem.key(it))
        assert stock is not None
        update_item(stock, [StockItem.name.set(name), StockItem.category.set(group)])

    later = clock.now() + timedelta(seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    rows = {row["product_id"]: row for row in exported(manager, report="inventory")}
    first, second = (rows[it] for it in ids)

    assert [first[it] for it in ("sku", "name", "category")] == ["'=cmd|'/c_calc'!A1", "'\t'=1+1", "'\uff20SUM(1)"]
    assert [second[it] for it in ("sku", "name", "category")] == ["a;'=1+1", "a\";'-1", "'\x00+1"]


def test_every_column_that_has_text_is_tried_here() -> None:
    """The others have generated ids, numbers, times, or fixed words."""
    of_the_system = {
        "order_id",
        "order_number",
        "status",
        "created_at",
        "shipped_at",
        "customer_id",
        "currency",
        "date",
    }
    numbers = {"line", "quantity", "unit_price", "line_total", "shipping_cost", "order_total", "price", "on_hand"}
    numbers |= {"available", "reserved", "low_stock_threshold", "orders", "units", "revenue", "shipping"}
    numbers |= {"cancelled", "returned", "pending"}
    tried = {*TEXT_OF_LINES, *(f"shipping_{it}" for it in TEXT_OF_ADDRESSES), *TEXT_OF_SHIPMENTS}

    columns = {column for report in SOURCES for column in COLUMNS[report].all}

    assert columns - of_the_system - numbers == tried | {"note", "customer_email", "purchase_order", "tags"}


NASTY = st.text(st.sampled_from([*"=+-@;,\t\r\n\0\"' a1\u00a0\ufeff\u200b\uff1d\uff0b\uff0d\uff20\ufe66"]), max_size=12)


@settings(max_examples=examples(500))
@given(st.lists(st.lists(st.one_of(NASTY, st.text()), min_size=1, max_size=4), min_size=1, max_size=4))
@example([["a;\t=1"]])
@example([["", ';"=']])
@example([["\0\t=1", "\r-1"]])
def test_a19_no_mixture_is_active_and_rows_and_cells_come_back_as_they_were_written(rows: list[list[str]]) -> None:
    written: list[list[Any]] = [[text(cell) for cell in row] for row in rows]

    data = CsvEncoder().of(written)

    assert not [cell for cell in cells(data) if runs(cell)]
    assert list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True)) == written
    assert [[as_it_was(cell) for cell in row] for row in written] == rows


def as_it_was(cell: str) -> str:
    """Returns the original text, as docs/integrate/exports.md describes."""
    return re.sub(r"(\A|[\t\r\n;])'", r"\1", cell)


def test_an_apostrophe_of_ones_own_is_no_apostrophe_of_the_export() -> None:
    texts = ["-5mm", "'-5mm", "''-5mm", "'s-Hertogenbosch", "a;=1", "a;'=1", "a\n''=1", "'", "\t'", "don't"]

    written = [text(it) for it in texts]

    assert len(set(written)) == len(texts)
    assert [as_it_was(it) for it in written] == texts
    assert written[:2] == ["'-5mm", "''-5mm"]
    assert 're.sub(r"(\\A|[\\t\\r\\n;])\'", r"\\1", cell)' in DOCS.read_text()


def test_a19_any_character_before_or_instead_of_the_sign_of_a_formula() -> None:
    every = [chr(code) for code in range(sys.maxunicode + 1) if category(chr(code)) != "Cs"]

    assert not [char for char in every if runs(text(char + "=1")) or runs(text(char + "1"))]


SIGNS = "=+-@\u207a\u207c\u208a\u208c\u2a75\u2a76\ufb29\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20"


@settings(deadline=None)
@given(st.text(st.characters(exclude_characters=SIGNS + ";\t\r\n'", exclude_categories=["Cs"])))
def test_a_text_that_is_not_a_formula_comes_back_unchanged(harmless: str) -> None:
    assert text(harmless) == harmless


def test_numbers_stay_numbers_below_zero_too() -> None:
    assert CsvEncoder().of([[-3, "-12.50", 0]]) == b"-3,-12.50,0\r\n"


def test_lines_are_those_of_rfc_4180() -> None:
    made = CsvEncoder().of([["plain", 'a "quoted" one', "a, b", "two\r\nlines", "", " space "]])

    assert made == b'plain,"a ""quoted"" one","a, b","two\r\nlines",, space \r\n'
