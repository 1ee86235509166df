"""Who may import whom. Each rule also meets a made-up violation, so that a rule that has gone blind is noticed."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED = ROOT / "layers/shared/python"
FUNCTIONS = {path.name for path in (ROOT / "functions").iterdir() if (path / "__init__.py").exists()}
TIERS = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "support"} - {"__pycache__"}

# The packages of `oms`, the lowest first: a package imports those above it in this list, and no others.
LAYERS = (
    "core",
    "events",
    "audit",
    "feed",
    "inventory",
    "identity",
    "http",
    "orders",
    "webhooks",
    "stock_ledger",
    "reports",
    "exports",
    "schedules",
    "mail",
    "publishing",
    "commands",
)
# They know each other by their models alone, and by pure tables.
DOMAINS = ("feed", "inventory", "identity", "orders", "webhooks")

# Of these only `oms.http` may know, and `oms.events.consumers`.
EVENT_AND_RESPONSE = (
    "aws_lambda_powertools.event_handler",
    "aws_lambda_powertools.utilities.batch",
    "aws_lambda_powertools.utilities.data_classes",
    "aws_lambda_powertools.utilities.typing",
)
# A client made by these takes another region than AWS_REGION says; `oms.core.aws` has the one session for all.
# The client for reading much takes answers without decoding them, which a session of its own is set up for.
SESSIONS = {"oms.core.aws", "oms.core.json_reads"}
MAKES_CLIENTS = ("boto3", "botocore.session")
# Tables without any I/O: they know nothing of the rest, so anyone may know them.
PURE = {"oms.orders.states", "oms.inventory.stock_levels"}
# What schemas are made of, beside `oms.core`, pure tables and their own models. Other schemas, where one is part of
# another; and two modules that check the form of a value.
BENEATH_SCHEMAS = {
    "oms.orders.filters",
    "oms.exports.columns",
    "oms.exports.schemas",
    "oms.identity.password_rules",
    "oms.inventory.schemas",
    "oms.stock_ledger.effects",
}


def imported(module: str, source: str) -> Iterator[str]:
    """Every module that a source text imports, names taken from a package included: `oms`, `oms.core.clock`, …

    What is imported for the type checker alone counts too.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(module.split(".")[: -node.level]) if node.level else ""
            origin = ".".join(part for part in (package, node.module) if part)
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def violations(module: str, source: str) -> list[str]:
    """What a module (`orders.handler`, `oms.orders.service`, `infra.app`) does that it must not, one line each."""
    names = set(imported(module, source))
    top, *rest = module.split(".")
    found: list[str] = []
    if top in FUNCTIONS:
        strangers = (FUNCTIONS - {top}) | {"infra", "local", "tests"}
        found += [f"function imports {name}" for name in names if name.split(".")[0] in strangers]
    if top == "infra":
        strangers = FUNCTIONS | {"oms", "local", "tests"}
        found += [f"infrastructure imports {name}" for name in names if name.split(".")[0] in strangers]
    if top == "local":
        strangers = FUNCTIONS | {"tests"}
        found += [f"the local cloud imports {name}" for name in names if name.split(".")[0] in strangers]
    if top == "oms":
        strangers = FUNCTIONS | {"infra", "local", "tests"}
        found += [f"shared code imports {name}" for name in names if name.split(".")[0] in strangers]
        found += _of_layers(module, names)
    if top in FUNCTIONS | {"infra"}:
        found += [f"imports an operator's command: {name}" for name in names if name.startswith("oms.commands")]
    if top == "tests" and rest[0] in TIERS:
        found += [f"tests of a tier import {name}" for name in names if _is_of_tests_alone(name, tier=rest[0])]
    if top == "tests" and rest[0] == "support":
        found += [
            f"helpers of tests import {name}"
            for name in names
            if name.split(".")[:2] in [["tests", it] for it in TIERS]
        ]
    if (top == "oms" or top in FUNCTIONS) and module != "oms.core.settings":
        found += _of_environment(source)
    if top in {"oms", "infra", *FUNCTIONS} and module not in SESSIONS:
        found += [f"makes AWS clients beside oms.core.aws: {name}" for name in names if name.startswith(MAKES_CLIENTS)]
    return sorted(found)


