"""The emulated AWS: one ministack server on loopback, with its own process group and folder."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

from local.access import Access
from local.errors import LocalCloudError

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 30.0
STOP_SECONDS = 5.0
# The emulator would wait for its workers and connections; it has no data that must be kept.
CLOUD_STOP_SECONDS = 1.0


class Cloud:
    """The emulator, which runs while its context is open. Its workers are in its process group, and their files in
    `folder`.

    It is ready after `wait_until_healthy`. The caller can do other work before that.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.access = Access(f"http://127.0.0.1:{self._port}", secrets.token_hex(20))
        self.endpoint_url = self.access.endpoint_url

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "local.emulator"],
                env=self._environment(),
                cwd=self._folder,
                # The emulator ends when this process ends, because the pipe closes then. Nothing is written to it.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def client(self, service: str) -> Any:
        return self.access.client(service)

    def child_environment(self) -> dict[str, str]:
        """Returns the environment of processes that call this cloud.

        It has no AWS settings of the developer, and temporary files are in the system's folder.
        """
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL") if name in os.environ}
        return kept | self.access.environment() | {"TMPDIR": str(self._folder)}

    def ended(self, within: float = 0) -> str | None:
        """Returns a sentence that says why the emulator ended unexpectedly; None if it runs after `within` seconds."""
        if self._process is None:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(within)
        if (code := self._process.returncode) is None:
            return None
        cause = f"exit code {code}" if code >= 0 else f"signal {-code}, {signal.Signals(-code).name}"
        if code == -signal.SIGKILL:
            cause += ": out of memory?"
        return f"The local cloud ended unexpectedly ({cause}). Start it again with `make up`."

    def stop(self) -> None:
        """Ends the whole process group, with SIGKILL if SIGTERM has no effect."""
        if self._process is not None:
            end_group(self._process, CLOUD_STOP_SECONDS)
            if self._process.stdin:
                self._process.stdin.close()
            self._process = None

    @property
    def _log(self) -> Path:
        return self._folder / "ministack.log"

    def _environment(self) -> dict[str, str]:
        environment = self.child_environment()
        # Lambda workers inherit this environment, and set the variable to the gateway.
        del environment["AWS_ENDPOINT_URL"]
        return environment | {
            "PYTHONPATH": str(ROOT),
            # By default, the emulator would store keys and objects of buckets outside TMPDIR.
            "STATE_DIR": str(self._folder / "state"),
            "S3_DATA_DIR": str(self._folder / "objects"),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self._port),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LAMBDA_EXECUTOR": "local",
            # The emulator checks signatures and each caller's policies.
            "AUTH": "true",
            "LOG_LEVEL": "WARNING",
        }

    def wait_until_healthy(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self._process and self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                self.access.read("/_ministack/health")
                return
            time.sleep(0.05)
        tail = self._log.read_text(errors="replace").strip().splitlines()[-5:]
        failure = self.ended() or "The local cloud did not start."
        raise LocalCloudError(f"{failure} The end of its log:\n  " + "\n  ".join(tail))


def end_group(process: subprocess.Popen[Any], seconds: float = STOP_SECONDS) -> None:
    """Sends SIGTERM to the process group that `process` leads, then SIGKILL to its remaining processes."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    # Children of the leader may still run after it has ended.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run(command: list[str], environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command in a new process group. If the call is interrupted, it ends the whole group."""
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate()
    except BaseException:
        end_group(process)
        raise
    return subprocess.CompletedProcess(command, process.returncode, output)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
