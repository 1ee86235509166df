"""Lines of CSV (RFC 4180) in whose cells a spreadsheet finds text, numbers, and nothing to run."""

import csv
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from types import SimpleNamespace

from oms.exports.parts import Cell

# What a formula begins with (https://owasp.org/www-community/attacks/CSV_Injection), in every form that compatibility
# normalization takes for it. Before it may stand what programs pass over: white space, control and format characters
# (Unicode's Cc and Cf); and quotes, as each is written twice, which to what takes another character for the separator
# is a quoted nothing.
_SIGNS = r"=+\-@\u207a\u207c\u208a\u208c\u2a75\u2a76\ufb29\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20"
_FORMAT = (
    r"\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    r"\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0001\U000e0020-\U000e007f"
)
_FORMULA = rf"[\s\"\x00-\x1f\x7f-\x9f{_FORMAT}]*[{_SIGNS}]"
# Nothing begins with a character that some programs take away before they look at what is left. And a text's own
# apostrophe gets one too: so each that comes first was put there, and taking it away gives the text.
_FIRST = re.compile(rf"[\t\r\n']|{_FORMULA}")
# A cell also begins after what another program, or another country's, takes for the end of one.
_WITHIN = re.compile(rf"[\t\r\n;](?='|{_FORMULA})")


@lru_cache(maxsize=4096)
def text(value: str) -> str:
    """The text with an apostrophe before all that would be run: a spreadsheet then takes it for text.

    Taking away one apostrophe at the beginning, and one after each TAB, CR, LF and semicolon, gives the text again.
    """
    made = _WITHIN.sub(r"\g<0>'", value)
    return f"'{made}" if _FIRST.match(value) else made


class CsvEncoder:
    """Makes lines of rows. Text goes through `text` first: here a cell is written as it is."""

    def __init__(self) -> None:
        self._made: list[str] = []
        self._writer = csv.writer(SimpleNamespace(write=self._made.append), lineterminator="\r\n")

    def of(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        self._writer.writerows(rows)
        made = "".join(self._made)
        self._made.clear()
        return made.encode()
