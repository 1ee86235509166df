"""PynamoDB's models, connections and transactions, without botocore's client.

PynamoDB imports that client and builds classes on it, which is a sixth of a function's start, and `oms.core.dynamodb`
replaces it. So empty modules take its place while PynamoDB is imported; other code finds the real modules. Only this
module depends on the names that PynamoDB imports from botocore: see `tests/unit/test_lean_pynamodb.py`.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NoReturn

import botocore.exceptions

_PARTS = ("client", "config", "credentials", "endpoint", "hooks", "model", "session", "signers")


def _refuse(*_: object, **__: object) -> NoReturn:
    raise TypeError("PynamoDB has no client of its own here: use oms.core.dynamodb")


class _Absent(ModuleType):
    """Replaces a module of botocore: it has botocore's exceptions, and a class without objects for any other name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(botocore.exceptions, name, None) or type(name, (), {"__init__": _refuse})


@contextmanager
def _without_client() -> Iterator[None]:
    """Replaces the modules of botocore's client, if it is not imported already."""
    missing = [] if "botocore.client" in sys.modules else [it for it in _PARTS if f"botocore.{it}" not in sys.modules]
    for part in missing:
        sys.modules[f"botocore.{part}"] = module = _Absent(f"botocore.{part}")
        setattr(botocore, part, module)
    try:
        yield
    finally:
        for part in missing:
            del sys.modules[f"botocore.{part}"]
            delattr(botocore, part)


with _without_client():
    from pynamodb.connection import Connection, TableConnection
    from pynamodb.connection.base import MetaTable
    from pynamodb.models import Model
    from pynamodb.transactions import TransactWrite

__all__ = ["Connection", "MetaTable", "Model", "TableConnection", "TransactWrite"]
