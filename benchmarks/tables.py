"""Tables of text, for the terminal and for docs/operate/performance.md in the same form."""

import re
import statistics
from collections.abc import Sequence
from pathlib import Path

type Table = Sequence[Sequence[str]]
"""Rows of cells; the first has the headings."""

_TABLES = re.compile(r"(<!-- tables: .* -->\n).*?(<!-- end of tables -->)", re.DOTALL)


def as_markdown(table: Table) -> str:
    """Returns the table in Markdown, with columns of equal width."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    first, *rest = (
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in table
    )
    return "\n".join([first, "|" + "|".join("-" * (width + 2) for width in widths) + "|", *rest])


def median_and_least(values: Sequence[float], decimals: int = 2) -> str:
    """Returns `median/min`."""
    return f"{statistics.median(values):.{decimals}f}/{min(values):.{decimals}f}"


def missed(value: float, aim: float) -> str:
    """Returns by how much a value misses its aim, as the end of a cell; nothing if it is at most the aim."""
    return f", {value / aim:.1f} × the aim" if value > aim else ""


def against_aim(value: float, aim: float, decimals: int = 2) -> str:
    """Returns the value, and by how much it misses its aim."""
    return f"{value:.{decimals}f}{missed(value, aim)}"


def write_between_marks(page: Path, text: str) -> None:
    """Replaces the text between the two comments of the page that mark its tables."""
    written, count = _TABLES.subn(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page.read_text())
    if count != 1:
        raise ValueError(f"{page} has {count} places for the tables instead of one")
    page.write_text(written)
