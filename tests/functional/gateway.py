"""The whole API in process: each request goes to the function that the gateway's routes send it to."""

from types import ModuleType
from typing import Any

from auth import handler as auth
from auth import passwords
from docs import handler as docs
from inventory import handler as inventory
from orders import handler as orders
from tests.functional.harness import Answer, invoke

_EXACT = {"/api/v1/auth/register": passwords, "/api/v1/auth/login": passwords}
_GROUPS = {"/api/v1/auth": auth, "/api/v1/inventory": inventory, "/api/v1/orders": orders}


def function_of(path: str) -> ModuleType:
    if path in _EXACT:
        return _EXACT[path]
    return next((function for group, function in _GROUPS.items() if f"{path}/".startswith(f"{group}/")), docs)


def call(method: str, path: str, body: Any = None, **options: Any) -> Answer:
    """`path` with its query. Otherwise as `invoke`."""
    path, _, query = path.partition("?")
    return invoke(function_of(path), method, path, body, **({"query": query} if query else {}), **options)
