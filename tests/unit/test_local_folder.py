"""A system's folder goes with it; what a killed one has left, the next one clears away."""

import subprocess
import sys
from pathlib import Path

import pytest

from local import folder
from local.folder import own_folder


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(folder, "MAKING", 0)
    return tmp_path


KILLED = """
import os, signal
from local.folder import own_folder

with own_folder() as folder:
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def left_by_a_killed_system() -> Path:
    ended = subprocess.run([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True, check=False)
    left = Path(ended.stdout.strip())
    assert left.is_dir()
    return left


def test_it_is_gone_with_its_system(temporary: Path) -> None:
    with own_folder() as own:
        (own / "cdk.out").mkdir()
        assert own.parent == temporary

    assert not own.exists()


def test_what_a_killed_system_has_left_is_cleared_away_by_the_next(temporary: Path) -> None:
    left = left_by_a_killed_system()
    (left / "layer").write_text("90 MB")

    with own_folder() as own:
        assert list(temporary.iterdir()) == [own]


def test_one_in_use_stays() -> None:
    with own_folder() as first, own_folder() as second:
        assert first.exists()
        assert second.exists()


def test_one_that_is_just_being_made_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "MAKING", 60)
    left = left_by_a_killed_system()

    with own_folder():
        assert left.exists()


def test_what_is_not_a_system_s_stays(temporary: Path) -> None:
    (temporary / "photos").mkdir(mode=0o500)
    (temporary / f"{folder.PREFIX}file").write_text("a file")

    with own_folder() as own:
        assert {it.name for it in temporary.iterdir()} == {"photos", f"{folder.PREFIX}file", own.name}
