"""The errors that a route can raise, found by following the calls in its code.

The code is parsed, not run. From the names in it, the search continues in functions, in all methods of this project's
classes, and in the functions that constants contain. An error counts where it is created, unless a `try` around the
call catches it. `tests/support/contract.py` finds missing errors, since it requires each response in a test to be
documented.
"""

import ast
import builtins
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from types import FunctionType, ModuleType
from typing import Any

from oms.core.errors import OmsError

type Errors = frozenset[type[OmsError]]

_NONE: Errors = frozenset()
# The functions in progress, so that a recursive call ends.
_in_progress: set[FunctionType] = set()


def errors_of(function: Callable[..., Any]) -> Errors:
    """Returns the types of errors that the function may raise."""
    return _errors_of(inspect.unwrap(function)) if isinstance(function, FunctionType) else _NONE


@cache
def _errors_of(function: FunctionType) -> Errors:
    if function in _in_progress:
        return _NONE
    _in_progress.add(function)
    try:
        return _Reader(function).raised(_source(function))
    finally:
        _in_progress.discard(function)


@cache
def _source(function: FunctionType) -> ast.AST:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError):  # a lambda in an expression is read with the surrounding function
        return ast.Module([], [])


class _Reader:
    """A reader of one function's code. It finds errors, and resolves names as the function does."""

    def __init__(self, function: FunctionType) -> None:
        self._names = {**vars(builtins), **function.__globals__, **inspect.getclosurevars(function).nonlocals}

    def raised(self, node: ast.AST) -> Errors:
        match node:
            case ast.Try(body, handlers, orelse, finalbody):
                return self._after_handlers(body, handlers) | self._of_all([*handlers, *orelse, *finalbody])
            case ast.With(items, body):
                suppressed = [error_type for item in items for error_type in self._suppressed(item.context_expr)]
                return self._of_all(items) | _without(self._of_all(body), suppressed)
            case ast.ExceptHandler(body=body):
                return self._of_all(body)
            case ast.Call(func=function):
                created = self._created(function)
                return created | self._of_all(ast.iter_child_nodes(node))
            case ast.Raise(exc=ast.Name() as name):
                return self._created(name)
            case ast.Name() | ast.Attribute():
                return self._referenced(node)
        return self._of_all(ast.iter_child_nodes(node))

    def _of_all(self, nodes: Iterable[ast.AST]) -> Errors:
        return _NONE.union(*(self.raised(node) for node in nodes))

    def _after_handlers(self, body: list[ast.stmt], handlers: list[ast.ExceptHandler]) -> Errors:
        ended = [handler for handler in handlers if not _raises_again(handler)]
        return _without(
            self._of_all(body), [error_type for handler in ended for error_type in self._types(handler.type)]
        )

    def _suppressed(self, context: ast.expr) -> list[type]:
        match context:
            case ast.Call(func=ast.Name("suppress"), args=args):
                return [error_type for arg in args for error_type in self._types(arg)]
        return []

    def _types(self, node: ast.expr | None) -> list[type]:
        named = node.elts if isinstance(node, ast.Tuple) else [] if node is None else [node]
        return [error_type for error_type in map(self._resolved, named) if isinstance(error_type, type)]

    def _created(self, node: ast.expr) -> Errors:
        """Returns the error that a call creates: `XError(…)` or, by a class method, `XError.at(…)`."""
        for part in (node, node.value) if isinstance(node, ast.Attribute) else (node,):
            found = self._resolved(part)
            if isinstance(found, type) and issubclass(found, OmsError):
                return frozenset([found])
        return _NONE

    def _referenced(self, node: ast.expr) -> Errors:
        found = self._resolved(node)
        if found is None and isinstance(node, ast.Attribute):
            return self.raised(node.value)
        return _NONE.union(*(_errors_of(function) for function in _functions(found)))

    def _resolved(self, node: ast.expr) -> Any:
        match node:
            case ast.Name(name):
                return self._names.get(name)
            case ast.Attribute(value, name):
                owner = self._resolved(value)
                return inspect.getattr_static(owner, name, None) if isinstance(owner, ModuleType | type) else None
        return None


def _without(errors: Errors, caught: list[type]) -> Errors:
    return frozenset(error for error in errors if not issubclass(error, tuple(caught)))


def _raises_again(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler))


def _functions(found: Any, depth: int = 2) -> Iterator[FunctionType]:
    """Yields this project's functions in a value: the value itself, its members, or the methods of a class."""
    if isinstance(found, staticmethod | classmethod):
        found = found.__func__
    elif isinstance(found, property | partial):
        found = found.fget if isinstance(found, property) else found.func
    if hasattr(found, "__wrapped__"):
        found = inspect.unwrap(found)
    if isinstance(found, FunctionType):
        if _is_ours(found.__module__):
            yield found
    elif isinstance(found, type):
        if _is_ours(found.__module__) and not issubclass(found, BaseException):
            for member in vars(found).values():
                if isinstance(member, FunctionType | staticmethod | classmethod | property):
                    yield from _functions(member)
    elif depth:
        yield from _held(found, depth)


def _held(found: Any, depth: int) -> Iterator[FunctionType]:
    if isinstance(found, dict | list | tuple):
        for value in found.values() if isinstance(found, dict) else found:
            yield from _functions(value, depth - 1)
    elif _is_ours(type(found).__module__):
        yield from _functions(type(found))
        for value in getattr(found, "__dict__", {}).values():
            yield from _functions(value, depth - 1)


def _is_ours(module: str | None) -> bool:
    return (module or "").partition(".")[0] in {"oms", *_GROUPS}


_GROUPS = ("admin", "auth", "docs", "inventory", "orders", "reports", "webhooks")
