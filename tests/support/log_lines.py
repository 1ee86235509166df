"""The log lines that the code of a function writes, read from its source without running it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.metrics import closure, path_of

METHODS = ("debug", "info", "warning", "error", "exception")
# Powertools adds these to each line.
COMMON_FIELDS = frozenset({"level", "location", "message", "timestamp", "service", "exception", "exception_name"})


@dataclass(frozen=True)
class LogLines:
    """The constant messages of a function's log lines, the names of their fields, and all texts of the code."""

    messages: frozenset[str]
    fields: frozenset[str]
    texts: frozenset[str]


def logged_by(handler: str) -> LogLines:
    """Returns the lines that the handler (`auth.handler.lambda_handler`) and its imports may write."""
    files = closure(path_of(handler.rpartition(".")[0]))
    found = [_lines(path) for path in files]
    return LogLines(
        frozenset().union(*(it.messages for it in found)),
        COMMON_FIELDS.union(*(it.fields for it in found)),
        frozenset().union(*(it.texts for it in found)),
    )


@cache
def _lines(path: Path) -> LogLines:
    tree = ast.parse(path.read_text())
    calls = list(_calls(tree))
    constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return LogLines(
        frozenset(text for call in calls for text in _messages(call)),
        frozenset(keyword.arg for call in calls for keyword in call.keywords if keyword.arg),
        frozenset(it for it in constants if isinstance(it, str)),
    )


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Yields the calls of a logger, and the calls that pass the message of one as `failure`."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="logger"), attr=name)) if name in (
                *METHODS,
                "append_keys",
            ):
                yield node
            case ast.Call(func=ast.Name(id="log")):
                yield node
            case ast.Call(keywords=keywords) if any(it.arg == "failure" for it in keywords):
                yield node


def _messages(call: ast.Call) -> Iterator[str]:
    for value in (*call.args[:1], *(it.value for it in call.keywords if it.arg == "failure")):
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value.value
