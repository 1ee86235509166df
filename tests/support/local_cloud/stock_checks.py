"""Runs of the stock check on the local cloud."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from local.system import LocalSystem
from tests.support.local_cloud.shop import read, wait_until

CHECK = "/api/v1/admin/stock-check"


def checked(admin: httpx.Client, *, full: bool = False) -> Any:
    """Returns a whole run."""
    asked = admin.post(CHECK, json={"full": full})
    assert asked.status_code == 202, asked.text
    run = wait_until(lambda: read(admin, CHECK), lambda it: it["status"] != "running")
    assert run["id"] == asked.json()["id"]
    assert run["status"] == "done"
    return run


@contextmanager
def nothing_under_way(system: LocalSystem) -> Iterator[None]:
    """Lets checks compare all items; otherwise they leave out recent changes, which may still be in the stream."""
    settle = system.environment("Admin")["OMS_SETTLE_SECONDS"]
    system.update_environment("Admin", OMS_SETTLE_SECONDS="0")
    yield
    system.update_environment("Admin", OMS_SETTLE_SECONDS=settle)


def settled(admin: httpx.Client, *, full: bool = False) -> Any:
    """Returns a run that has compared every product."""
    run = wait_until(lambda: checked(admin, full=full), lambda it: it["unsettled"] == 0)
    assert run["unsettled"] == 0
    return run
