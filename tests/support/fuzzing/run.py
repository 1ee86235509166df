"""Runs Schemathesis as one role and reads its report."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "functions" / "docs" / "openapi.json"
RANKS = {"public": 0, "customer": 1, "manager": 2, "admin": 3}
# The demo account of each role.
ACCOUNTS = {"customer": "alice@demo.example", "manager": "manager@demo.example", "admin": "admin@demo.example"}


@dataclass(frozen=True)
class Outcome:
    passed: bool
    cases: int
    output: str


def operations(role: str) -> list[str]:
    """Returns the ids of the operations that this role may call; other tests check that the rest is refused."""
    document = json.loads(DOCUMENT.read_text())
    return [
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
        if RANKS[operation["x-role"]] <= RANKS[role]
    ]


def fuzz(base_url: str, *, role: str, token: str, examples: int, options: Sequence[str] = ()) -> Outcome:
    """Sends `examples` random requests for each operation, after those of the document and of each schema's bounds."""
    command = [str(Path(sys.executable).with_name("st")), "--config-file", "tests/support/fuzzing/schemathesis.toml"]
    command += ["--no-color", "run", str(DOCUMENT), "--url", base_url, "--max-examples", str(examples), *options]
    command += [it for name in operations(role) for it in ("--include-operation-id", name)]
    hooks = str(Path(__file__).with_name("hooks.py"))
    environment = os.environ | {"OMS_FUZZING_TOKEN": token, "OMS_FUZZING_HOOKS": hooks}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    found = re.search(r"^  ([\d,]+) generated", result.stdout, re.MULTILINE)
    cases = int(found[1].replace(",", "")) if found else 0
    return Outcome(result.returncode == 0, cases, result.stdout + result.stderr)
