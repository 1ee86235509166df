"""The file of an export, part by part. The same lines give the same bytes, wherever the work was cut off before."""

import zlib

# At the first end of a thing's lines from here on a part is full. S3 takes 5 MB at least, but for the last.
FULL = 8 * 1024 * 1024
_GZIP = 16 + zlib.MAX_WBITS


class PartOfFile:
    """Of a compressed file each part is a gzip member: one after another they are one file (RFC 1952, section 2.2)."""

    def __init__(self, *, gzip: bool) -> None:
        # zlib writes the head with no time and no name.
        self._compressor = zlib.compressobj(wbits=_GZIP) if gzip else None
        self._pieces: list[bytes] = []
        self._size = 0
        self.lines = 0

    def add(self, made: bytes, lines: int) -> None:
        self._put(self._compressor.compress(made) if self._compressor else made)
        self.lines += lines

    def _put(self, piece: bytes) -> None:
        if piece:
            self._pieces.append(piece)
            self._size += len(piece)

    @property
    def is_full(self) -> bool:
        return self._size >= FULL

    def close(self) -> bytes:
        if self._compressor:
            self._put(self._compressor.flush())
        return b"".join(self._pieces)
