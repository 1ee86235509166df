"""The metrics that the code of a function emits, read from its source without running it."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (ROOT / "functions", ROOT / "layers/shared/python")
CAMEL_CASE = re.compile(r"([A-Z][a-z]+)+")


def emitted_by(handler: str) -> set[re.Pattern[str]]:
    """Returns the names, as patterns, that the handler (`auth.handler.lambda_handler`) and its imports may emit."""
    return {name for path in closure(path_of(handler.rpartition(".")[0])) for name in _names(path)}


@cache
def _names(path: Path) -> frozenset[re.Pattern[str]]:
    tree = ast.parse(path.read_text())
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_metric"
    ]
    found: set[re.Pattern[str]] = set()
    for call in calls:
        name = call.args[0] if call.args else next(it.value for it in call.keywords if it.arg == "name")
        match name:
            case ast.Constant(value=str(text)):
                found.add(re.compile(re.escape(text)))
            case ast.JoinedStr(values=[ast.Constant(value=str(prefix)), ast.FormattedValue()]):
                found.add(re.compile(re.escape(prefix) + r"[A-Z]\w+"))
            case _:  # a variable: its values are constants of the module
                found |= {re.compile(re.escape(text)) for text in _handed_on(tree)}
    return frozenset(found)


def _handed_on(tree: ast.Module) -> Iterator[str]:
    """Returns the constants that a module passes to its own functions or has as the values of a table."""
    for node in ast.walk(tree):
        values = node.args if isinstance(node, ast.Call) else node.values if isinstance(node, ast.Dict) else []
        for value in values:
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and CAMEL_CASE.fullmatch(value.value):
                yield value.value


@cache
def closure(start: Path) -> frozenset[Path]:
    """Returns a module's file, and those of all modules of the system that it imports, directly or not."""
    found: set[Path] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imported(path)
    return frozenset(found)


def _imported(path: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [it.name for it in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{it.name}" for it in node.names)]
        yield from (found for name in names if (found := _find(name)))


def path_of(module: str) -> Path:
    """Returns the file of a module of a function or of the shared code."""
    found = _find(module)
    assert found, f"{module} is not found in functions/ or the shared layer"
    return found


def _find(module: str) -> Path | None:
    parts = module.replace(".", "/")
    candidates = [source / name for source in SOURCES for name in (f"{parts}.py", f"{parts}/__init__.py")]
    return next((it for it in candidates if it.is_file()), None)
