"""How the end of the emulator is told: by `make up`, by its front door, by the tools beside it."""

import subprocess
import sys
from pathlib import Path

import pytest

from local import cloud
from local.cloud import Cloud


class Starting(Cloud):
    """Starts a process of its own in the place of the emulator."""

    def __init__(self, folder: Path, code: str) -> None:
        super().__init__(folder)
        self._process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)


@pytest.fixture(autouse=True)
def _without_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud, "free_port", lambda: 5099)


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("import os; os.kill(os.getpid(), 9)", "signal 9, SIGKILL: out of memory?"),
        ("import os; os.kill(os.getpid(), 11)", "signal 11, SIGSEGV"),
        ("raise SystemExit(3)", "exit code 3"),
    ],
)
def test_the_end_of_the_emulator_is_told_with_its_cause(tmp_path: Path, code: str, cause: str) -> None:
    ended = Starting(tmp_path, code).ended(within=30)

    assert ended == f"The local cloud has ended ({cause}). Start it again with `make up`."


def test_while_it_runs_and_once_it_was_stopped_there_is_nothing_to_tell(tmp_path: Path) -> None:
    running = Starting(tmp_path, "import time; time.sleep(60)")
    assert running.ended() is None

    running.stop()

    assert running.ended() is None
