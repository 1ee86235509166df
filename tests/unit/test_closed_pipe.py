"""Commands end silently when the reader of their output stops reading, as `make redrive | head -1`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED = ROOT / "layers" / "shared" / "python"
# It serves until it is stopped, and runs without the shared code.
SERVER = "local.up"
START = "from oms.commands.closed_pipe import run_until_unread\n"


def run_unread(code: str) -> tuple[int, str]:
    """Returns the exit code and stderr of a process whose output has no reader."""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(SHARED)},
    )
    assert process.stdout
    process.stdout.close()
    process.stdout = None
    # It begins at the end of stdin, when its output is closed.
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


@pytest.mark.parametrize(
    ("body", "call", "expected"),
    [
        ("print('x' * 100_000)", "run_until_unread(main)", (141, "")),
        # The output fits the buffer, and fails when it is flushed.
        ("print('x')", "run_until_unread(main)", (141, "")),
        ("print('x')", "run_until_unread(main, status=0)", (0, "")),
        (
            "print('x'); sys.exit('Three changes.')",
            "run_until_unread(main)",
            (1, "Three changes.\n"),
        ),
        ("print('x'); sys.exit(3)", "run_until_unread(main, status=0)", (3, "")),
    ],
)
def test_a_closed_pipe_ends_a_command_without_a_word(body: str, call: str, expected: tuple[int, str]) -> None:
    assert run_unread(f"import sys\n{START}sys.stdin.read()\ndef main():\n    {body}\n{call}") == expected


def test_other_failures_of_a_command_are_shown() -> None:
    code, errors = run_unread(
        f"import sys\n{START}sys.stdin.read()\ndef main():\n    raise ValueError('no')\nrun_until_unread(main)"
    )

    assert code == 1
    assert errors.endswith("ValueError: no\n")


def test_each_command_of_make_ends_so() -> None:
    makefile = (ROOT / "Makefile").read_text()
    modules = set(re.findall(r"\b((?:local|oms\.commands)\.[a-z_]+)\b", makefile)) - {SERVER}
    assert {"local.mail", "local.redrive", "oms.commands.verify_audit", "oms.commands.url"} <= modules

    assert {name for name in modules if "\n    run_until_unread(main" not in source(name)} == set()


def source(module: str) -> str:
    path = module.replace(".", "/")
    places = (folder / name for folder in (ROOT, SHARED) for name in (f"{path}.py", f"{path}/__main__.py"))
    return next(it for it in places if it.exists()).read_text()
