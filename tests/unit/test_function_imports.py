"""The packages that each function imports at its start: one that it does not use delays each of its cold starts.

Each function is imported in a process of its own, with tracing, as on AWS.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FUNCTIONS = {
    f"{path.parent.name}.{path.stem}"
    for path in (ROOT / "functions").glob("*/*.py")
    if re.search(r"^(def )?lambda_handler\b", path.read_text(), re.MULTILINE)
}
# Logs, metrics, traces and items of DynamoDB. Of botocore, these have its exceptions alone.
ALL = {"aws_lambda_powertools", "aws_xray_sdk", "botocore", "jmespath", "pynamodb", "typing_extensions", "wrapt"}
SCHEMAS = {"annotated_types", "pydantic", "pydantic_core", "typing_inspection"}
# The routes of Powertools, and the verification of access tokens.
ROUTES = SCHEMAS | {"aws_lambda_powertools.event_handler", "cryptography"}
# Passwords are hashed by bcrypt.
ACCOUNTS = ROUTES | {"bcrypt"}
FILES = {"csv", "xml"}
PACKAGES = {
    "admin.handler": ACCOUNTS,
    "aggregator.handler": set(),
    "auth.handler": ACCOUNTS,
    "auth.passwords": ACCOUNTS,
    "bookkeeper.handler": set(),
    "finder.handler": set(),
    "dispatcher.handler": SCHEMAS,
    "docs.handler": ROUTES | {"markdown_it", "mdurl"},
    "exporter.handler": SCHEMAS | FILES,
    "feeder.handler": SCHEMAS,
    "importer.handler": SCHEMAS | {"csv"},
    "inventory.handler": ROUTES,
    # cryptography: mails have tokens in their links.
    "notifier.handler": SCHEMAS | {"cryptography", "jinja2", "markupsafe"},
    "orders.handler": ROUTES,
    "publisher.handler": SCHEMAS,
    "reports.handler": ROUTES | FILES,
    "scheduler.handler": SCHEMAS | FILES,
    "sealer.handler": set(),
    # cryptography: the secrets of webhooks are encrypted.
    "sender.handler": SCHEMAS | {"cryptography"},
    "sweeper.handler": SCHEMAS,
    "sweeper.replays": SCHEMAS,
    "sweeper.worker": SCHEMAS,
    "verifier.handler": set(),
    "webhooks.handler": ROUTES,
}
# Parts of packages and of the standard library that take as long as a package.
PARTS = ("aws_lambda_powertools.event_handler", "csv", "multiprocessing", "sqlite3", "unittest", "xml")
# No function needs these at its start: botocore's client is imported with the first client of S3, SES or EventBridge
# Scheduler, and tokens need no certificates.
NEVER = {
    "aws_lambda_powertools.utilities.batch",
    "botocore.client",
    "botocore.config",
    "botocore.session",
    "cryptography.hazmat.primitives.serialization",
    "cryptography.x509",
}
PROBE = """
import gc, importlib, json, sys
importlib.import_module(sys.argv[1])
own = [it.partition(".")[0] for it in sys.modules]
third = {it for it in own if it not in sys.stdlib_module_names and not it.startswith("_")}
order = list(sys.modules)
print(json.dumps({
    "modules": order,
    "packages": sorted(third),
    "collects": gc.isenabled(),
    "frozen": gc.get_freeze_count(),
}))
"""


def start(function: str, **variables: str) -> dict[str, Any]:
    environment = {
        "AWS_REGION": "eu-central-1",
        "LAMBDA_TASK_ROOT": "/var/task",
        "PYTHONPATH": os.pathsep.join(str(ROOT / it) for it in ("functions", "layers/shared/python")),
        **variables,
    }
    command = [sys.executable, "-W", "ignore", "-c", PROBE, function]
    result = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    started: dict[str, Any] = json.loads(result.stdout)
    return started


def test_the_table_has_each_function() -> None:
    assert PACKAGES.keys() == FUNCTIONS


@pytest.mark.parametrize("function", sorted(PACKAGES))
def test_a_function_imports_only_what_it_uses(function: str) -> None:
    started = start(function)

    modules = set(started["modules"])
    # markdown_it imports linkify_it if it is installed, as it is for the tests.
    packages = set(started["packages"]) - {"oms", "linkify_it", function.partition(".")[0]}
    packages |= modules & set(PARTS)
    assert packages == ALL | PACKAGES[function], "import it where it is used, or change PACKAGES with a reason"
    assert not modules & NEVER


def test_no_garbage_is_collected_until_the_handler_is_complete() -> None:
    tables = [f"{it}_TABLE" for it in ("AUDIT", "EVENTS", "IDENTITY", "INVENTORY", "ORDERS", "REPORTS")]
    tables += ["SEARCH_TABLE", "WEBHOOKS_TABLE"]
    required = [*tables, "ADDRESS_KEYS_SECRET", "JWKS_PARAMETER", "ORIGIN_SECRET"]
    variables = {f"OMS_{it}": "x" for it in required}

    started = start("orders.handler", AWS_LAMBDA_FUNCTION_NAME="orders", **variables)

    modules = started["modules"]
    assert modules.index("oms.core.startup") < modules.index("aws_lambda_powertools"), "it comes before large imports"
    assert started["collects"], "the wrapper of the handler starts the collection again"
    assert started["frozen"] > 10_000


def test_outside_lambda_garbage_is_collected_as_usual() -> None:
    started = start("orders.handler")

    assert started["collects"]
    assert started["frozen"] == 0


@pytest.mark.parametrize("package", sorted({it.partition(".")[0] for it in FUNCTIONS}))
def test_each_function_begins_without_the_collection(package: str) -> None:
    text = (ROOT / "functions" / package / "__init__.py").read_text()

    assert text == "from oms.core import startup\n\nstartup.begin()\n"
