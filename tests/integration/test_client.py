"""The Python client and `oms` as processes of their own, with a service key, on the deployed system."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.deployment import ROOT
from local.system import LocalSystem
from tests.support.local_cloud.commands import run_command
from tests.support.local_cloud.shop import WAIT_SECONDS

pytestmark = pytest.mark.full

SCOPES = "catalogue:read,catalogue:write,events:read,imports:write,orders:create,orders:manage,orders:read,stock:write"
CLIENT = ROOT / "clients/python"
OMS = "from oms_client.cli import main; main()"
ROWS = 50


@pytest.fixture
def environment(system: LocalSystem, tmp_path: Path) -> dict[str, str]:
    made = run_command(system, "local.key", "--name", "Walkthrough", "--scopes", SCOPES)
    assert made.returncode == 0, made.stderr
    return os.environ | {
        "OMS_URL": f"http://127.0.0.1:{system.front_door.port}",
        "OMS_KEY": made.stdout.strip(),
        "OMS_CONFIG": str(tmp_path / "config"),
        "PYTHONPATH": str(CLIENT),
        "NO_PROXY": "*",
    }


def output(environment: dict[str, str], *arguments: str | Path, code: int = 0) -> list[str]:
    """Runs Python with these arguments, and returns the lines of its output."""
    command = [sys.executable, "-W", "error", *map(str, arguments)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False)
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout.splitlines()


def test_a_newcomer_imports_orders_finds_ships_and_follows(environment: dict[str, str], tmp_path: Path) -> None:
    catalogue, count = tmp_path / "products.csv", tmp_path / "count.csv"
    lines = [f"CLIENT-{it},Product {it},Client,{it}.90,20" for it in range(1, ROWS + 1)]
    catalogue.write_text("\n".join(["sku,name,category,price,stock", *lines]))
    program = (CLIENT / "examples/first_order.py", catalogue, "1001")

    first, again = output(environment, *program), output(environment, *program)

    steps = ["catalogue", "ordered", "found", "shipped", "followed"]
    assert [it.split()[0] for it in first] == steps
    # The second run made nothing.
    assert again == first
    count.write_text("sku,on_hand\nclient-1,17\nCLIENT-2,21\nCLIENT-2222,1\n")
    counted = [json.loads(it) for it in output(environment, "-c", OMS, "stock", "count", count, "--json", code=6)]
    assert [it["outcome"]["adjustment"] for it in counted] == [-1, 1, None]
    prices = tmp_path / "prices.csv"
    prices.write_text("sku,price\nCLIENT-1,2.50\nCLIENT-2,2.90\nCLIENT-2222,1\n")
    imported = output(environment, "-c", OMS, "import", prices, "--kind", "prices", "--json", code=6)
    assert [json.loads(it).get("code") for it in imported] == ["not-found", None]
    assert json.loads(imported[1])["updated"] == 1
    number = first[1].split()[1]
    (shown,) = output(environment, "-c", OMS, "orders", "get", number, "--json")
    assert json.loads(shown)["external_ref"] == {"channel": "web", "id": "1001"}
    output(environment, "-c", OMS, "doctor")