def _is_of_tests_alone(name: str, *, tier: str) -> bool:
    """Whether it belongs to another tier of tests, or is a module of tests: what two need is in `tests.support`."""
    top, *rest = name.split(".")
    if top != "tests" or not rest or rest[0] == "support":
        return False
    return rest[0] != tier or any(part.startswith("test_") for part in rest)


def _of_layers(module: str, names: set[str]) -> list[str]:
    """What breaks the order of the packages, or the rules for a kind of module in them."""
    ours = {it for it in (_module_of(name) for name in names) if it and it != module}
    if module.count(".") < 2:
        return [f"the package imports {it}" for it in ours]
    package, name = _package(module), module.rpartition(".")[2]
    if module in PURE:
        return [f"pure table imports {it}" for it in names if it.split(".")[0] not in ("dataclasses", "enum")]
    found = [f"{package} imports {it}, of a later package" for it in ours if _level(it) > _level(module)]
    if name == "models":
        return found + [f"models import {it}" for it in ours - PURE if _package(it) != "core"]
    if name.endswith("schemas") and package != "core":
        allowed = BENEATH_SCHEMAS | PURE | {f"oms.{package}.models"}
        return found + [f"schemas import {it}" for it in ours - allowed if _package(it) != "core"]
    if package in DOMAINS:
        strange = [it for it in ours - PURE if _package(it) in DOMAINS and _package(it) != package]
        found += [f"{package} imports {it}" for it in strange if not it.endswith(".models")]
    if package != "http":
        mine = (*EVENT_AND_RESPONSE, "oms.http") if module != "oms.events.consumers" else ("oms.http",)
        found += [f"imports {it}" for it in names if it.startswith(mine)]
    return found


def _package(module: str) -> str:
    return module.split(".")[1]


def _level(module: str) -> int:
    return LAYERS.index(_package(module))


def _module_of(name: str) -> str | None:
    """The module of `oms` that has this name, or has a name in it; None for all else, and for packages."""
    parts = name.split(".")
    while len(parts) > 1 and parts[0] == "oms":
        if _is_module(".".join(parts)):
            return ".".join(parts)
        parts.pop()
    return None


def _is_module(name: str) -> bool:
    path = SHARED.joinpath(*name.split("."))
    return path.with_suffix(".py").exists()


def _of_environment(source: str) -> list[str]:
    reads = {"environ", "environb", "getenv"}
    return [
        f"reads the environment in line {node.lineno}"
        for node in ast.walk(ast.parse(source))
        if (
            isinstance(node, ast.Attribute)
            and node.attr in reads
            and isinstance(node.value, ast.Name)
            and node.value.id == "os"
        )
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and reads & {it.name for it in node.names})
    ]


@cache
def modules() -> dict[str, Path]:
    roots = [SHARED, ROOT / "functions", ROOT, ROOT, ROOT]
    folders = [SHARED / "oms", ROOT / "functions", ROOT / "infra", ROOT / "local", ROOT / "tests"]
    return {
        ".".join(path.relative_to(root).with_suffix("").parts): path
        for root, folder in zip(roots, folders, strict=True)
        for path in folder.rglob("*.py")
    }


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_module_imports_only_what_it_may(module: str) -> None:
    assert violations(module, modules()[module].read_text()) == []


def test_the_rules_see_the_modules_they_are_about() -> None:
    assert {"oms.orders.service", "orders.handler", "infra.app", "local.up", "oms.core.settings"} <= modules().keys()
    assert modules().keys() >= PURE | BENEATH_SCHEMAS
    assert set(LAYERS) == {path.parent.name for path in (SHARED / "oms").glob("*/__init__.py")}


