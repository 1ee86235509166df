"""The list of guards: each is in its file, each row has one, and docs/develop/guards.md lists the same."""

import re
from pathlib import Path

import pytest

from tests.support.guards import verdicts
from tests.support.guards.all_guards import GUARDS, page
from tests.support.guards.guard import ROOT, Guard


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: f"{guard.row} {guard.removed}")
def test_a_guard_is_in_its_file_once_and_its_test_exists(guard: Guard) -> None:
    file, _, name = guard.test.partition("::")

    assert (ROOT / guard.file).read_text().count(guard.text) == 1
    assert guard.replacement != guard.text
    assert re.search(rf"^ *def {name}\(", (ROOT / file).read_text(), re.M)


def test_each_row_has_a_guard_and_each_guard_is_named_once() -> None:
    rows = [f"A{number}" for number in range(1, 40)] + [f"F{number}" for number in range(1, 31)]

    assert list(dict.fromkeys(guard.row for guard in GUARDS)) == rows
    assert len({(guard.row, guard.removed) for guard in GUARDS}) == len(GUARDS)


def test_the_page_lists_the_same_guards() -> None:
    assert (ROOT / "docs/develop/guards.md").read_text() == page(), "make guards writes it"


def test_a_guard_is_removed_from_a_copy_and_put_back(tmp_path: Path) -> None:
    path = tmp_path / "Makefile"
    path.write_text("PORT ?= 5000\n")
    guard = Guard("A1", "the port", "Makefile", "5000", "5001", "tests/unit/test_guards.py")

    with guard.removed_from(tmp_path):
        assert path.read_text() == "PORT ?= 5001\n"
        with pytest.raises(ValueError, match="0 times"), guard.removed_from(tmp_path):
            pass
    assert path.read_text() == "PORT ?= 5000\n"


@pytest.mark.parametrize("error", ["AttributeError", "TypeError", "NameError", "ImportError"])
def test_a_replacement_that_breaks_the_code_is_not_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    (tmp_path / "Makefile").write_text("PORT ?= 5000\n")
    guard = Guard("A1", "the port", "Makefile", "5000", "5001", "tests/unit/test_guards.py")
    monkeypatch.setattr(verdicts, "failures", lambda *_: {"test_it": f"{error}: 'x'"})

    assert verdicts.verdict(tmp_path, guard) == (False, f"the replacement breaks the code: {error}: 'x'")
