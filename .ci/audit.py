"""Known advisories in the locked packages, by pip-audit's JSON: exit 0 none, 1 found or not sure, 3 nothing known.

Nothing known means that the advisory service cannot be reached: it answers for no package at all.
"""

import json
import subprocess
import sys
from pathlib import Path

NOT_DONE = 3
COMMAND = ("pip-audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json")
# Messages of pip-audit and its HTTP library when there is no connection.
UNREACHABLE = ("Could not connect to PyPI", "PyPI is not redirecting", "requests.exceptions.Connect")


def audit(lock: Path) -> tuple[int, str]:
    """(exit status, what there is to say)"""
    program = Path(sys.executable).with_name(COMMAND[0])
    result = subprocess.run([program, *COMMAND[1:], "-r", lock], capture_output=True, text=True, check=False)  # noqa: S603
    try:
        packages = json.loads(result.stdout)["dependencies"]
    except (ValueError, KeyError):
        unreachable = any(sign in result.stderr for sign in UNREACHABLE)
        return (NOT_DONE, f"{lock}: no connection") if unreachable else (1, f"{lock}: {result.stderr.strip()}")
    found = [f"{it['name']} {it['version']}: {known['id']}" for it in packages for known in it.get("vulns", [])]
    skipped = [f"{it['name']}: {it['skip_reason']}" for it in packages if "skip_reason" in it]
    if not found and skipped and len(skipped) == len(packages):
        return NOT_DONE, f"{lock}: no package is known to the service"
    if found or skipped or not packages or result.returncode != 0:
        return 1, "\n".join([f"{lock}:", *found, *skipped, result.stderr.strip()])
    return 0, f"{lock}: {len(packages)} packages, no known advisory"


def main() -> None:
    answers = [audit(lock) for lock in sorted(Path("requirements").glob("*.txt"))]
    print("\n".join(text for _, text in answers))
    statuses = {status for status, _ in answers}
    sys.exit(1 if 1 in statuses else max(statuses))


if __name__ == "__main__":
    main()
