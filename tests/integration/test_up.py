"""`make up` when it cannot start: it prints one sentence, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.local_cloud.shop import WAIT_SECONDS, wait_until

pytestmark = pytest.mark.full

ROOT = Path(__file__).resolve().parents[2]


def start(folder: Path, port: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "local.up"],
        cwd=ROOT,
        env={**os.environ, "PORT": port, "TMPDIR": str(folder), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def processes_with(folder: Path) -> list[str]:
    """Returns the ids of the processes whose temporary folder is in `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
        except OSError:
            continue  # gone meanwhile, or another user's
        if f"TMPDIR={folder}".encode() in environment:
            found.append(process.name)
    return found


def has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("family", "address"),
    [
        (socket.AF_INET, "127.0.0.1"),
        pytest.param(
            socket.AF_INET6,
            "::1",
            marks=pytest.mark.skipif(not has_ipv6_loopback(), reason="this machine has no IPv6 loopback address"),
        ),
    ],
)
def test_a_taken_port_is_reported_at_once_with_the_way_out(
    tmp_path: Path, family: socket.AddressFamily, address: str
) -> None:
    with socket.socket(family) as taken:
        taken.bind((address, 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start(tmp_path, str(port))
        _, error = process.communicate(timeout=WAIT_SECONDS)

    assert process.returncode == 1
    assert error.strip().splitlines() == [
        f"Port {port} cannot be used (Address already in use): choose another with `make up PORT={port + 1}`."
    ]


def test_a_port_that_is_not_a_number_is_reported(tmp_path: Path) -> None:
    process = start(tmp_path, "http")
    _, error = process.communicate(timeout=WAIT_SECONDS)

    assert process.returncode == 1
    assert error.strip() == "PORT=http is not a port: use a number from 1 to 65535."


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped_while_starting_it_leaves_no_process_and_no_folder(tmp_path: Path, number: signal.Signals) -> None:
    # A variable of CDK that is new to the synthesis, so that no kept assembly is used.
    process = start(tmp_path, str(free_port()), CDK_RUN=uuid4().hex)
    # `make up`, the local cloud, and the synthesis with its JavaScript process.
    wait_until(
        lambda: (len(processes_with(tmp_path)), process.poll()), lambda it: it[0] >= 4 or it[1] is not None, pause=0.05
    )
    assert process.poll() is None

    os.killpg(process.pid, number)
    rest, error = process.communicate(timeout=WAIT_SECONDS)

    assert (process.returncode, error) == (0, "")
    assert rest.strip().endswith("Stopped. All processes and files of the system are removed.")
    assert list(tmp_path.iterdir()) == []
    assert processes_with(tmp_path) == []


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("when", ["while it starts", pytest.param("once it is ready", marks=pytest.mark.full)])
def test_an_emulator_that_is_killed_is_reported_and_nothing_is_left_behind(tmp_path: Path, when: str) -> None:
    process = start(tmp_path, str(free_port()))
    assert process.stdout
    if when == "once it is ready":
        assert any("Requests:" in line for line in process.stdout)
    emulator, *_ = wait_until(
        lambda: [it for it in processes_with(tmp_path) if "local.emulator" in command_of(it)], bool, pause=0.05
    )

    os.kill(int(emulator), signal.SIGKILL)
    _, error = process.communicate(timeout=WAIT_SECONDS)

    assert process.returncode == 1
    assert (
        error.strip()
        .splitlines()[0]
        .startswith("The local cloud ended unexpectedly (signal 9, SIGKILL: out of memory?).")
    )
    assert list(tmp_path.iterdir()) == []
    assert processes_with(tmp_path) == []


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
def test_killed_itself_it_leaves_no_emulator(tmp_path: Path) -> None:
    process = start(tmp_path, str(free_port()))
    wait_until(lambda: [it for it in processes_with(tmp_path) if "local.emulator" in command_of(it)], bool, pause=0.05)

    process.kill()
    process.communicate(timeout=WAIT_SECONDS)

    left = wait_until(
        lambda: [it for it in processes_with(tmp_path) if "local.emulator" in command_of(it)],
        lambda it: not it,
        pause=0.05,
    )
    assert left == []


def command_of(process: str) -> str:
    try:
        return (Path("/proc") / process / "cmdline").read_text()
    except OSError:
        return ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
