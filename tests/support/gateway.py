"""The whole API in process: each request goes to the function of its route in the gateway."""

from types import ModuleType
from typing import Any

from admin import handler as admin
from auth import handler as auth
from auth import passwords
from docs import handler as docs
from inventory import handler as inventory
from orders import handler as orders
from reports import handler as reports
from tests.support.invocation import Answer, invoke
from webhooks import handler as webhooks

_PASSWORDS = ("register", "login", "password", "password/forgot", "password/reset", "me/email")
_EXACT = {f"/api/v1/auth/{route}": passwords for route in _PASSWORDS}
_GROUPS = {
    "/api/v1/auth": auth,
    "/api/v1/shop": auth,
    "/api/v1/inventory": inventory,
    "/api/v1/orders": orders,
    "/api/v1/webhooks": webhooks,
    "/api/v1/events": webhooks,
    "/api/v1/admin": admin,
    "/api/v1/reports": reports,
    "/api/v1/imports": reports,
}


def function_of(path: str) -> ModuleType:
    if path in _EXACT:
        return _EXACT[path]
    return next((function for group, function in _GROUPS.items() if f"{path}/".startswith(f"{group}/")), docs)


def call(method: str, path: str, body: Any = None, **options: Any) -> Answer:
    """Sends a request; `path` has the query. The other arguments are those of `invoke`."""
    path, _, query = path.partition("?")
    return invoke(function_of(path), method, path, body, **({"query": query} if query else {}), **options)


def assert_problem(answer: Answer, status: int, code: str) -> Any:
    """Asserts that the answer is a problem response of the contract, and returns its content."""
    assert answer.status == status, f"{answer.status} {answer.text}"
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json
    assert problem["code"] == code, answer.text
    assert problem["status"] == status
    assert problem["type"] == f"/docs/errors#{code}"
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"].startswith("/")
    return problem


def places(answer: Answer) -> set[str]:
    """Returns the places that a 422 names: `#/items/0`, `?limit`, `If-Match:`."""
    errors = assert_problem(answer, 422, "validation-failed")["errors"]
    marks = {"pointer": "{}", "parameter": "?{}", "header": "{}:"}
    assert all(len(error) == 2 and error["detail"] for error in errors), errors
    return {marks[where].format(error[where]) for error in errors for where in error if where != "detail"}
