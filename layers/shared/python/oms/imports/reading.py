"""Reads the records of an uploaded file: CSV with a header, or JSON lines, in UTF-8.

A record is found again from its offset alone, so a worker can continue where another one stopped.
"""

import codecs
import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from oms.core.errors import InvalidRequestError, OmsError
from oms.core.strict_json import decode
from oms.imports.rows import Kind, Record, RowError, row_error

CSV, JSON_LINES = "csv", "jsonl"
# As many as a request's body may have.
MAX_RECORD_BYTES = 256 * 1024
# A CSV column of products for one of the shop's own names, as in `attributes.roast`.
ATTRIBUTE = "attributes."
_COMPRESSED = (b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"BZh")


class FileError(Exception):
    """The whole file cannot be imported. `code` is the failure of the import."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class _Line(NamedTuple):
    """A line without its line feed, and the offset of the byte after it. `data` is None for a line that is too long."""

    data: bytes | None
    end: int


def check_text(chunks: Iterable[bytes]) -> None:
    """Checks that a whole file is UTF-8. Raises FileError."""
    decoder, position = codecs.getincrementaldecoder("utf-8")(), 0
    for chunk in chunks:
        if not position and chunk.startswith(_COMPRESSED):
            raise FileError("bad-encoding", "The file is compressed. Upload it without compression.")
        _decode(decoder, chunk, position)
        position += len(chunk)
    _decode(decoder, b"", position, final=True)


def _decode(decoder: codecs.IncrementalDecoder, chunk: bytes, position: int, *, final: bool = False) -> None:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        at = position + len(chunk) - len(error.object) + error.start
        raise FileError("bad-encoding", f"The file is not UTF-8: see the byte at offset {at}.") from error


def read_header(chunks: Iterable[bytes], kind: Kind) -> tuple[list[str], int]:
    """Returns the columns of a CSV file, and the offset of its first row. Raises FileError."""
    for text, end, _ in _csv_texts(_lines(chunks, 0)):
        if text is None:
            break
        columns = [name.strip() for name in _cells(text.removeprefix("\ufeff"))]
        _check_columns(columns, kind)
        return columns, end
    raise FileError("bad-header", "The file has no header. Its first line must name the columns.")


def _check_columns(columns: Sequence[str], kind: Kind) -> None:
    known = (*kind.required, *kind.optional)
    own = f"{ATTRIBUTE}…" if "attributes" in known else ""
    wrong = [
        name
        for name in columns
        if name == "attributes" or (name not in known and not (own and name.startswith(ATTRIBUTE)))
    ]
    listed = ", ".join(name if name != "attributes" else own for name in known)
    if wrong:
        raise FileError(
            "bad-header", f"There is no column {wrong[0][:100]!r}. Separate columns by commas; they are {listed}."
        )
    if missing := [name for name in kind.required if name not in columns]:
        raise FileError("bad-header", f"The column {missing[0]} is missing.")
    if len(set(columns)) < len(columns):
        raise FileError("bad-header", "A column is named twice.")


def records(
    chunks: Iterable[bytes], *, offset: int, number: int, columns: Sequence[str], kind: Kind
) -> Iterator[Record]:
    """Yields the records from `offset` on, of which the first one has the number after `number`.

    Without columns, the file has JSON lines. Empty lines are left out.
    """
    lines = _lines(chunks, offset)
    if not columns:
        yield from _json_records(lines, number)
        return
    integers = [name in kind.integers for name in columns]
    for text, end, errors in _csv_texts(lines):
        number += 1
        if text is None:
            yield Record(number, end, {}, errors)
            continue
        try:
            cells = _cells(text)
        except csv.Error as error:
            yield Record(number, end, {}, [row_error("malformed-csv", f"The row is not valid CSV: {error}.")])
            continue
        if len(cells) != len(columns):
            detail = f"The row has {len(cells)} cells, but the header has {len(columns)}."
            yield Record(number, end, {}, [row_error("malformed-csv", detail)])
            continue
        yield Record(number, end, _fields(columns, cells, integers))


def _fields(columns: Sequence[str], cells: Sequence[str], integers: Sequence[bool]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, cell, is_integer in zip(columns, cells, integers, strict=True):
        if name.startswith(ATTRIBUTE):
            own = fields.setdefault("attributes", {})
            if cell:
                own[name.removeprefix(ATTRIBUTE)] = cell
        elif is_integer and cell.isascii() and cell.removeprefix("-").isdigit() and len(cell) < 20:
            fields[name] = int(cell)
        else:
            fields[name] = cell or None
    return fields


def _cells(text: str) -> list[str]:
    return next(csv.reader([text], strict=True), [])


def _csv_texts(lines: Iterator[_Line]) -> Iterator[tuple[str | None, int, list[RowError]]]:
    """Yields the text of each record, which has several lines if one ends within quotes, and the end of the record.

    Without a text there are errors. A quote that is never closed fails its own line alone.
    """
    ahead: deque[_Line] = deque()
    while line := ahead.popleft() if ahead else next(lines, None):
        if line.data is None:
            yield None, line.end, [_too_long()]
        elif line.data.count(b'"') % 2 == 0:
            if text := line.data.removesuffix(b"\r").decode():
                yield text, line.end, []
        elif further := _until_closed(line, ahead, lines):
            end = further[-1].end
            joined = b"\n".join([line.data, *(it.data or b"" for it in further)])
            yield joined.removesuffix(b"\r").decode(), end, []
        else:
            yield None, line.end, [row_error("malformed-csv", "A quote is not closed.")]


def _until_closed(first: _Line, ahead: deque[_Line], lines: Iterator[_Line]) -> list[_Line]:
    """Returns the further lines of a record, or none if its quote is never closed. Then they come `ahead` again."""
    further: list[_Line] = []
    size = len(first.data or b"")
    while line := ahead.popleft() if ahead else next(lines, None):
        further.append(line)
        size += len(line.data or b"") + 1
        if line.data is None or size > MAX_RECORD_BYTES:
            break
        if line.data.count(b'"') % 2:
            return further
    ahead.extendleft(reversed(further))
    return []


def _json_records(lines: Iterator[_Line], number: int) -> Iterator[Record]:
    for line in lines:
        data = line.data
        if data is not None and not number:
            data = data.removeprefix(codecs.BOM_UTF8)
        if data is not None and not data.strip():
            continue
        number += 1
        if data is None:
            yield Record(number, line.end, {}, [_too_long()])
            continue
        try:
            fields = decode(data)
        except InvalidRequestError as error:
            yield Record(number, line.end, {}, [row_error(error.code, error.extra["errors"][0]["detail"])])
        except OmsError as error:
            detail = "The line is not valid JSON, or has too many levels."
            yield Record(number, line.end, {}, [row_error(error.code, detail)])
        else:
            is_object = isinstance(fields, dict)
            errors = [] if is_object else [row_error("malformed-json", "The line is not a JSON object.")]
            yield Record(number, line.end, fields if is_object else {}, errors)


def _too_long() -> RowError:
    return row_error("row-too-long", f"The row has more than {MAX_RECORD_BYTES // 1024} KB.")


def _lines(chunks: Iterable[bytes], offset: int) -> Iterator[_Line]:
    """Yields the lines. It keeps no more of a line than its longest allowed part."""
    rest, is_cut = b"", False
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for data in whole:
            offset += len(data) + 1
            yield _Line(None if is_cut or len(data) > MAX_RECORD_BYTES else data, offset)
            is_cut = False
        if len(rest) > MAX_RECORD_BYTES:
            offset += len(rest)
            rest, is_cut = b"", True
    if rest or is_cut:
        yield _Line(None if is_cut else rest, offset + len(rest))
