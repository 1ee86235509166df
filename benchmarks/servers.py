"""Servers of the benchmarks, each in a process of its own."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

ROOT = Path(__file__).parents[1]


@contextmanager
def server(module: str, *options: str) -> Iterator[int]:
    """Runs a module that prints its port as its first line. Yields the port."""
    process = Popen([sys.executable, "-m", module, *options], cwd=ROOT, stdin=DEVNULL, stdout=PIPE, text=True)
    assert process.stdout
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate()
