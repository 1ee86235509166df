"""`make listen` beside a running system: it subscribes, shows verified events, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from local.deployment import ROOT
from local.system import LocalSystem
from tests.support.local_cloud.shop import WAIT_SECONDS, create_product, order_of, wait_until

pytestmark = pytest.mark.full

LINE = re.compile(r"  \d\d:\d\d:\d\d  (\S+) +(\S+)  sequence (\d+) +order (\S+)  verified")


@contextmanager
def listening(system: LocalSystem) -> Iterator[list[str]]:
    """Runs it, and gives its lines so far, of which the first has its address; ends it with Ctrl-C."""
    environment = {
        **os.environ,
        "PYTHONPATH": "layers/shared/python",
        "PORT": str(system.front_door.port),
        "LISTEN": "0",
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "local.listen"],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    lines: list[str] = []
    assert process.stdout
    output = process.stdout
    reader = threading.Thread(target=lambda: lines.extend(line.rstrip("\n") for line in output))
    reader.start()
    try:
        wait_until(lambda: len(lines), lambda it: it > 0)
        yield lines
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(WAIT_SECONDS)
        reader.join()
        output.close()


def test_a_listener_follows_an_order(system: LocalSystem, signed_in: Callable[[str], httpx.Client]) -> None:
    manager, alice = signed_in("manager"), signed_in("alice")
    product = create_product(manager, stock=50)
    before = manager.get("/api/v1/webhooks").json()["items"]

    with listening(system) as lines:
        assert lines[0].startswith("Listening on http://127.0.0.1:")
        order = alice.post("/api/v1/orders", json=order_of((product, 1))).json()
        path = f"/api/v1/orders/{order['id']}"
        for move, body in (("confirm", None), ("ship", {"carrier": "DHL", "tracking_number": "1"}), ("deliver", None)):
            assert manager.post(f"{path}/{move}", json=body).status_code == 200

        def shown() -> list[tuple[int, str]]:
            found = (LINE.fullmatch(line) for line in list(lines))
            return sorted({(int(it[3]), it[1]) for it in found if it and it[4] == order["number"]})

        followed = wait_until(shown, lambda it: len(it) == 4)

    assert followed == [(1, "order.created"), (2, "order.confirmed"), (3, "order.shipped"), (4, "order.delivered")]
    assert lines[-1] == "Stopped."
    assert not [line for line in lines if "refused" in line]
    assert manager.get("/api/v1/webhooks").json()["items"] == before
