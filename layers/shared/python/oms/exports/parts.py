"""The parts of an export's file. Each is uploaded completely before the next one begins.

The same rows give the same bytes after any interruption: a part depends only on its rows and on the state after the
previous part, which is stored in the checkpoint.
"""

from collections.abc import Sequence
from typing import Any, Protocol

# A part is full when its rows exceed this size. S3 requires 5 MB, except for the last part.
FULL_PART_BYTES = 8 * 1024 * 1024

type Cell = str | int
type Rows = Sequence[Sequence[Cell]]


class FileTooLargeError(Exception):
    """The file exceeds the maximum number of parts, bytes, or characters in a cell."""


class Cells(Protocol):
    """A converter of values to the cells of a format."""

    def text(self, value: str, /) -> Cell:
        """Returns a cell with a text, which a spreadsheet must not interpret as a formula."""

    def own(self, value: str, /) -> Cell:
        """Returns a cell with a text that the system made: letters, digits and hyphens, such as an id or a status."""

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
        """Returns the part's bytes, and the state for the next part. Raises FileTooLargeError."""


class File(Cells, Protocol):
    has_end: bool
    """Whether the file has a footer, so that its last part may have no rows."""

    def part(self, *, first: bool, state: Any) -> Part: ...


class ByteBuffer:
    """A buffer that collects bytes, and counts them in `size`."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def add(self, piece: bytes) -> None:
        if piece:
            self._pieces.append(piece)
            self.size += len(piece)

    def whole(self) -> bytes:
        return b"".join(self._pieces)
