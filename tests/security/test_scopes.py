"""A34: every operation × every scope × every role, generated from the OpenAPI document.

The rules are in `tests.support.roles` and `tests.support.service_keys`: a new operation of keys fails without one.
"""

from typing import Any

import pytest

from oms.core.errors import ForbiddenError, InsufficientScopeError, UnauthenticatedError
from oms.http import admission
from oms.http.access_rules import RequestContext, current_request
from oms.service_keys.scopes import SCOPES, scopes_of
from tests.support.gateway import call, function_of
from tests.support.roles import OPERATIONS, RULES, WHO, AccessScenario, scenario
from tests.support.service_keys import OPERATIONS_OF, a_key

__all__ = ["scenario"]

# Sorted, as each process of a run must find the tests in the same order.
SCOPE_OF = {name: scope for scope, names in OPERATIONS_OF.items() for name in sorted(names)}
# The fields that keys must send, and users need not.
FIELDS_OF_KEYS = {"create_order": {"customer": {"email": "ada@example.org"}}}
ALLOWED = "allowed"
# Never by key: users' roles and status, the keys themselves, the audit log, the request log, the stock check and its
# repair, and a person's own account.
NEVER = (
    *("/api/v1/auth/", "/api/v1/admin/keys", "/api/v1/admin/audit", "/api/v1/admin/stock-check"),
    *("/api/v1/admin/users/{user_id}/", "/api/v1/admin/stats", "/api/v1/admin/requests"),
)


def outcome(name: str, token: str | None) -> str:
    """Returns `ALLOWED`, or the code of the refusal with the scope that it names, from the check before the route."""
    path, method, _ = OPERATIONS[name]
    filled = path.replace("{", "").replace("}", "")
    headers = {"authorization": f"Bearer {token}"} if token else {}
    http = {"method": method, "path": filled, "sourceIp": "198.51.100.1"}
    event = {"rawPath": filled, "requestContext": {"requestId": "r", "http": http, "stage": "$default"}}
    request = RequestContext(event, headers)
    app: Any = function_of(filled).app
    mark = current_request.set(request)
    try:
        admission.admit(app, request)
    except (ForbiddenError, UnauthenticatedError) as error:
        return error.code
    except InsufficientScopeError as error:
        return f"{error.code} {error.extra['scope']}"
    finally:
        current_request.reset(mark)
    return ALLOWED


@pytest.fixture
def callers(cloud: None, person: Any) -> dict[str, str]:
    """The tokens of a key of each scope, of a key of all, and of a person of each role."""
    keys: dict[str, str] = {scope: a_key(scope).text for scope in SCOPES}
    people = {role: person(role).token for role in ("customer", "manager", "admin")}
    return {**keys, "all scopes": a_key().text, **people}


def expected(name: str, caller: str) -> str:
    who, scope = RULES[name].who, SCOPE_OF.get(name)
    if who == "-":
        return ALLOWED
    if caller in ("customer", "manager", "admin"):
        return ALLOWED if {"customer": 1, "manager": 2, "admin": 3}[caller] >= WHO[who] else "forbidden"
    if scope is None:
        return "forbidden"
    return ALLOWED if caller in (scope, "all scopes") else f"insufficient-scope {scope}"


def test_a34_the_matrix_of_every_operation_every_scope_and_every_role(callers: dict[str, str]) -> None:
    found = {(name, caller): outcome(name, token) for name in OPERATIONS for caller, token in callers.items()}

    assert len(found) == len(RULES) * (len(SCOPES) + 4)
    assert found == {(name, caller): expected(name, caller) for name, caller in found}


def test_a34_without_a_token_no_operation_of_keys_is_allowed(cloud: None) -> None:
    assert {outcome(name, None) for name in SCOPE_OF} == {"unauthenticated"}


def test_every_scope_opens_an_operation() -> None:
    assert OPERATIONS_OF.keys() == set(SCOPES)
    assert SCOPE_OF.keys() <= RULES.keys()


@pytest.mark.parametrize("start", NEVER)
def test_a34_what_keys_may_never_do_names_no_scope(start: str) -> None:
    found = [operation for path, _, operation in OPERATIONS.values() if path.startswith(start)]

    assert found
    assert all("x-scope" not in it for it in found)


@pytest.mark.parametrize("name", RULES)
def test_the_document_names_the_scope_of_each_operation(name: str) -> None:
    _, _, operation = OPERATIONS[name]
    scope = SCOPE_OF.get(name)

    assert operation.get("x-scope") == scope
    assert ({"serviceKey": []} in operation["security"]) == (scope is not None)
    if RULES[name].who != "-":
        assert (f"scope `{scope}`" if scope else "No service keys.") in operation["description"]


def test_a34_a_scope_lets_a_key_do_nothing_that_its_maker_may_not() -> None:
    of_rank = {1: "customer", 2: "manager", 3: "admin"}

    for name, scope in SCOPE_OF.items():
        for rank, role in of_rank.items():
            assert scope not in scopes_of(role) or rank >= WHO[RULES[name].who], (name, role)


@pytest.mark.parametrize("name", SCOPE_OF)
def test_a_key_with_its_scope_alone_gets_an_answer_from_every_operation(scenario: AccessScenario, name: str) -> None:
    path, method, _ = OPERATIONS[name]
    filled, body = path.format(**RULES[name].path(scenario)), RULES[name].body(scenario)

    if name in FIELDS_OF_KEYS:
        body |= FIELDS_OF_KEYS[name]
    answer = call(method, filled, body, token=a_key(SCOPE_OF[name]).text)

    assert answer.status < 400, answer.text
