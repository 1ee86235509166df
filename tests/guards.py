"""Removes one guard after the other and demands that its test fails: `python -m tests.guards [ROW]`, `make guards`.

It works on a copy of the tree. Exit code 1 if the tests fail with all guards in place, or pass without one.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from tests.support.guards import catalogue
from tests.support.guards.guard import ROOT, Guard

# These are installed or built, not part of the tree.
LINKED = (".venv", "node_modules", "build")
# A test that ends like this has not judged anything: the guard was removed in a way that breaks the module.
BROKEN = ("NameError", "ImportError", "ModuleNotFoundError", "SyntaxError", "IndentationError", "UnboundLocalError")


def copy_tree(to: Path) -> None:
    """Copies what git tracks, and new files that it does not ignore, as they are in the folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, to / name
        if source.is_file() and name not in LINKED:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    for name in LINKED:
        if (ROOT / name).exists():
            (to / name).symlink_to((ROOT / name).resolve())


def failures(root: Path, tests: Sequence[str]) -> dict[str, str]:
    """The first test that fails, and its error's first line; none if all pass. ValueError if they cannot be run."""
    report = root / "guards-report.xml"
    report.unlink(missing_ok=True)
    options = ("-x", "-q", "-p", "no:cacheprovider", f"--junitxml={report}")
    # Without bytecode: a file that is changed twice in a second and keeps its size would be taken for the older one.
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
    """Whether the guard's test fails without it, and what to say of it."""
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


def main(row: str) -> int:
    guards = catalogue.of_row(row)
    if not guards:
        print(f"There is no row {row!r}: docs/develop/guards.md lists the guards of each row.")
        return 1
    with tempfile.TemporaryDirectory(prefix="oms-guards-") as folder:
        root = Path(folder)
        copy_tree(root)
        if found := failures(root, sorted({it.test for it in guards})):
            print(f"With all guards in place a test fails: {found}")
            return 1
        missed = 0
        for guard in guards:
            started = time.monotonic()
            caught, text = verdict(root, guard)
            missed += not caught
            taken = f"{time.monotonic() - started:.0f} s"
            print(
                f"{guard.row:4} {guard.removed}: {'caught by' if caught else 'NOT CAUGHT:'} {text} ({taken})",
                flush=True,
            )
    print(f"{len(guards) - missed} of {len(guards)} guards are caught.")
    if not missed:
        (ROOT / "docs/develop/guards.md").write_text(catalogue.page())
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
