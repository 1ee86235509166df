"""Clients of public generators make all steps of an order, against the deployed system.

The clients are generated in each run, under tests/clients/generated/, and never committed.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from local.deployment import ROOT
from local.system import LocalSystem

pytestmark = pytest.mark.full

DOCUMENT = ROOT / "functions" / "docs" / "openapi.json"
CLIENTS = ROOT / "tests" / "clients"
GENERATED = CLIENTS / "generated"
STEPS = ("registered", "products", "ordered", "listed", "cancelled", "409", "422", "409", "feed")
# The errors of npm when it reaches no registry.
UNREACHED = ("EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ENETUNREACH", "ENOTFOUND", "ETIMEDOUT")
BIN = Path(sys.executable).parent


def run(*command: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command in tests/clients, with the node of this environment."""
    variables = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"} | environment
    return subprocess.run(
        [str(it) for it in command], cwd=CLIENTS, env=variables, capture_output=True, text=True, check=False
    )


def succeed(*command: str | Path, **environment: str) -> str:
    """Runs a command that must succeed, and returns its output."""
    result = run(*command, **environment)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def steps(output: str) -> Sequence[str]:
    return tuple(line.split()[0] for line in output.splitlines())


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """Installs the packages by their lock, as `make lint-api` does; skips if no registry can be reached."""
    modules, lock = CLIENTS / "node_modules", CLIENTS / "package-lock.json"
    installed = modules / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        result = run(BIN / "npm", "ci", "--ignore-scripts", "--loglevel=error")
        if result.returncode and any(sign in result.stderr for sign in UNREACHED):
            pytest.skip("npm reaches no registry from here, so the generator of TypeScript cannot be installed")
        assert result.returncode == 0, result.stderr
        installed.touch()
    return modules


@pytest.fixture
def base_url(system: LocalSystem) -> str:
    return f"http://127.0.0.1:{system.front_door.port}"


def test_a_generated_python_client_goes_the_way_of_an_order(base_url: str) -> None:
    package = GENERATED / "generated_client"
    shutil.rmtree(package, ignore_errors=True)
    GENERATED.mkdir(exist_ok=True)

    said = succeed(
        BIN / "openapi-python-client", "generate", "--path", DOCUMENT, "--output-path", package, "--meta=none"
    )
    output = succeed(sys.executable, "-W", "error", "walkthrough.py", base_url, PYTHONPATH=str(GENERATED))

    assert "Warning" not in said, "it has left something out"
    assert steps(output) == STEPS, output


def test_a_generated_typescript_client_goes_the_way_of_an_order(node_modules: Path, base_url: str) -> None:
    programs = node_modules / ".bin"

    succeed(programs / "openapi-typescript", DOCUMENT, "--output", GENERATED / "api.d.ts")
    succeed(programs / "tsc", "--project", ".")
    output = succeed("node", "walkthrough.ts", base_url)

    assert steps(output) == STEPS, output
