"""An operator's commands on the local cloud, each as a process of its own, as `make` runs it."""

import os
import subprocess
import sys

from local.deployment import ROOT
from local.system import LocalSystem
from tests.support.local_cloud.shop import WAIT_SECONDS

type Run = subprocess.CompletedProcess[str]


def run_command(system: LocalSystem, module: str, *arguments: str) -> Run:
    """Runs a command that finds the running system by its port: `local.verify_audit`, `local.restore` …"""
    environment = {**os.environ, "PORT": str(system.front_door.port), "PYTHONPATH": f"{ROOT}/layers/shared/python"}
    return _run(module, arguments, environment)


def run_later(system: LocalSystem, module: str, *arguments: str, seconds: int) -> Run:
    """Runs a command of `oms` with the functions' settings, whose clock is this number of seconds ahead."""
    environment = system.service_environment()
    settle = system.environment("Verifier").get("OMS_SETTLE_SECONDS", "")
    return _run(
        module,
        arguments,
        environment | {"OMS_CLOCK_OFFSET": str(seconds)} | ({"OMS_SETTLE_SECONDS": settle} if settle else {}),
    )


def _run(module: str, arguments: tuple[str, ...], environment: dict[str, str]) -> Run:
    command = [sys.executable, "-m", module, "--stage", "local", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False
    )
