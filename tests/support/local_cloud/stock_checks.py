"""Runs of the stock check on the local cloud."""

from typing import Any

import httpx

from tests.support.local_cloud.shop import read, wait_until

CHECK = "/api/v1/admin/stock-check"


def checked(admin: httpx.Client, *, full: bool = False) -> Any:
    """A whole run."""
    asked = admin.post(CHECK, json={"full": full})
    assert asked.status_code == 202, asked.text
    run = wait_until(lambda: read(admin, CHECK), lambda it: it["status"] != "running")
    assert run["id"] == asked.json()["id"]
    assert run["status"] == "done"
    return run
