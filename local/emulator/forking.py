"""Processes that are forked from a zygote. They have the part of `subprocess.Popen` that the emulator uses."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path

ZYGOTE = Path(__file__).with_name("zygote.py")
# An ended worker has this exit code, because only its parent, the zygote, can read the real one.
ENDED = -1


class Worker:
    """A forked process with pipes at its stdin, stdout and stderr."""

    def __init__(self, pid: int, descriptor: int, stdin: int, stdout: int, stderr: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._descriptor = descriptor
        self._exit = select.poll()
        self._exit.register(descriptor, select.POLLIN)
        weakref.finalize(self, os.close, descriptor)
        self.stdin = os.fdopen(stdin, "w", buffering=1)
        self.stdout = os.fdopen(stdout)
        self.stderr = os.fdopen(stderr)

    def poll(self) -> int | None:
        return self._ended_within(0)

    def wait(self, timeout: float | None = None) -> int:
        if (code := self._ended_within(timeout)) is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _ended_within(self, seconds: float | None) -> int | None:
        if self.returncode is None and self._exit.poll(None if seconds is None else seconds * 1000):
            self.returncode = ENDED
        return self.returncode

    def _send(self, number: signal.Signals) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._descriptor, number)


class Zygote:
    """The process from which workers are forked. It starts with the first worker, and ends with this process."""

    def __init__(self, folders: Sequence[str], services: Sequence[str]) -> None:
        """Prepares the zygote. `folders` are first in the module path; `services` are the AWS services of its prepared
        clients.
        """
        self._arguments = [",".join(services), *folders]
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None

    def fork(self, script: str, cwd: str, environment: Mapping[str, str]) -> Worker:
        """Runs a script as the main module of a new process."""
        order = json.dumps({"script": script, "cwd": cwd, "environment": dict(environment)}).encode()
        (theirs_in, stdin), (stdout, theirs_out), (stderr, theirs_err) = os.pipe(), os.pipe(), os.pipe()
        theirs, ours = [theirs_in, theirs_out, theirs_err], [stdin, stdout, stderr]
        try:
            pid, process = self._ask(order, theirs)
        except BaseException:
            for descriptor in ours:
                os.close(descriptor)
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        return Worker(pid, process, stdin, stdout, stderr)

    def _ask(self, order: bytes, descriptors: list[int]) -> tuple[int, int]:
        with self._lock:
            if self._connection is None:
                self._connection = self._start()
            try:
                socket.send_fds(self._connection, [order], descriptors)
                answer, (process,), _, _ = socket.recv_fds(self._connection, 100, 1)
            except (OSError, ValueError) as error:
                # The next call starts the zygote again.
                self._connection.close()
                self._connection = None
                if self._process is not None:
                    self._process.kill()
                    self._process.wait()
                raise RuntimeError("The zygote, from which workers are forked, has ended; retry the call") from error
        return int(answer), process

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, str(ZYGOTE), str(theirs.fileno()), *self._arguments]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        ours.recv(100)
        return ours
