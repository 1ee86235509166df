"""The protocol between `make bench` and its workers: one JSON line for each block of requests.

A worker measures the CPU time of each block, so that the variants can take turns within one run. It needs the standard
library alone, since the workers of the Flask baseline run with other packages.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from typing import IO, Any

from benchmarks.attribution import Sampler

type Prepare = Callable[[int], Sequence[Callable[[], None]]]
"""Returns that number of requests, ready to be sent. Each raises AssertionError if the answer is not the expected one.

The time of the preparation is not measured."""


@dataclass(frozen=True)
class Block:
    """The CPU time of one block in milliseconds for each request: the worker's, and that of its database server.

    `samples` are those of each part, if the block was sampled. `elapsed` is the time on the clock, also in milliseconds
    for each request.
    """

    worker: float
    server: float
    samples: dict[str, int] = field(default_factory=dict)
    elapsed: float = 0.0

    @property
    def total(self) -> float:
        return self.worker + self.server


def cpu_of(pid: int) -> float:
    """Returns the seconds of CPU that another process has used, user and system, in nanosecond resolution.

    Linux: the process's CPU clock, whose id is made of the process id (clock_getcpuclockid).
    """
    return time.clock_gettime((~pid << 3) | 2)


def protocol() -> IO[str]:
    """Returns the pipe to the parent, and redirects standard output, where logs and metrics go, to a null device."""
    pipe = os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    return pipe


def serve(pipe: IO[str], operations: Mapping[str, Prepare], server_cpu: Callable[[], float] = lambda: 0.0) -> None:
    """Measures the requested blocks, until standard input ends. `server_cpu` returns seconds of the server's CPU."""
    print(json.dumps({"ready": list(operations)}), file=pipe, flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        requests = operations[wanted["operation"]](wanted["requests"])
        sampler = Sampler()
        with sampler.running() if wanted["sampled"] else nullcontext():
            begun, server, worker = time.perf_counter(), server_cpu(), time.process_time()
            for request in requests:
                request()
            worker, server = time.process_time() - worker, server_cpu() - server
            elapsed = time.perf_counter() - begun
        each = 1000 / len(requests)
        block = Block(worker * each, server * each, dict(sampler.samples), elapsed * each)
        print(json.dumps(asdict(block)), file=pipe, flush=True)


class Worker:
    """A worker process. `operations` are those that it offers."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self._process = subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.operations: list[str] = self._answer()["ready"]

    def block(self, operation: str, requests: int, *, sampled: bool = False) -> Block:
        assert self._process.stdin
        wanted = {"operation": operation, "requests": requests, "sampled": sampled}
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        return Block(**self._answer())

    def stop(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(timeout=30)

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"The worker of {self.name} ended with code {self._process.wait()}.")
        return json.loads(line)
