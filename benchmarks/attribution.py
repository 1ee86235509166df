"""The parts of a request's CPU time, by a profile: each sample of the stack belongs to one part.

The kernel sends SIGPROF after each tick of CPU time of the process, so waiting counts nothing. A sample belongs to the
innermost frame whose file is in `PARTS`. Files of the standard library are not in it, so what they do belongs to their
caller, except `json`: it is a part of its own where the project or its validation calls it.
"""

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import FrameType

CLIENT, ITEMS, VALIDATION, TOKEN, LOGS, JSON, OWN = (
    "AWS client",
    "items",
    "routing, validation",
    "token",
    "logs, metrics",
    "JSON",
    "own code",
)
OTHER = "other"
# By the beginning of a path below a folder of packages; the first that matches decides.
PARTS = {
    "botocore/": CLIENT,
    "boto3/": CLIENT,
    "urllib3/": CLIENT,
    "oms/core/aws_json/": CLIENT,
    "pynamodb/": ITEMS,
    "jwt/": TOKEN,
    "cryptography/": TOKEN,
    "oms/identity/tokens.py": TOKEN,
    "oms/identity/keyring.py": TOKEN,
    "pydantic/": VALIDATION,
    "pydantic_core/": VALIDATION,
    "aws_lambda_powertools/event_handler/": VALIDATION,
    "aws_lambda_powertools/logging/": LOGS,
    "aws_lambda_powertools/metrics/": LOGS,
    "aws_lambda_powertools/tracing/": LOGS,
    "aws_xray_sdk/": LOGS,
    "aws_lambda_powertools/": VALIDATION,
    "oms/": OWN,
    **{f"{package}/": OWN for package in ("auth", "inventory", "orders")},
}
PARTS_IN_ORDER = (CLIENT, ITEMS, VALIDATION, TOKEN, OWN, JSON, LOGS, OTHER)
# Their own use of JSON is a part of their work.
_KEEP_JSON = (CLIENT, LOGS)
_TICK_SECONDS = 0.001
_FOLDERS = ("site-packages/", "layers/shared/python/", "functions/", "/python/")


@cache
def part_of(file: str) -> str | None:
    """Returns the part to which a source file belongs, JSON for the standard library's, or None."""
    if "/json/" in file and "site-packages" not in file:
        return JSON
    for folder in _FOLDERS:
        _, found, path = file.rpartition(folder)
        if found:
            return next((part for beginning, part in PARTS.items() if path.startswith(beginning)), None)
    return None


def part_of_stack(files: Iterator[str]) -> str:
    """Returns the part of a stack of source files, innermost first."""
    in_json = False
    for file in files:
        part = part_of(file)
        if part == JSON:
            in_json = True
        elif part is not None:
            return JSON if in_json and part not in _KEEP_JSON else part
    return OTHER


def _files(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        yield frame.f_code.co_filename
        frame = frame.f_back


class Sampler:
    """Counts the samples of each part while it is running."""

    def __init__(self) -> None:
        self.samples: Counter[str] = Counter()

    @contextmanager
    def running(self) -> Iterator[None]:
        before = signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, _TICK_SECONDS, _TICK_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)

    def _sample(self, _signal: int, frame: FrameType | None) -> None:
        self.samples[part_of_stack(_files(frame))] += 1
