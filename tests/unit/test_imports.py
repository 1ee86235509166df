"""The rules of imports. Each is also tried with an invented violation, so that a rule without effect is noticed."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import accumulate
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
    "service_keys",
    "request_log",
    "http",
    "orders",
    "search",
    "webhooks",
    "stock_ledger",
    "reports",
    "exports",
    "imports",
    "schedules",
    "mail",
    "publishing",
    "commands",
)
# These packages import only each other's models and pure tables.
DOMAINS = ("feed", "inventory", "identity", "service_keys", "orders", "webhooks")

# Only `oms.http` and `oms.events.consumers` may import these.
EVENT_AND_RESPONSE = (
    "aws_lambda_powertools.event_handler",
    "aws_lambda_powertools.utilities.batch",
    "aws_lambda_powertools.utilities.data_classes",
    "aws_lambda_powertools.utilities.typing",
)
# A client of these uses another region than AWS_REGION; `oms.core.aws` has the one session for all clients.
# The client for large reads gets answers without decoding them, for which it has its own session.
SESSIONS = {"oms.core.aws", "oms.core.json_reads"}
MAKES_CLIENTS = ("boto3", "botocore.session")
# Tables without I/O: they import no other module, so every module may import them.
PURE = {"oms.orders.states", "oms.inventory.stock_levels"}
# Modules of a domain that other domains may import: orders draw units from the shards of the stock.
OPEN_TO_DOMAINS = {"oms.inventory.shards", "oms.inventory.shard_snapshots"}
# Further modules that schemas may import, besides `oms.core`, pure tables and their own models: other schemas that are
# part of them, the scopes, and two modules that check the form of a value.
BENEATH_SCHEMAS = {
    "oms.orders.buyer_schemas",
    "oms.orders.content_schemas",
    "oms.orders.filters",
    "oms.orders.schemas",
    "oms.exports.columns",
    "oms.exports.schemas",
    "oms.identity.password_rules",
    "oms.identity.schemas",
    "oms.inventory.schemas",
    "oms.service_keys.scopes",
    "oms.stock_ledger.effects",
}


def imported(module: str, source: str) -> Iterator[str]:
    """Returns every module that a source text imports, with names from a package: `oms`, `oms.core.clock`, …

    Imports for the type checker alone count too.
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
    """Returns the violations of a module (`orders.handler`, `oms.orders.service`, `infra.app`), one line each."""
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
    """Whether it belongs to another tier of tests, or is a module of tests: shared code is in `tests.support`."""
    top, *rest = name.split(".")
    if top != "tests" or not rest or rest[0] == "support":
        return False
    return rest[0] != tier or any(part.startswith("test_") for part in rest)


def _of_layers(module: str, names: set[str]) -> list[str]:
    """Returns violations of the order of the packages, and of the rules for a kind of module in them."""
    ours = {it for it in (_module_of(name) for name in names) if it and it != module}
    if module.count(".") < 2:
        return [f"the package imports {it}" for it in ours]
    package, name = _package(module), module.rpartition(".")[2]
    if module in PURE:
        return [f"pure table imports {it}" for it in names if it.split(".")[0] not in ("dataclasses", "enum")]
    found = [f"{package} imports {it}, of a later package" for it in ours if _level(it) > _level(module)]
    # By `from oms import orders`, for example, whose modules would be used without an import of them.
    whole = [it for it in names if _is_package(it) and not any(name.startswith(f"{it}.") for name in names)]
    found += [f"imports the whole package {it}" for it in whole]
    if name == "models":
        return found + [f"models import {it}" for it in ours - PURE if _package(it) != "core"]
    if name.endswith("schemas") and package != "core":
        allowed = BENEATH_SCHEMAS | PURE | {f"oms.{package}.models"}
        return found + [f"schemas import {it}" for it in ours - allowed if _package(it) != "core"]
    if package in DOMAINS:
        strange = [it for it in ours - PURE if _package(it) in DOMAINS and _package(it) != package]
        found += [
            f"{package} imports {it}" for it in strange if not it.endswith(".models") and it not in OPEN_TO_DOMAINS
        ]
    if package != "http":
        mine = (*EVENT_AND_RESPONSE, "oms.http") if module != "oms.events.consumers" else ("oms.http",)
        found += [f"imports {it}" for it in names if it.startswith(mine)]
    return found


def _package(module: str) -> str:
    return module.split(".")[1]


def _level(module: str) -> int:
    return LAYERS.index(_package(module))


def _module_of(name: str) -> str | None:
    """Returns the module of `oms` that has this name, or defines it; None for other names, and for packages."""
    parts = name.split(".")
    while len(parts) > 1 and parts[0] == "oms":
        if _is_module(".".join(parts)):
            return ".".join(parts)
        parts.pop()
    return None


def _is_module(name: str) -> bool:
    path = SHARED.joinpath(*name.split("."))
    return path.with_suffix(".py").exists()


def _is_package(name: str) -> bool:
    return name.startswith("oms.") and SHARED.joinpath(*name.split("."), "__init__.py").exists()


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


def test_each_package_describes_its_content() -> None:
    packages = list((SHARED / "oms").rglob("__init__.py"))
    assert [path for path in packages if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_no_modules_import_each_other() -> None:
    """Not through other modules either, in shared code, functions, infrastructure, local cloud and tests."""
    _require_no_circle({module: path.read_text() for module, path in modules().items()})


def test_a_circle_of_modules_is_found() -> None:
    sources = {
        "local.a": "from local.b import thread",
        "local.b": "def late():\n    from local import c",
        "local.c": "if TYPE_CHECKING:\n    import local.a",
    }
    with pytest.raises(CycleError, match=r"local\.a.*local\.[bc]"):
        _require_no_circle(sources)

    _require_no_circle(sources | {"local.c": "import local"})


def _require_no_circle(sources: dict[str, str]) -> None:
    """Raises CycleError, which names the circle. A package counts as the modules of it that are imported."""
    needs: dict[str, set[str]] = {}
    for module, source in sources.items():
        prefixes = (accumulate(name.split("."), "{}.{}".format) for name in imported(module, source))
        needs[module] = {it for names in prefixes for it in names if it in sources} - {module}
    TopologicalSorter(needs).prepare()


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
        ("oms.core.clock", "from oms import orders"),
        ("oms.commands.smoke", "import oms.orders"),
        ("oms.publishing.registry", "from oms.mail import content"),
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
def test_allowed_code_is_not_a_violation(module: str, source: str) -> None:
    assert violations(module, source) == []
