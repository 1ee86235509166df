"""Commands about stock: a count from a file."""

import csv
import hashlib
import io
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import click

from oms_client.cli.state import ROWS_FAILED, Group, State, pass_state
from oms_client.client import OmsClient
from oms_client.codec import UNSET
from oms_client.models import StockOutcome, StockRow

BATCH = 100
# The attempts for rows that are refused because the system is busy.
ROUNDS = 4
UNITS = ("on_hand", "count", "quantity")


@dataclass(frozen=True)
class Row:
    """A row of the file, by its number. It names a product by its id or its SKU."""

    number: int
    product_id: str
    sku: str
    on_hand: int
    if_version: int | None
    reason: str


@click.group(cls=Group)
def stock() -> None:
    """Count stock."""


@stock.command()
@click.argument("file", type=click.File("rb"))
@click.option("--reason", default="Stock count", show_default=True, help="The reason of rows without one.")
@click.option("--again", is_flag=True, help="Count, although the same file was counted before.")
@pass_state
def count(state: State, file: BinaryIO, reason: str, again: bool) -> int:
    """Set the units on hand to those of a CSV file.

    Its columns are product_id or sku, on_hand, and optionally reason and if_version. All rows are checked before the
    first is sent. If the command is interrupted, run it with the same file: rows that were made are not made twice.
    """
    content = file.read()
    rows = list(read(content, reason))
    key = f"count-{hashlib.sha256(content).hexdigest()[:40]}" + (f"-{uuid.uuid4().hex}" if again else "")
    counted: Counter[str] = Counter()
    replayed = 0
    for group in batched_rows(rows):
        for row, outcome in zip(group, sent(state.client, group, key), strict=True):
            counted[outcome.status] += 1
            replayed += outcome.replayed
            _show(state, row, outcome)
    amount = f"{len(rows)} row{'' if len(rows) == 1 else 's'}"
    state.say(f"{amount}: " + ", ".join(f"{n} {status}" for status, n in sorted(counted.items())) + ".")
    if replayed:
        state.say(f"{replayed} of them were made by an earlier run with this file. `--again` counts them again.")
    return ROWS_FAILED if counted["failed"] else 0


def batched_rows(rows: Sequence[Row]) -> Iterator[tuple[Row, ...]]:
    for start in range(0, len(rows), BATCH):
        yield tuple(rows[start : start + BATCH])


def read(content: bytes, reason: str) -> Iterator[Row]:
    """Yields the rows of a CSV file in UTF-8, separated by commas, semicolons or tabs. Raises click.UsageError."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.UsageError("The file is not UTF-8.") from error
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    table = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    columns = {name.strip().lower(): name for name in table.fieldnames or []}
    units = next((it for it in UNITS if it in columns), None)
    if not units or not columns.keys() & {"product_id", "sku"}:
        raise click.UsageError("The first line must name the columns: product_id or sku, and on_hand.")
    seen: dict[str, int] = {}
    try:
        for values in table:
            cells = {name: (values[own] or "").strip() for name, own in columns.items()}
            row = _row(table.line_num, cells, units, reason)
            name = f"id {row.product_id}" if row.product_id else f"SKU {row.sku.casefold()}"
            if name in seen:
                raise click.UsageError(f"Lines {seen[name]} and {row.number} are about one product.")
            seen[name] = row.number
            yield row
    except csv.Error as error:
        raise click.UsageError(f"Line {table.line_num}: {error}.") from error


def _row(number: int, cells: dict[str, str], units: str, reason: str) -> Row:
    product_id, sku = cells.get("product_id", ""), cells.get("sku", "")
    on_hand, version = cells[units], cells.get("if_version", "")
    if not (product_id or sku):
        raise click.UsageError(f"Line {number}: no product_id and no sku.")
    if not (on_hand.isascii() and on_hand.isdigit()):
        raise click.UsageError(f"Line {number}: {units} must be a whole number, not {on_hand!r}.")
    if version and not version.isdigit():
        raise click.UsageError(f"Line {number}: if_version must be a whole number.")
    if_version = int(version) if version else None
    return Row(number, product_id, sku, int(on_hand), if_version, cells.get("reason") or reason)


def sent(client: OmsClient, rows: Sequence[Row], key: str) -> list[StockOutcome]:
    """Sends the rows, and repeats those that the system was too busy for. Returns the outcomes in their order."""
    outcomes: dict[int, StockOutcome] = {}
    ids = {row.number: row.product_id or product_with(client, row.sku) for row in rows}
    for number, found in ids.items():
        if found is None:
            outcomes[number] = _unknown(next(it.sku for it in rows if it.number == number))
    rest = [it for it in rows if it.number not in outcomes]
    for attempt in range(ROUNDS):
        if not rest:
            break
        if attempt:
            time.sleep(client.exchange.retries.backoff(attempt))
        items = [
            StockRow(
                product_id=str(ids[it.number]),
                on_hand=it.on_hand,
                if_version=UNSET if it.if_version is None else it.if_version,
                reason=it.reason,
            )
            for it in rest
        ]
        # Each row has a key of its own, made of this one and the product.
        answer = client.inventory.change_stocks(items=items, idempotency_key=key)
        outcomes |= {row.number: it for row, it in zip(rest, answer.items, strict=True)}
        rest = [it for it in rest if outcomes[it.number].code == "unavailable"]
    return [outcomes[it.number] for it in rows]


def product_with(client: OmsClient, sku: str) -> str | None:
    """Returns the id of the product with this SKU, in upper or lower case."""
    found = client.inventory.iter_products(sku=sku, status=["active"], limit=100)
    return next((it.id for it in found if it.sku.casefold() == sku.casefold()), None)


def _unknown(sku: str) -> StockOutcome:
    return StockOutcome(
        product_id="",
        status="failed",
        replayed=False,
        code="not-found",
        detail=f"No product has the SKU {sku}.",
        adjustment=None,
        on_hand=None,
        available=None,
        reserved=None,
        stock_version=None,
    )


def _show(state: State, row: Row, outcome: StockOutcome) -> None:
    name = row.sku or row.product_id
    figures = f"{outcome.on_hand} on hand ({outcome.adjustment:+})" if outcome.adjustment is not None else ""
    text = f"line {row.number:<6} {name:<24} {outcome.status:<10} {outcome.detail or figures}"
    state.show({"line": row.number, "sku": row.sku or None, "outcome": outcome}, text)
