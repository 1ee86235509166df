"""CSV lines (RFC 4180) in which no cell can be a spreadsheet formula."""

import csv
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from types import SimpleNamespace

from oms.exports.parts import Cell

# The characters that begin a formula (https://owasp.org/www-community/attacks/CSV_Injection), with all that
# compatibility normalization turns into them. Programs ignore white space, control and format characters (Unicode's Cc
# and Cf) before them. They also ignore quotes: each is doubled, which is an empty quoted text to a program that uses
# another separator.
_SIGNS = r"=+\-@\u207a\u207c\u208a\u208c\u2a75\u2a76\ufb29\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20"
_FORMAT = (
    r"\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    r"\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0001\U000e0020-\U000e007f"
)
_FORMULA = rf"[\s\"\x00-\x1f\x7f-\x9f{_FORMAT}]*[{_SIGNS}]"
# Some programs remove TAB, CR and LF at the beginning, and then read the rest. A text's own apostrophe gets one too,
# so that a reader can always remove the first apostrophe.
_FIRST = re.compile(rf"[\t\r\n']|{_FORMULA}")
# In other programs or locales, these characters end a cell, so a cell begins after them.
_WITHIN = re.compile(rf"[\t\r\n;](?='|{_FORMULA})")


@lru_cache(maxsize=4096)
def text(value: str) -> str:
    """The text with an apostrophe before each possible formula, so that a spreadsheet reads it as text.

    To restore the text, remove one apostrophe at the beginning and one after each TAB, CR, LF and semicolon.
    """
    made = _WITHIN.sub(r"\g<0>'", value)
    return f"'{made}" if _FIRST.match(value) else made


class CsvEncoder:
    """Encodes rows as CSV lines. Cells are written unchanged: pass texts through `text` first."""

    def __init__(self) -> None:
        self._made: list[str] = []
        self._writer = csv.writer(SimpleNamespace(write=self._made.append), lineterminator="\r\n")

    def of(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        self._writer.writerows(rows)
        made = "".join(self._made)
        self._made.clear()
        return made.encode()
