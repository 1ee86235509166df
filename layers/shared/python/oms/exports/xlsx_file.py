"""An export as a workbook (ECMA-376, Office Open XML): with typed cells, texts and no formulas.

A workbook is a ZIP archive with XML sheets. It is written sequentially: first the sheets, each followed by its size and
checksum (APPNOTE.TXT 4.3.9), then the directory. A part ends at a byte boundary, with a full flush of deflate (RFC
1951). So the next part can use a new compressor in any process. Its only input is the numbers in `Archive`.
"""

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, cast
from xml.sax.saxutils import escape

from oms.core.money import to_text
from oms.core.settings import settings
from oms.exports import parts
from oms.exports.cells import CACHE_SIZE, MAX_CACHED_LENGTH
from oms.exports.parts import ByteBuffer, Cell, FileTooLargeError, Rows

# https://support.microsoft.com/en-us/office/excel-specifications-and-limits-1672b34d-7043-467e-8e27-269d656771c3
MAX_ROWS = 1_048_576
MAX_CHARACTERS = 32_767
# Archives and members are smaller than 4 GB, because some programs cannot open larger ones (ZIP64).
MAX_SHEET_BYTES = 2_000_000_000
MAX_BYTES = 4_000_000_000

_MONEY, _TIME, _DAY, _TEXT = 1, 2, 3, 4
_SHEET = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetViews><sheetView '
    'workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView>'
    '</sheetViews><cols><col min="1" max="{columns}" width="20" customWidth="1"/></cols><sheetData>'
)
_SHEET_END = b"</sheetData></worksheet>"
# Characters that XML forbids or changes, and texts that look like an escape of one (ECMA-376, 22.9.2.19).
_ESCAPED = re.compile(r"[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_UNESCAPED = f'<c s="{_TEXT}" t="inlineStr"><is><t xml:space="preserve">{{}}</t></is></c>'
# Day 0 of a spreadsheet, for all days from March 1900 on.
_EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
_ONE_DAY = timedelta(days=1)


class XlsxFile:
    has_end = True

    def __init__(self, report: str, columns: Sequence[str]) -> None:
        self._report, self._columns = report, columns

    def text(self, value: str, /) -> Cell:
        """Returns a text cell.

        Raises FileTooLargeError above a cell's maximum, which spreadsheets count in UTF-16 code units.
        """
        return _cached_text_cell(value) if len(value) <= MAX_CACHED_LENGTH else _text_cell(value)

    def own(self, value: str, /) -> Cell:
        return _UNESCAPED.format(value)

    def number(self, value: int, /) -> Cell:
        return f"<c><v>{value}</v></c>"

    def money(self, minor_units: int, /) -> Cell:
        return f'<c s="{_MONEY}"><v>{to_text(minor_units)}</v></c>'

    @staticmethod
    @lru_cache(maxsize=128)
    def time(timestamp: str, /) -> Cell:
        """Returns a time cell in UTC, like the timestamp, since spreadsheets have no time zones.

        The number has all digits, because LibreOffice truncates to seconds: slightly below 9:30:00, it would show
        9:29:59.
        """
        days = (datetime.fromisoformat(timestamp) - _EPOCH) / _ONE_DAY
        return f'<c s="{_TIME}"><v>{days!r}</v></c>'

    def day(self, date: str, /) -> Cell:
        return f'<c s="{_DAY}"><v>{(datetime.fromisoformat(date).replace(tzinfo=UTC) - _EPOCH).days}</v></c>'

    def part(self, *, first: bool, state: Any) -> "XlsxPart":
        archive = (
            Archive() if first else Archive(state["offset"], [ArchiveMember(**member) for member in state["members"]])
        )
        return XlsxPart(
            self._report, "".join(str(self.text(name)) for name in self._columns), len(self._columns), archive
        )


def _text_cell(value: str) -> str:
    if not value:
        return "<c/>"
    if len(value.encode("utf-16-le", "surrogatepass")) // 2 > MAX_CHARACTERS:
        raise FileTooLargeError
    return _UNESCAPED.format(escape(_ESCAPED.sub(lambda match: f"_x{ord(match[0]):04X}_", value)))


_cached_text_cell = lru_cache(maxsize=CACHE_SIZE)(_text_cell)


@dataclass
class ArchiveMember:
    """A file in the archive: its offset, and its sizes and checksum so far."""

    name: str
    offset: int
    crc: int = 0
    compressed: int = 0
    size: int = 0
    rows: int = 0


@dataclass
class Archive:
    """The written part of an archive. The last member is the current sheet."""

    offset: int = 0
    members: list[ArchiveMember] = field(default_factory=list)


class XlsxPart:
    def __init__(self, report: str, head: str, columns: int, archive: Archive) -> None:
        self._report, self._head, self._columns, self._archive = report, head, columns, archive
        self._pieces = ByteBuffer()
        self._compressor = _compressor()
        self.lines = 0
        if not archive.members:
            self._begin_sheet()

    @property
    def is_full(self) -> bool:
        return self._pieces.size >= parts.FULL_PART_BYTES

    def add(self, rows: Rows) -> None:
        sheet = self._archive.members[-1]
        if sheet.rows + len(rows) > MAX_ROWS or sheet.size > MAX_SHEET_BYTES:
            self._end_sheet()
            self._begin_sheet()
        self._write_rows(rows)
        self.lines += len(rows)

    def close(self, *, last: bool) -> tuple[bytes, dict[str, Any] | None]:
        if last:
            self._end_sheet()
            self._end_archive()
        else:
            self._put(self._compressor.flush(zlib.Z_FULL_FLUSH))
        if self._archive.offset > MAX_BYTES:
            raise FileTooLargeError
        return self._pieces.whole(), None if last else asdict(self._archive)

    def _begin_sheet(self) -> None:
        self._begin(f"xl/worksheets/sheet{len(self._archive.members) + 1}.xml")
        self._write(_SHEET.format(columns=self._columns).encode())
        self._write_rows([(self._head,)])

    def _end_sheet(self) -> None:
        self._write(_SHEET_END)
        self._end()

    def _write_rows(self, rows: Rows) -> None:
        texts = cast("Sequence[Sequence[str]]", rows)  # every cell of a workbook is XML
        self._write("".join([f"<row>{''.join(row)}</row>" for row in texts]).encode())
        self._archive.members[-1].rows += len(rows)

    def _end_archive(self) -> None:
        sheets = len(self._archive.members)
        for name, content in _metadata_files(self._report, sheets):
            self._begin(name)
            self._write(content.encode())
            self._end()
        start = self._archive.offset
        for member in self._archive.members:
            self._add(_directory_entry(member))
        count = len(self._archive.members)
        self._add(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, self._archive.offset - start, start, 0))

    # ---- members of the archive (APPNOTE.TXT, 4.3) --------------------------------------------------------------

    def _begin(self, name: str) -> None:
        self._archive.members.append(ArchiveMember(name, self._archive.offset))
        self._compressor = _compressor()
        self._add(struct.pack("<4s5H3L2H", b"PK\3\4", *_MEMBER_HEADER, 0, 0, 0, len(name), 0) + name.encode())

    def _write(self, content: bytes) -> None:
        member = self._archive.members[-1]
        member.crc, member.size = zlib.crc32(content, member.crc), member.size + len(content)
        self._put(self._compressor.compress(content))

    def _end(self) -> None:
        self._put(self._compressor.flush())
        member = self._archive.members[-1]
        self._add(struct.pack("<4s3L", b"PK\7\10", member.crc, member.compressed, member.size))

    def _put(self, compressed: bytes) -> None:
        self._archive.members[-1].compressed += len(compressed)
        self._add(compressed)

    def _add(self, piece: bytes) -> None:
        self._pieces.add(piece)
        self._archive.offset += len(piece)


