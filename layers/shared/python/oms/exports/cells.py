"""CSV lines (RFC 4180) in which no cell can be a spreadsheet formula."""

import csv
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from types import SimpleNamespace

from oms.exports.parts import Cell

# The characters that begin a formula (https://owasp.org/www-community/attacks/CSV_Injection), and the characters that
# compatibility normalization turns into them. Programs ignore white space, control and format characters (Unicode's Cc
# and Cf) before them. They also ignore quotes: a doubled quote is an empty quoted text to a program that uses another
# separator.
_SIGNS = r"=+\-@\u207a\u207c\u208a\u208c\u2a75\u2a76\ufb29\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20"
_FORMAT = (
    r"\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    r"\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0001\U000e0020-\U000e007f"
)
_FORMULA = rf"[\s\"\x00-\x1f\x7f-\x9f{_FORMAT}]*[{_SIGNS}]"
# Some programs remove TAB, CR and LF at the beginning, and then read the rest. A first apostrophe is doubled, so that a
# reader can always remove one.
_FIRST = re.compile(rf"[\t\r\n']|{_FORMULA}")
# Some programs and locales end a cell at these characters, so a formula can begin after them.
_WITHIN = re.compile(rf"[\t\r\n;](?='|{_FORMULA})")

# The names and SKUs of a catalogue repeat in many rows: their cells are kept. Long texts, such as notes, seldom repeat,
# and would take much memory.
CACHE_SIZE = 32_768
MAX_CACHED_LENGTH = 100


def text(value: str) -> str:
    """Returns the text with an apostrophe before each possible formula, so that a spreadsheet reads it as text.

    To restore the text, remove one apostrophe at the beginning and one after each TAB, CR, LF and semicolon.
    """
    return _cached(value) if len(value) <= MAX_CACHED_LENGTH else _quoted(value)


def _quoted(value: str) -> str:
    quoted = _WITHIN.sub(r"\g<0>'", value)
    return f"'{quoted}" if _FIRST.match(value) else quoted


_cached = lru_cache(maxsize=CACHE_SIZE)(_quoted)


class CsvEncoder:
    """An encoder of rows as CSV lines. It does not change cells, so texts must be passed through `text` first."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._writer = csv.writer(SimpleNamespace(write=self._lines.append), lineterminator="\r\n")

    def of(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        self._writer.writerows(rows)
        encoded = "".join(self._lines)
        self._lines.clear()
        return encoded.encode()
