"""The formats of exports: their names, file extensions, media types and writers."""

from oms.exports.columns import COLUMNS
from oms.exports.csv_file import CsvFile
from oms.exports.models import Export
from oms.exports.parts import File
from oms.exports.xlsx_file import XlsxFile

CSV, XLSX = "csv", "xlsx"


def file_of(export: Export) -> File:
    columns = COLUMNS[export.report].chosen(export.columns)
    if export.format == XLSX:
        return XlsxFile(export.report, columns)
    return CsvFile(columns, gzip=export.gzip, bom=bool(export.bom))


def extension_of(export: Export) -> str:
    if export.format == XLSX:
        return "xlsx"
    return "csv.gz" if export.gzip else "csv"


def media_type_of(export: Export) -> str:
    if export.format == XLSX:
        return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return "application/gzip" if export.gzip else "text/csv; charset=utf-8; header=present"
