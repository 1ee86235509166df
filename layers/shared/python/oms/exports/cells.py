"""Lines of CSV (RFC 4180) in whose cells a spreadsheet finds text, numbers, and nothing to run."""

import csv
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from types import SimpleNamespace

# What a formula begins with (https://owasp.org/www-community/attacks/CSV_Injection), in all widths. Before it may stand
# what programs pass over: white space, control and format characters; and quotes, as each is written twice, which to
# what takes another character for the separator is a quoted nothing.
_FORMULA = (
    r"[\s\"\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2060\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b]"
)
# A cell also begins after what another program, or another country's, takes for the end of one. And nothing begins with
# a character that some programs take away before they look at what is left.
_ACTIVE = re.compile(rf"\A(?=[\t\r\n])|(?:\A|(?<=[\t\r\n;]))(?={_FORMULA})")

type Cell = str | int


@lru_cache(maxsize=4096)
def text(value: str) -> str:
    """The text with an apostrophe before whatever would be run: a spreadsheet then takes it for text."""
    return _ACTIVE.sub("'", value)


class Lines:
    """Makes lines of rows. Text goes through `text` first: here a cell is written as it is."""

    def __init__(self) -> None:
        self._made: list[str] = []
        self._writer = csv.writer(SimpleNamespace(write=self._made.append), lineterminator="\r\n")

    def of(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        self._writer.writerows(rows)
        made = "".join(self._made)
        self._made.clear()
        return made.encode()
