"""Removes one guard after the other and checks that its test fails: `python -m tests.guards [ROW]`, `make guards`.

It works on a copy of the tree. Exit code 1 if the tests fail with all guards in place, or pass without one.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.guards import all_guards
from tests.support.guards.guard import ROOT
from tests.support.guards.verdicts import failures, verdict

# These are installed or built, not part of the tree.
LINKED = (".venv", "node_modules", "build")


def copy_tree(to: Path) -> None:
    """Copies the files that git tracks, and new ones that it does not ignore, with their current content."""
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


def main(row: str) -> int:
    guards = all_guards.of_row(row)
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
        (ROOT / "docs/develop/guards.md").write_text(all_guards.page())
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
