"""Scopes: what a service key may do. Each operation that keys may call names one of them."""

from typing import Literal, get_args

Scope = Literal[
    "catalogue:read",
    "catalogue:write",
    "stock:write",
    "orders:read",
    "orders:create",
    "orders:manage",
    "customers:read",
    "events:read",
    "webhooks:manage",
    "reports:read",
    "imports:write",
]
SCOPES: tuple[Scope, ...] = get_args(Scope)
# The scopes whose operations include some that only admins may call.
_OF_ADMINS: frozenset[Scope] = frozenset(("customers:read", "webhooks:manage"))


def scopes_of(role: str) -> frozenset[Scope]:
    """Returns the scopes that a role has. A key cannot get a scope that the user who grants it lacks."""
    match role:
        case "admin":
            return frozenset(SCOPES)
        case "manager":
            return frozenset(SCOPES) - _OF_ADMINS
        case _:
            return frozenset()
