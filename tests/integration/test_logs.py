"""`make logs`: the log of a running system's functions, found through its front door."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from local.cloud import free_port
from local.deployment import ROOT
from local.system import LocalSystem
from tests.support.local_cloud.shop import WAIT_SECONDS


def logs(port: int, function: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "local.logs"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "layers/shared/python", "PORT": str(port), "FUNCTION": function},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def following(port: int, function: str = "") -> Iterator[Iterator[str]]:
    process = logs(port, function)
    late = threading.Timer(WAIT_SECONDS, process.kill)
    late.start()
    try:
        assert process.stdout is not None
        yield (line.rstrip("\n") for line in process.stdout)
    finally:
        late.cancel()
        process.kill()
        process.communicate()


def test_lines_come_as_the_functions_write_them(system: LocalSystem, client: Callable[..., httpx.Client]) -> None:
    before = client().get("/api/v1/orders").headers["X-Request-Id"]
    with following(system.front_door.port) as lines:
        first = next(line for line in lines if before in line)
        later = client().get("/api/v1/auth/me").headers["X-Request-Id"]
        second = next(line for line in lines if later in line)

    assert first.split()[1:] == [
        *("Orders", "INFO", "request", "method=GET", "path=/api/v1/orders", "operation=list_orders", "status=401"),
        *("code=unauthenticated", first.split()[-2], before),
    ]
    assert second.split()[1:5] == ["Auth", "INFO", "request", "method=GET"]


def test_one_function_alone_can_be_followed(system: LocalSystem, client: Callable[..., httpx.Client]) -> None:
    client().get("/api/v1/orders")
    with following(system.front_door.port, "auth") as lines:
        wanted = client().get("/api/v1/auth/me").headers["X-Request-Id"]
        seen = []
        for line in lines:
            seen.append(line)
            if wanted in line:
                break

    assert wanted in seen[-1]
    assert all(line.split()[1] == "Auth" for line in seen if not line.startswith(" "))


def test_a_missing_function_is_reported_with_the_existing_ones(system: LocalSystem) -> None:
    process = logs(system.front_door.port, "order")
    _, error = process.communicate(timeout=WAIT_SECONDS)

    assert process.returncode == 1
    names = ", ".join(sorted(system.log_groups()))
    assert error.strip() == f"There is no function order: choose one of {names}."


def test_a_system_that_does_not_run_is_reported_in_one_sentence() -> None:
    port = free_port()
    process = logs(port)
    output, error = process.communicate(timeout=WAIT_SECONDS)

    assert (process.returncode, output) == (1, "")
    assert error.strip() == (
        f"No system is running on port {port}: start it with `make up`, or set its port with `make logs PORT=…`."
    )
