"""A14: every route × every role × one's own thing and another's, generated from the OpenAPI document.

The rules are in `tests.support.roles`: a new route without a rule fails, and so does a route that lets in whom it
should not.
"""

from typing import Any

import pytest

from oms.core.settings import settings
from tests.support.aws_calls import Call, intercepted
from tests.support.gateway import call
from tests.support.roles import ASKERS, DOCUMENT, OPERATIONS, RULES, World, ask, world

__all__ = ["world"]


def written(calls: list[Call]) -> set[str]:
    """The tables that some calls wrote to, but for the audit log."""
    tables: set[str] = set()
    for made in calls:
        if made.writes:
            operations = made.parameters.get("TransactItems") or [{"": made.parameters}]
            tables |= {next(iter(it.values()))["TableName"] for it in operations}
    return tables - {settings().audit_table}


def test_every_operation_has_a_rule() -> None:
    assert OPERATIONS.keys() == RULES.keys()


@pytest.mark.parametrize("name", RULES)
def test_the_document_says_who_may_call(name: str) -> None:
    _, _, operation = OPERATIONS[name]

    assert operation["x-role"] == {"-": "public", "C": "customer", "M": "manager", "A": "admin"}[RULES[name].who]
    assert "security" not in DOCUMENT, "what stands there would hold for routes that do not name it"
    optional = [{}] if name == "log_out" else []  # a refresh token in the body does as well
    assert operation["security"] == ([{"accessToken": []}, *optional] if RULES[name].who != "-" or optional else [])


@pytest.mark.parametrize("asker", ASKERS)
@pytest.mark.parametrize("name", RULES)
def test_a14_a_route_lets_in_whom_the_contract_says_and_a_refusal_writes_nothing(
    world: World, name: str, asker: str
) -> None:
    request = ask(world, name, asker)
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
def test_a14_anothers_thing_is_answered_as_one_that_is_not_there(world: World, name: str) -> None:
    path, method, _ = OPERATIONS[name]
    filled = path.format(**RULES[name].path(world))
    nowhere = path.format(**dict.fromkeys(("order_id", "session_id"), "0" * 20))
    stranger = world.people["stranger"].token

    theirs, none = (call(method, it, RULES[name].body(world), token=stranger) for it in (filled, nowhere))

    assert (theirs.status, none.status) == (404, 404)
    assert {**theirs.json, "instance": ""} == {**none.json, "instance": ""}
