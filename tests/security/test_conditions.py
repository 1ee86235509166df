"""A client that protects a change by a condition is protected: each route honours the condition or refuses it."""

from typing import Any

import pytest

from oms.core.settings import settings
from tests.support.aws_calls import Call, intercepted
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer
from tests.support.roles import OPERATIONS, RULES, World, world
from tests.support.webhooks import subscribe

__all__ = ["world"]

CHANGES = [name for name, (_, method, _) in OPERATIONS.items() if method != "GET"]
HONOURED = {"$ref": "#/components/parameters/IfMatch"}
VERSIONED = [name for name in CHANGES if HONOURED in OPERATIONS[name][2].get("parameters", [])]
ASKERS = {"-": "owner", "C": "owner", "M": "manager", "A": "admin"}


def change(world: World, name: str, headers: dict[str, str]) -> tuple[Answer, list[Call]]:
    """The answer to a valid request with these headers, and the calls that wrote something, but for the audit log."""
    path, method, _ = OPERATIONS[name]
    rule = RULES[name]
    filled, body, token = path.format(**rule.path(world)), rule.body(world), world.people[ASKERS[rule.who]].token
    made: list[Call] = []

    def noted(it: Call) -> Any:
        answer = it.send()
        made.append(it)
        return answer

    with intercepted(noted):
        answer = call(method, filled, body, token=token, headers=headers)
    return answer, [it for it in made if it.writes and it.parameters.get("TableName") != settings().audit_table]


def test_the_routes_that_honour_a_version_are_the_changes_of_things_that_have_one() -> None:
    moves = {f"{move}_order" for move in ("cancel", "confirm", "ship", "deliver", "return")}
    users = {"update_me", "change_password", "change_role", "change_status"}
    webhooks = {"update_webhook", "delete_webhook", "rotate_webhook_secret"}

    assert moves | users | webhooks | {"replace_product", "cancel_export"} <= set(VERSIONED)


@pytest.mark.parametrize("name", VERSIONED)
def test_a_stale_version_changes_nothing_and_the_answer_has_the_current_one(world: World, name: str) -> None:
    answer, writes = change(world, name, {"If-Match": '"999"'})

    assert_problem(answer, 412, "stale-version")
    assert answer.headers["ETag"].strip('"').isdecimal()
    assert [it.operation for it in writes if name != "change_password"] == [], "attempts at a password are counted"


@pytest.mark.parametrize("name", [name for name in CHANGES if name not in VERSIONED])
def test_a_condition_that_would_be_passed_over_is_refused(world: World, name: str) -> None:
    answer, writes = change(world, name, {"If-Match": '"1"'})

    assert places(answer) == {"If-Match:"}
    assert writes == []


@pytest.mark.parametrize("name", ["delete_webhook", "create_order", "update_me"])
def test_if_none_match_on_a_change_is_refused(world: World, name: str) -> None:
    answer, writes = change(world, name, {"If-None-Match": "*"})

    assert places(answer) == {"If-None-Match:"}
    assert writes == []


@pytest.mark.parametrize("name", ["adjust_stock", "create_order", "delete_webhook", "log_in"])
def test_that_a_thing_exists_is_no_condition_that_is_refused(world: World, name: str) -> None:
    answer, _ = change(world, name, {"If-Match": "*"})

    assert answer.status < 300, answer.text


def test_the_current_version_deletes_and_rotates(world: World) -> None:
    admin = world.people["admin"].token
    path = f"/api/v1/webhooks/{subscribe().id}"
    first = call("GET", path, token=admin).headers["ETag"]

    rotated = call("POST", f"{path}/rotate-secret", token=admin, headers={"If-Match": first})
    stale = call("DELETE", path, token=admin, headers={"If-Match": first})
    deleted = call("DELETE", path, token=admin, headers={"If-Match": stale.headers["ETag"]})

    assert (rotated.status, stale.status, deleted.status) == (200, 412, 204)
    assert stale.headers["ETag"] == rotated.headers["ETag"] != first
