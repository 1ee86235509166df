"""An export as CSV (RFC 4180), compressed or not."""

import zlib
from collections.abc import Sequence
from typing import Any

from oms.core.money import to_text
from oms.exports import cells, parts
from oms.exports.cells import CsvEncoder
from oms.exports.parts import ByteBuffer, Rows

_GZIP = 16 + zlib.MAX_WBITS
_BYTE_ORDER_MARK = "\ufeff".encode()


class CsvFile:
    has_end = False
    text = staticmethod(cells.text)
    number = int  # unchanged
    money = staticmethod(to_text)
    own = time = day = str  # unchanged

    def __init__(self, columns: Sequence[str], *, gzip: bool, bom: bool) -> None:
        self._columns, self._gzip, self._bom = columns, gzip, bom

    def part(self, *, first: bool, state: Any) -> "CsvPart":  # noqa: ARG002 - parts are independent
        mark = _BYTE_ORDER_MARK if self._bom else b""
        return CsvPart(gzip=self._gzip, head=mark + CsvEncoder().of([self._columns]) if first else b"")


class CsvPart:
    """A part of a CSV file. If compressed, it is one gzip member; members form one file (RFC 1952, section 2.2)."""

    def __init__(self, *, gzip: bool, head: bytes = b"") -> None:
        # zlib, unlike `gzip`, writes no time and no name into the header, so the same rows give the same bytes.
        self._compressor = zlib.compressobj(wbits=_GZIP) if gzip else None
        self._lines = CsvEncoder()
        self._pieces = ByteBuffer()
        self.lines = 0
        self._write(head)

    def add(self, rows: Rows) -> None:
        self._write(self._lines.of(rows))
        self.lines += len(rows)

    def _write(self, made: bytes) -> None:
        self._pieces.add(self._compressor.compress(made) if self._compressor else made)

    @property
    def is_full(self) -> bool:
        return self._pieces.size >= parts.FULL_PART_BYTES

    def close(self, *, last: bool) -> tuple[bytes, None]:  # noqa: ARG002 - a CSV file has no footer
        if self._compressor:
            self._pieces.add(self._compressor.flush())
        return self._pieces.whole(), None
