"""The tables of attacks and faults: each row once, in order, with tests that exist and are named after it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| ([AF]\d+)[ ,].*\| ([^|]*) \|$", re.M)


@pytest.mark.parametrize(("page", "letter", "last"), [("attacks.md", "A", 39), ("faults.md", "F", 30)])
def test_each_row_is_there_once_in_order_and_names_files_with_tests_of_its_name(
    page: str, letter: str, last: int
) -> None:
    rows = ROW.findall((ROOT / "docs" / "develop" / page).read_text())

    assert [row for row, _ in rows] == [f"{letter}{number}" for number in range(1, last + 1)]
    for row, tests in rows:
        named = re.compile(rf"^ *(async )?def test_(\w+_)?{letter.lower()}{int(row[1:]):02}_", re.M)
        files = re.findall(r"`(tests/[\w/]+\.py)`", tests)
        assert files, f"{row} names no test"
        assert [file for file in files if not named.search((ROOT / file).read_text())] == [], row
