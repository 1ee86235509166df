"""Faults of the local cloud: workers that are killed or stopped for a while, repeated events, a subscriber that fails.

They meet only processes and files of the soak's own system.
"""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

from local.system import LocalSystem
from tests.support.local_cloud.commands import run_command
from tests.support.soak.requests import Known

_PAUSES_SECONDS = (1.0, 4.0)
_STOP_SECONDS = (0.3, 2.0)
_LOOKS = 100
# A request that began shortly before a fault, or shortly after it, may have met it.
_NEAR_SECONDS = 2.0


class Faults:
    """Injects a fault every few seconds. `counts` has the number of each kind."""

    def __init__(self, system: LocalSystem, known: Known, subscriber: Any, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self._system, self._known, self._subscriber = system, known, subscriber
        self._chance = random.Random(seed)
        self._kills: list[float] = []

    def run(self, stop: Event) -> None:
        while not stop.wait(self._chance.uniform(*_PAUSES_SECONDS)):
            kind = self._chance.choices(("kill", "stop", "repeat", "fail"), (4, 3, 1, 2))[0]
            getattr(self, f"_{kind}")(stop)
            self.counts[kind] += 1
        self._subscriber.failing = False

    def explains(self, began: float, ended: float) -> bool:
        """Whether a request of this time may have lost its worker."""
        return any(began - _NEAR_SECONDS < at < ended + _NEAR_SECONDS for at in list(self._kills))

    def _kill(self, _: Event) -> None:
        """Kills a worker, if possible a running one."""
        if (process := self._busy_worker() or self._any_worker()) is not None:
            self._kills.append(time.monotonic())
            _signal(process, signal.SIGKILL)

    def _stop(self, _: Event) -> None:
        """Stops a worker for a while, as a slow machine or a slow call does."""
        if (process := self._any_worker()) is None:
            return
        _signal(process, signal.SIGSTOP)
        try:
            time.sleep(self._chance.uniform(*_STOP_SECONDS))
        finally:
            _signal(process, signal.SIGCONT)

    def _repeat(self, _: Event) -> None:
        """Publishes the events of an order again, as at-least-once delivery may."""
        if order := self._known.any("order", self._chance):
            result = run_command(self._system, "local.republish", "--order", str(order))
            self.counts["repeat failed"] += result.returncode != 0

    def _fail(self, stop: Event) -> None:
        self._subscriber.failing = True
        stop.wait(self._chance.uniform(*_STOP_SECONDS))
        self._subscriber.failing = False

    def _busy_worker(self) -> int | None:
        for _ in range(_LOOKS):
            for process in workers(self._system):
                with contextlib.suppress(OSError):
                    if _state(process) == "R":
                        return process
            time.sleep(0.005)
        return None

    def _any_worker(self) -> int | None:
        found = list(workers(self._system))
        return self._chance.choice(found) if found else None


def _state(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def _signal(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
        os.kill(process, number)


def workers(system: LocalSystem) -> Iterator[int]:
    """Returns the process ids of the system's workers: each has a working folder in that of the system."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            folder = (process / "cwd").readlink()
        except OSError:
            continue  # gone meanwhile, or another user's
        if folder.is_relative_to(system.folder) and folder.name == "code":
            yield int(process.name)