def test_each_package_says_what_lives_in_it() -> None:
    packages = list((SHARED / "oms").rglob("__init__.py"))
    assert [path for path in packages if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_no_modules_import_each_other() -> None:
    """Also not by way of others. The order of the packages holds between them; this holds within each."""
    needs = {
        module: {it for it in (_module_of(name) for name in imported(module, path.read_text())) if it} - {module}
        for module, path in modules().items()
        if module.startswith("oms.")
    }
    TopologicalSorter(needs).prepare()  # raises CycleError, which names the circle


def test_a_circle_of_modules_is_found() -> None:
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"c"}, "c": {"a"}}).prepare()


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("orders.handler", "from inventory import handler"),
        ("orders.handler", "import auth.handler"),
        ("orders.handler", "def late():\n    from infra.app import app"),
        ("orders.handler", "from local.seed import seed"),
        ("oms.orders.service", "from oms.identity.service import register"),
        ("oms.orders.service", "from oms.inventory import service"),
        ("oms.orders.service", "from oms.inventory.schemas import ProductResponse"),
        ("oms.orders.service", "from oms.http.api import current_user"),
        ("oms.orders.service", "from oms.http import api"),
        ("oms.orders.service", "from oms.http.serving import serve"),
        ("oms.orders.service", "from aws_lambda_powertools.event_handler import Response"),
        ("oms.orders.expiry", "from aws_lambda_powertools.utilities.typing import LambdaContext"),
        ("oms.orders.service", "from orders.handler import app"),
        ("oms.orders.models", "from oms.orders import service"),
        ("oms.orders.models", "from oms.inventory.models import Product"),
        ("oms.orders.models", "from . import service"),
        ("oms.orders.models", "from ..inventory.models import Product"),
        ("oms.orders.schemas", "from oms.orders.service import place_order"),
        ("oms.orders.schemas", "if TYPE_CHECKING:\n    from oms.orders.pricing import Quote"),
        ("oms.orders.schemas", "from oms.inventory.models import Product"),
        ("oms.orders.states", "from oms.core import clock"),
        ("oms.orders.states", "import datetime"),
        ("infra.stack", "from oms.core.settings import settings"),
        ("infra.stack", "from orders import handler"),
        ("oms.core.clock", "import os\nos.environ['X']"),
        ("oms.core.clock", "import os\nos.getenv('X')"),
        ("orders.handler", "from os import environ"),
        ("oms.core.queues", "import boto3"),
        ("oms.commands.redrive", "def late():\n    from boto3 import client"),
        ("sweeper.handler", "import boto3.session"),
        ("orders.handler", "from oms.commands import smoke"),
        ("oms.orders.service", "import oms.commands.smoke"),
        ("oms.core.dynamodb", "from oms.events import streams"),
        ("oms.audit.audit_log", "if TYPE_CHECKING:\n    from oms.identity.access import CurrentUser"),
        ("oms.inventory.events", "from oms.stock_ledger import ledger"),
        ("oms.core", "from oms.core.clock import now"),
        ("local.seed", "from tests.support.orders import order"),
        ("local.seed", "from orders.handler import app"),
        ("oms.commands.redrive", "from botocore import session"),
        ("tests.faults.test_mail", "from tests.functional.conftest import cloud"),
        ("tests.faults.test_mail", "from tests.faults.test_crashes import crash"),
        ("tests.faults.test_mail", "from tests.faults import test_crashes"),
        ("tests.support.mail", "from tests.functional import conftest"),
    ],
)
def test_a_violation_is_found(module: str, source: str) -> None:
    assert violations(module, source) != []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("orders.handler", "from oms.orders import service\nfrom orders import handler"),
        ("oms.orders.service", "from oms.inventory.models import StockItem\nfrom oms.orders.schemas import OrderPage"),
        ("oms.orders.service", "from oms.core import clock\nfrom aws_lambda_powertools import Logger"),
        ("oms.orders.models", "from oms.core.money import to_text"),
        ("oms.http.api", "from oms.identity.access import CurrentUser"),
        ("oms.stock_ledger.check", "from oms.inventory.stock_levels import level"),
        ("oms.core.settings", "import os\nos.environ"),
        ("oms.core.aws", "import boto3"),
        ("local.up", "from oms.commands.smoke import try_stage\nfrom infra.app import app"),
        ("oms.commands.smoke", "from oms.orders import service\nfrom oms.identity import service"),
        ("oms.commands.smoke", "from oms.commands import region"),
        ("oms.core.queues", "from botocore.config import Config"),
        ("tests.faults.test_mail", "from tests.support.mail import notify\nfrom tests.faults.conftest import shop"),
        ("tests.support.mail", "from tests.support.invocation import Context"),
    ],
)
def test_what_is_allowed_is_not_taken_for_a_violation(module: str, source: str) -> None:
    assert violations(module, source) == []
