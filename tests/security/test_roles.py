"""A14: every route × every role × the caller's own resource and another user's, generated from the OpenAPI document.

The rules are in `tests.support.roles`: a new route without a rule fails, and so does a route that admits other roles.
"""

from typing import Any

import pytest

from oms.core.settings import settings
from tests.support.aws_calls import Call, intercepted
from tests.support.gateway import call
from tests.support.roles import CALLERS, DOCUMENT, OPERATIONS, RULES, AccessScenario, ask, scenario

__all__ = ["scenario"]


def written(calls: list[Call]) -> set[str]:
    """Returns the tables that some calls wrote to, except the audit log."""
    tables: set[str] = set()
    for made in calls:
        if made.writes:
            operations = made.parameters.get("TransactItems") or [{"": made.parameters}]
            tables |= {next(iter(it.values()))["TableName"] for it in operations}
    return tables - {settings().audit_table}


def test_every_operation_has_a_rule() -> None:
    assert OPERATIONS.keys() == RULES.keys()


@pytest.mark.parametrize("name", RULES)
def test_the_document_names_the_roles_that_may_call(name: str) -> None:
    _, _, operation = OPERATIONS[name]

    assert operation["x-role"] == {"-": "public", "C": "customer", "M": "manager", "A": "admin"}[RULES[name].who]
    assert "security" not in DOCUMENT, "the default would apply to routes that do not name it"
    # A refresh token in the cookie or in the body is also enough.
    optional: list[dict[str, list[str]]] = [{"refreshCookie": []}, {}] if name == "log_out" else []
    if "x-scope" in operation:  # see test_scopes
        optional = [{"serviceKey": []}]
    assert operation["security"] == ([{"accessToken": []}, *optional] if RULES[name].who != "-" or optional else [])


@pytest.mark.parametrize("asker", CALLERS)
@pytest.mark.parametrize("name", RULES)
def test_a14_a_route_lets_in_whom_the_contract_says_and_a_refusal_writes_nothing(
    scenario: AccessScenario, name: str, asker: str
) -> None:
    request = ask(scenario, name, asker)
    expected = RULES[name].status(asker)

    made: list[Call] = []

    def noted(call: Call) -> Any:
        answer = call.send()
        made.append(call)  # unless it was refused
        return answer

    with intercepted(noted):
        answer = request()

    if expected is None:
        assert answer.status < 300, answer.text
    else:
        assert answer.status == expected, answer.text
        assert written(made) == set()


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.private and rule.who == "C"])
def test_a14_another_users_resource_is_answered_as_a_missing_one(scenario: AccessScenario, name: str) -> None:
    path, method, _ = OPERATIONS[name]
    filled = path.format(**RULES[name].path(scenario))
    nowhere = path.format(**dict.fromkeys(("order_id", "session_id", "address_id"), "0" * 20))
    stranger = scenario.people["stranger"].token

    theirs, none = (call(method, it, RULES[name].body(scenario), token=stranger) for it in (filled, nowhere))

    assert (theirs.status, none.status) == (404, 404)
    assert {**theirs.json, "instance": ""} == {**none.json, "instance": ""}
