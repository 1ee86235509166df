"""The emulator's process: the files that it may write, its end, and the messages about its end."""

import re
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from local import cloud
from local.cloud import Cloud


class Starting(Cloud):
    """Starts another process in place of the emulator."""

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
def test_the_end_of_the_emulator_is_reported_with_its_cause(tmp_path: Path, code: str, cause: str) -> None:
    ended = Starting(tmp_path, code).ended(within=30)

    assert ended == f"The local cloud ended unexpectedly ({cause}). Start it again with `make up`."


def test_while_it_runs_and_once_it_was_stopped_there_is_nothing_to_report(tmp_path: Path) -> None:
    running = Starting(tmp_path, "import time; time.sleep(60)")
    assert running.ended() is None

    running.stop()

    assert running.ended() is None


def test_no_path_of_the_emulator_is_left_outside_its_folder(tmp_path: Path) -> None:
    spec = find_spec("ministack")
    assert spec
    assert spec.submodule_search_locations
    (package,) = spec.submodule_search_locations
    sources = [it.read_text() for it in Path(package).rglob("*.py")]
    paths = {it for text in sources for it in re.findall(r"""environ\.get\(["'](\w+)["'], *["']/tmp""", text)}

    environment = Cloud(tmp_path)._environment()

    assert {"STATE_DIR", "TMPDIR"} <= paths
    outside = {it for it in paths if not Path(environment.get(it, "/")).is_relative_to(tmp_path)}
    assert outside == set()


def test_the_emulator_ends_with_its_parent_and_takes_its_workers_along() -> None:
    code = (
        "import subprocess, sys, time; from local.emulator.parent import end_with_parent; end_with_parent();"
        "worker = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print(worker.pid, flush=True); time.sleep(60)"
    )
    emulator = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=cloud.ROOT,
        start_new_session=True,
    )
    assert emulator.stdin
    assert emulator.stdout
    assert emulator.stdout.readline()
    assert emulator.poll() is None

    # As the kernel does when the parent is killed.
    emulator.stdin.close()

    assert emulator.wait(30) == -signal.SIGKILL
    # The worker had the other end of stdout, too: it is closed when both have ended.
    assert emulator.stdout.read() == b""
    emulator.stdout.close()