# Version 2.0, sizes and checksum after the content, deflate, and 1980-01-01, the earliest time of the format.
_MEMBER_HEADER = (20, 8, 8, 0, 0x21)


def _compressor() -> Any:
    return zlib.compressobj(wbits=-zlib.MAX_WBITS)


def _directory_entry(member: ArchiveMember) -> bytes:
    """Returns a member's entry in the central directory."""
    sizes = (member.crc, member.compressed, member.size, len(member.name), 0, 0, 0, 0, 0, member.offset)
    return struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, *_MEMBER_HEADER, *sizes) + member.name.encode()


# ---- the other files of the archive ---------------------------------------------------------------------------------

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def _metadata_files(report: str, sheets: int) -> Iterator[tuple[str, str]]:
    numbers = range(1, sheets + 1)
    listed = "".join(
        f'<sheet name="{report}{f" {number}" if number > 1 else ""}" sheetId="{number}" r:id="rId{number}"/>'
        for number in numbers
    )
    yield "xl/workbook.xml", f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>'
    related = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        for number in numbers
    )
    related += f'<Relationship Id="rId{sheets + 1}" Type="{_OFFICE}/styles" Target="styles.xml"/>'
    yield "xl/_rels/workbook.xml.rels", _relationships(related)
    yield "xl/styles.xml", _styles()
    workbook = f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
    yield "_rels/.rels", _relationships(workbook)
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{number}.xml" ContentType="{_TYPE}.worksheet+xml"/>'
        for number in numbers
    )
    yield (
        "[Content_Types].xml",
        f'{_XML}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>{types}</Types>',
    )


def _relationships(content: str) -> str:
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{content}</Relationships>'


def _styles() -> str:
    """Returns the cell formats in the order of their numbers: general, money, time, day, text."""
    digits = settings().currency_digits
    money = f"0.{'0' * digits}" if digits else "0"
    codes = {164: money, 165: "yyyy\\-mm\\-dd\\ hh:mm:ss", 166: "yyyy\\-mm\\-dd"}
    formats = "".join(f'<numFmt numFmtId="{number}" formatCode="{code}"/>' for number, code in codes.items())
    cells = "".join(
        f'<xf numFmtId="{code}" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
        for code in (0, *codes, 49)
    )
    return (
        f'{_XML}<styleSheet xmlns="{_MAIN}"><numFmts count="{len(codes)}">{formats}</numFmts>'
        '<fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>'
        '<fills count="2"><fill><patternFill patternType="none"/></fill>'
        '<fill><patternFill patternType="gray125"/></fill></fills>'
        '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
        '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
        f'<cellXfs count="5">{cells}</cellXfs>'
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
    )
