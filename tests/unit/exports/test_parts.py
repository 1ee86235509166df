"""Parts of an export's file, in their real size."""

import gzip
import io
import random
import zipfile

import pytest

from oms.exports.csv_file import CsvPart
from oms.exports.xlsx_file import XlsxFile

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
LEAST_OF_S3 = 5 * 1024 * 1024


@pytest.mark.parametrize("compressed", [False, True])
def test_a_full_part_is_as_large_as_s3_wants_the_parts_before_the_last(compressed: bool) -> None:
    draw = random.Random(1)
    made, part = [], CsvPart(gzip=compressed)

    while not part.is_full:
        made.append(draw.randbytes(50_000).hex())
        part.add([[made[-1]]])

    content, _ = part.close(last=False)
    assert len(content) >= LEAST_OF_S3
    assert part.lines == len(made)
    assert (gzip.decompress(content) if compressed else content).decode().split() == made


def test_so_is_a_full_part_of_a_workbook_and_its_parts_make_one_archive() -> None:
    draw, file = random.Random(1), XlsxFile("orders", ["text"])
    contents, made, state = [], [], None
    for number in range(3):
        part = file.part(first=number == 0, state=state)
        while not part.is_full and number < 2:
            made.append(draw.randbytes(10_000).hex())
            part.add([[file.text(made[-1])]])
        content, state = part.close(last=number == 2)
        contents.append(content)

    assert min(map(len, contents[:-1])) >= LEAST_OF_S3
    with zipfile.ZipFile(io.BytesIO(b"".join(contents))) as archive:
        assert archive.testzip() is None
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert all(it in sheet for it in made)
