"""Who may import whom. Each rule also meets a made-up violation, so that a rule that has gone blind is noticed."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED = ROOT / "layers/shared/python"
FUNCTIONS = {path.name for path in (ROOT / "functions").iterdir() if (path / "__init__.py").exists()}
TIERS = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "support"} - {"__pycache__"}
DOMAINS = {path.parent.name for path in (SHARED / "oms").glob("*/__init__.py")}

EVENT_AND_RESPONSE = (
    "aws_lambda_powertools.event_handler",
    "aws_lambda_powertools.utilities.batch",
    "aws_lambda_powertools.utilities.data_classes",
    "aws_lambda_powertools.utilities.typing",
)
HTTP = ("oms.admission", "oms.api", "oms.serving")
# A client made by these takes another region than AWS_REGION says; `oms.aws` has the one session for all.
# The client for reading much takes answers without decoding them, which a session of its own is set up for.
SESSIONS = {"oms.aws", "oms.json_reads"}
MAKES_CLIENTS = ("boto3", "botocore.session")
# Tables without any I/O: they know nothing of the rest, so anyone may know them.
PURE = {"oms.orders.states", "oms.inventory.bands"}
# What models are made of. `pages` for how an index is described.
BENEATH_MODELS = {"oms.settings", "oms.dynamodb", "oms.pages", *PURE}
# What schemas are made of, beside their own models. The two of identity check the form of a value.
BENEATH_SCHEMAS = {
    "oms.money",
    "oms.schemas",
    "oms.settings",
    "oms.orders.filters",
    "oms.orders.states",
    "oms.exports.columns",
    "oms.emails",
    "oms.texts",
    "oms.identity.password_rules",
}


def imported(module: str, source: str) -> Iterator[str]:
    """Every module that a source text imports, names taken from a package included: `oms`, `oms.clock`, …

    What is imported for the type checker alone does not count.
    """
    tree = ast.parse(source)
    for_types = {id(node) for block in ast.walk(tree) if _is_for_types(block) for node in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(module.split(".")[: -node.level]) if node.level else ""
            origin = ".".join(part for part in (package, node.module) if part)
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


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
    if top == "oms":
        strangers = FUNCTIONS | {"infra", "local", "tests"}
        found += [f"shared code imports {name}" for name in names if name.split(".")[0] in strangers]
    if top != "tests" and rest[:1] != ["commands"]:
        found += [f"imports an operator's command: {name}" for name in names if name.startswith("oms.commands")]
    if top == "oms" and len(rest) == 2 and rest[0] != "commands":
        found += _of_domain(module, names)
    if top == "tests" and rest[0] in TIERS:
        found += [f"tests of a tier import {name}" for name in names if _is_of_tests_alone(name, tier=rest[0])]
    if top == "tests" and rest[0] == "support":
        found += [
            f"helpers of tests import {name}"
            for name in names
            if name.split(".")[:2] in [["tests", it] for it in TIERS]
        ]
    if (top == "oms" or top in FUNCTIONS) and module != "oms.settings":
        found += _of_environment(source)
    if top in {"oms", "infra", *FUNCTIONS} and module not in SESSIONS:
        found += [f"makes AWS clients beside oms.aws: {name}" for name in names if name.startswith(MAKES_CLIENTS)]
    return sorted(found)


def _is_of_tests_alone(name: str, *, tier: str) -> bool:
    """Whether it belongs to another tier of tests, or is a module of tests: what two need is in `tests.support`."""
    top, *rest = name.split(".")
    if top != "tests" or not rest or rest[0] == "support":
        return False
    return rest[0] != tier or any(part.startswith("test_") for part in rest)


def _of_domain(module: str, names: set[str]) -> list[str]:
    _, domain, name = module.split(".")
    ours = {it for it in (".".join(full.split(".")[:3]) for full in names) if it.startswith("oms.") and _is_module(it)}
    if module in PURE:
        return [f"pure table imports {it}" for it in names if it.split(".")[0] not in ("dataclasses", "enum")]
    if name == "models":
        return [f"models import {it}" for it in ours - BENEATH_MODELS]
    if name == "schemas":
        return [f"schemas import {it}" for it in ours - BENEATH_SCHEMAS - {f"oms.{domain}.models"}]
    foreign = [
        it for it in ours if it.split(".")[1] in DOMAINS - {domain} and not it.endswith(".models") and it not in PURE
    ]
    http = [it for it in names if it.startswith(EVENT_AND_RESPONSE) or it in HTTP]
    return [f"service imports {it}" for it in (*foreign, *http)]


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
    roots = [SHARED, ROOT / "functions", ROOT, ROOT]
    folders = [SHARED / "oms", ROOT / "functions", ROOT / "infra", ROOT / "tests"]
    return {
        ".".join(path.relative_to(root).with_suffix("").parts): path
        for root, folder in zip(roots, folders, strict=True)
        for path in folder.rglob("*.py")
    }


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_module_imports_only_what_it_may(module: str) -> None:
    assert violations(module, modules()[module].read_text()) == []


def test_the_rules_see_the_modules_they_are_about() -> None:
    assert {"oms.orders.service", "orders.handler", "infra.app", "oms.settings", *PURE} <= modules().keys()


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
        ("oms.orders.service", "from oms.api import current_user"),
        ("oms.orders.service", "from oms import api"),
        ("oms.orders.service", "from oms.serving import serve"),
        ("oms.orders.service", "from aws_lambda_powertools.event_handler import Response"),
        ("oms.orders.expiry", "from aws_lambda_powertools.utilities.typing import LambdaContext"),
        ("oms.orders.service", "from orders.handler import app"),
        ("oms.orders.models", "from oms.orders import service"),
        ("oms.orders.models", "from oms.money import to_text"),
        ("oms.orders.models", "from . import service"),
        ("oms.orders.models", "from ..money import to_text"),
        ("oms.orders.schemas", "from oms.orders.service import place_order"),
        ("oms.orders.schemas", "from oms.dynamodb import client"),
        ("oms.orders.schemas", "from oms.inventory.models import Product"),
        ("oms.orders.states", "from oms import clock"),
        ("oms.orders.states", "import datetime"),
        ("infra.stack", "from oms.settings import settings"),
        ("infra.stack", "from orders import handler"),
        ("oms.clock", "import os\nos.environ['X']"),
        ("oms.clock", "import os\nos.getenv('X')"),
        ("orders.handler", "from os import environ"),
        ("oms.queues", "import boto3"),
        ("oms.redrive", "def late():\n    from boto3 import client"),
        ("sweeper.handler", "import boto3.session"),
        ("orders.handler", "from oms.commands import smoke"),
        ("oms.orders.service", "import oms.commands.smoke"),
        ("oms.redrive", "from botocore import session"),
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
        ("oms.orders.service", "from oms import clock\nfrom aws_lambda_powertools import Logger"),
        ("oms.orders.schemas", "if TYPE_CHECKING:\n    from oms.orders.pricing import Quote"),
        ("oms.settings", "import os\nos.environ"),
        ("oms.aws", "import boto3"),
        ("oms.commands.smoke", "from oms.orders import service\nfrom oms.identity import service"),
        ("oms.commands.smoke", "from oms.commands import region"),
        ("oms.queues", "from botocore.config import Config"),
        ("tests.faults.test_mail", "from tests.support.mail import notify\nfrom tests.faults.conftest import shop"),
        ("tests.support.mail", "from tests.support.invocation import Context"),
    ],
)
def test_what_is_allowed_is_not_taken_for_a_violation(module: str, source: str) -> None:
    assert violations(module, source) == []
