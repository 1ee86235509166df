"""`make smoke` on the running system."""

import os
import subprocess
import sys

from local.system import LocalSystem
from tests.support.local_cloud.shop import WAIT_SECONDS


def test_the_running_system_is_tried_and_left_as_it_was(system: LocalSystem) -> None:
    result = _smoke(system.front_door.port)

    assert result.returncode == 0, result.stdout + result.stderr
    steps = [line.split(":")[0].removeprefix("ok").strip() for line in result.stdout.splitlines()[1:-1]]
    assert steps == [
        "health",
        "public keys",
        "sign-in",
        "product",
        "order",
        "stock",
        "stock ledger",
        "cancel",
        "clean up",
        "sign-out",
    ]


def test_where_no_system_runs_that_is_said() -> None:
    result = _smoke(1)

    assert result.returncode == 1
    assert result.stderr.startswith("No system is running on port 1: start it with `make up`")


def _smoke(port: int) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"PORT": str(port), "PYTHONPATH": "layers/shared/python"}
    command = [sys.executable, "-m", "local.smoke"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=WAIT_SECONDS)
