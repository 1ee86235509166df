"""The tables of attacks and faults name tests that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| ([AF]\d+) \|.*\| ([^|]*) \|$", re.M)


@pytest.mark.parametrize("page", ["attacks.md", "faults.md"])
def test_each_row_has_a_test_of_its_name_in_a_file_it_names(page: str) -> None:
    rows = ROW.findall((ROOT / "docs" / page).read_text())

    assert len(rows) > 9
    for row, tests in rows:
        named = re.compile(rf"def test_(\w+_)?{row[0].lower()}{int(row[1:]):02}_")
        files = re.findall(r"`(tests/[\w/]+\.py)`", tests)
        assert any(named.search((ROOT / file).read_text()) for file in files), row
