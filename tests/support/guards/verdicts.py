"""Whether the test of a guard fails once the guard is removed from a copy of the tree."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from tests.support.guards.guard import Guard

# A test with one of these errors has no verdict: removing the guard has broken the module.
BROKEN = (
    "AttributeError",
    "ImportError",
    "IndentationError",
    "ModuleNotFoundError",
    "NameError",
    "SyntaxError",
    "TypeError",
    "UnboundLocalError",
)


def failures(root: Path, tests: Sequence[str]) -> dict[str, str]:
    """Returns the first test that fails with its error's first line; nothing if all pass. Raises ValueError if they
    cannot run.
    """
    report = root / "guards-report.xml"
    report.unlink(missing_ok=True)
    options = ("-x", "-q", "-p", "no:cacheprovider", f"--junitxml={report}")
    # Without bytecode: a file that changes twice in a second and keeps its size would be run from the older bytecode.
    environment = os.environ | {"HYPOTHESIS_PROFILE": "quick", "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests], cwd=root, env=environment, capture_output=True, text=True
    )
    found = {}
    for case in ElementTree.parse(report).iter("testcase") if report.exists() else ():  # noqa: S314 - pytest's own
        if (failure := case.find("failure")) is not None:
            found[case.get("name", "")] = failure.get("message", "").split("\n")[0]
    if ended.returncode not in (0, 1) or (ended.returncode == 1) != bool(found):
        raise ValueError(f"pytest ends with {ended.returncode}:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    return found


def verdict(root: Path, guard: Guard) -> tuple[bool, str]:
    """Returns whether the guard's test fails without it, and the text for the report."""
    try:
        with guard.removed_from(root):
            found = failures(root, [guard.test])
    except ValueError as error:
        return False, str(error)
    for name, why in found.items():
        if why.startswith(BROKEN):
            return False, f"the replacement breaks the code: {why}"
        return True, name
    return False, f"{guard.test} passes"
