"""What a file of an export is made of: parts, each of which is uploaded whole before the next one begins.

The same rows give the same bytes, wherever the work was cut off before: a part depends on its rows and on the state
that the part before has left, which the checkpoint keeps.
"""

from collections.abc import Sequence
from typing import Any, Protocol

# At the first end of a thing's rows from here on a part is full. S3 takes 5 MB at least, but for the last.
FULL_PART_BYTES = 8 * 1024 * 1024

type Cell = str | int
type Rows = Sequence[Sequence[Cell]]


class TooLargeError(Exception):
    """The file would have more parts, bytes or characters in a cell than there can be."""


class Cells(Protocol):
    """How a format writes the values of cells."""

    def text(self, value: str, /) -> Cell:
        """Text, of which nothing may be run."""

    def number(self, value: int, /) -> Cell: ...

    def money(self, minor_units: int, /) -> Cell: ...

    def time(self, timestamp: str, /) -> Cell: ...

    def day(self, date: str, /) -> Cell: ...


class Part(Protocol):
    lines: int

    def add(self, rows: Rows) -> None: ...

    @property
    def is_full(self) -> bool: ...

    def close(self, *, last: bool) -> tuple[bytes, Any]:
        """The part's bytes, and the state that the next part begins with. Raises TooLargeError."""


class File(Cells, Protocol):
    has_end: bool
    """Whether something follows the last row, so that there is a last part without rows."""

    def part(self, *, first: bool, state: Any) -> Part: ...


class ByteBuffer:
    """Bytes that are gathered."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def add(self, piece: bytes) -> None:
        if piece:
            self._pieces.append(piece)
            self.size += len(piece)

    def whole(self) -> bytes:
        return b"".join(self._pieces)
