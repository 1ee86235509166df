"""Runs a mode of the tests, as `make test` does, and prints a line for each phase, with its time.

`quick` is the short run for newcomers. `all` runs every test once, in-process ones under coverage. `rest` is the part
of `all` that `quick` leaves out: CI runs `quick`, the README's command, and then `rest`. `random` runs those in process
with random examples that no run had before. Each phase runs, also after one that failed; the exit code is 1 if one of
them failed.
"""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
TWO_WORKERS = ("--numprocesses=2", "--dist=worksteal")
IN_PROCESS = ("--quiet", "--ignore=tests/integration", "--ignore=tests/console", *TWO_WORKERS)
# Where the processes of the suites write which AWS calls the functions made: see tests/support/recorder.py.
RECORDED = ROOT / "build/recorded-calls"
COVERAGE = ("--cov", "--cov-report=term", "--cov-fail-under=95")
NOT_RUN = (
    "Not run: the tests marked `full` (large lists, long walks of crashes, most of the local cloud's), Hypothesis at"
    " full depth, and coverage; nor those of the back office in a browser.\n`make test-all` and `make test-console` run"
    " them; `make lint`, `make lint-console` and `make types` check the code."
)


@dataclass(frozen=True)
class Phase:
    """One run of pytest, or of another module. `profile` is Hypothesis' profile, defined in tests/conftest.py.

    `records`: the AWS calls of the functions are recorded.
    """

    title: str
    arguments: tuple[str, ...]
    profile: str = "full"
    module: str = "pytest"
    records: bool = False

    def run(self) -> tuple[bool, float]:
        """Runs the phase; returns whether it passed, and its seconds."""
        print(f"\n== {self.title}", flush=True)
        started = time.monotonic()
        environment = os.environ | {"HYPOTHESIS_PROFILE": self.profile}
        if self.records:
            shutil.rmtree(RECORDED, ignore_errors=True)
            environment["RECORD_PRIVILEGES"] = str(RECORDED)
        passed = subprocess.run(
            [sys.executable, "-m", self.module, *self.arguments], cwd=ROOT, env=environment
        ).returncode
        return passed == 0, time.monotonic() - started


QUICK = (
    Phase("Rules, routes, faults, attacks and the template, in process", (*IN_PROCESS, "-m", "not full"), "quick"),
    Phase("The order path on the local cloud", ("--quiet", "tests/integration", "-m", "not full")),
)
COVERED = Phase("All tests in process, at full depth and under coverage", (*IN_PROCESS, *COVERAGE), records=True)
PRIVILEGES = Phase(
    "The permissions of the functions, compared with their calls", (str(RECORDED),), module="tests.support.privileges"
)
MODES = {
    "quick": QUICK,
    "rest": (
        COVERED,
        PRIVILEGES,
        Phase("The other tests on the local cloud", ("--quiet", "tests/integration", "-m", "full")),
    ),
    "random": (Phase("All tests in process, with new random examples", IN_PROCESS, "random"),),
    "all": (COVERED, PRIVILEGES, Phase("All tests on the local cloud", ("--quiet", "tests/integration"))),
}


def main(mode: str) -> int:
    results = [(phase.title, *phase.run()) for phase in MODES[mode]]
    print()
    for title, passed, seconds in results:
        print(f"{'passed' if passed else 'FAILED'}  {minutes(seconds):>12}  {title}")
    print(f"{'':6}  {minutes(sum(seconds for *_, seconds in results)):>12}  in total")
    if mode == "quick":
        print(NOT_RUN)
    return 0 if all(passed for _, passed, _ in results) else 1


def minutes(seconds: float) -> str:
    return f"{int(seconds) // 60} min {int(seconds) % 60:02} s"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
