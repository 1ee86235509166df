"""Parts of an export's file, in their true size."""

import gzip
import random

import pytest

from oms.exports.parts import PartOfFile

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
LEAST_OF_S3 = 5 * 1024 * 1024


@pytest.mark.parametrize("compressed", [False, True])
def test_a_full_part_is_as_large_as_s3_wants_the_parts_before_the_last(compressed: bool) -> None:
    draw = random.Random(1)
    made, part = [], PartOfFile(gzip=compressed)

    while not part.is_full:
        made.append(draw.randbytes(50_000).hex().encode())
        part.add(made[-1], 1)

    content = part.close()
    assert len(content) >= LEAST_OF_S3
    assert part.lines == len(made)
    assert (gzip.decompress(content) if compressed else content) == b"".join(made)
