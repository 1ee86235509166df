"""Conditional requests: each route enforces the condition of a request, or refuses it."""

from collections.abc import Callable
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from oms.core.schemas import EmptyRequest
from oms.core.settings import settings
from oms.http import api
from oms.http.access_rules import PUBLIC
from oms.http.serving import RESOLVER_OPTIONS, serve
from tests.support.aws_calls import Call, intercepted
from tests.support.documented import with_required_query
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer
from tests.support.roles import OPERATIONS, RULES, AccessScenario, scenario
from tests.support.webhooks import subscribe

__all__ = ["scenario"]

CHANGES = [name for name, (_, method, _) in OPERATIONS.items() if method != "GET"]
HONOURED = {"$ref": "#/components/parameters/IfMatch"}
VERSIONED = [name for name in CHANGES if HONOURED in OPERATIONS[name][2].get("parameters", [])]
CALLER_OF_RULE = {"-": "owner", "C": "owner", "M": "manager", "A": "admin"}


def change(scenario: AccessScenario, name: str, headers: dict[str, str]) -> tuple[Answer, list[Call]]:
    """Returns the answer to a valid request with these headers, and its writes, except those to the audit log."""
    path, method, _ = OPERATIONS[name]
    rule = RULES[name]
    filled, body, token = (
        path.format(**rule.path(scenario)),
        rule.body(scenario),
        scenario.people[CALLER_OF_RULE[rule.who]].token,
    )
    made: list[Call] = []

    def noted(it: Call) -> Any:
        answer = it.send()
        made.append(it)
        return answer

    with intercepted(noted):
        answer = call(method, filled, body, token=token, headers=headers)
    return answer, [it for it in made if it.writes and it.parameters.get("TableName") != settings().audit_table]


def test_the_routes_that_honour_a_version_are_the_changes_of_resources_that_have_one() -> None:
    moves = {f"{move}_order" for move in ("cancel", "confirm", "ship", "deliver", "return")}
    users = {"update_me", "change_password", "change_role", "change_status"}
    webhooks = {"update_webhook", "delete_webhook", "rotate_webhook_secret"}

    assert moves | users | webhooks | {"replace_product", "cancel_export"} <= set(VERSIONED)


@pytest.mark.parametrize("name", VERSIONED)
def test_a_stale_version_changes_nothing_and_the_answer_has_the_current_one(
    scenario: AccessScenario, name: str
) -> None:
    answer, writes = change(scenario, name, {"If-Match": '"999"'})

    assert_problem(answer, 412, "stale-version")
    assert answer.headers["ETag"].strip('"').isdecimal()
    assert [it.operation for it in writes if name != "change_password"] == [], "attempts at a password are counted"


@pytest.mark.parametrize("name", [name for name in CHANGES if name not in VERSIONED])
def test_a_condition_that_would_be_passed_over_is_refused(scenario: AccessScenario, name: str) -> None:
    answer, writes = change(scenario, name, {"If-Match": '"1"'})

    assert places(answer) == {"If-Match:"}
    assert writes == []


READS = [
    name for name, (_, method, operation) in OPERATIONS.items() if method == "GET" and operation.get("x-head", True)
]


def reader(scenario: AccessScenario, name: str) -> Callable[..., Answer]:
    """Reads one resource repeatedly, with different conditions."""
    path, _, operation = OPERATIONS[name]
    rule = RULES[name]
    filled, token = (
        with_required_query(path.format(**rule.path(scenario)), operation),
        scenario.people[CALLER_OF_RULE[rule.who]].token,
    )
    return lambda method, **headers: call(
        method, filled, token=token, headers={it.replace("_", "-"): value for it, value in headers.items()}
    )


def shows_version(name: str) -> bool:
    etag = OPERATIONS[name][2]["responses"]["200"]["headers"].get("ETag")
    # Lists of the public catalogue have one in responses to requests without a token alone.
    return etag is not None and etag.get("required", True)


@pytest.mark.parametrize("name", [name for name in READS if shows_version(name)])
def test_a_read_of_another_version_is_refused_with_the_current_one(scenario: AccessScenario, name: str) -> None:
    read = reader(scenario, name)
    etag = read("GET").headers["ETag"]

    for method in ("GET", "HEAD"):
        stale = read(method, If_Match='"other", "999"')
        assert (stale.status, stale.headers["ETag"]) == (412, etag)
        assert stale.headers["Cache-Control"] == "no-store"
        for condition in ("*", etag, f'"other",, {etag}'):
            assert read(method, If_Match=condition).status == 200
        both = read(method, If_Match='"999"', If_None_Match=etag)
        assert both.status == 412, "If-Match is checked first (RFC 9110, 13.2.2)"
    assert_problem(read("GET", If_Match='"999"'), 412, "stale-version")
    assert places(read("GET", If_Match="999")) == {"If-Match:"}


@pytest.mark.parametrize("name", [name for name in READS if not shows_version(name)])
def test_a_read_of_a_resource_without_a_version_refuses_the_condition(scenario: AccessScenario, name: str) -> None:
    read = reader(scenario, name)

    assert places(read("GET", If_Match='"1"')) == {"If-Match:"}
    assert read("GET", If_Match="*").status == 200


def test_a_get_that_starts_something_refuses_the_condition_before(scenario: AccessScenario) -> None:
    answer, writes = change(scenario, "export_orders", {"If-Match": '"1"'})

    assert places(answer) == {"If-Match:"}
    assert writes == []


@pytest.mark.parametrize("path", ["/docs", "/docs/errors", "/docs/page.css"])
def test_a_page_is_read_under_the_condition_too(scenario: AccessScenario, path: str) -> None:
    etag = call("GET", path).headers["ETag"]

    stale = call("GET", path, headers={"If-Match": '"other"'})

    assert_problem(stale, 412, "stale-version")
    assert (stale.headers["ETag"], stale.headers["Cache-Control"]) == (etag, "no-store")
    assert call("GET", path, headers={"If-Match": etag}).status == 200


# ---- the document, compared with the routes -------------------------------------------------------------------------


def honest(request: EmptyRequest) -> Response[None]:
    api.expected_version()
    return api.no_content()


def through_another(request: EmptyRequest) -> Response[None]:
    return honest(request)


def in_a_lambda(request: EmptyRequest) -> Response[None]:
    (lambda: api.expected_version())()
    return api.no_content()


def without_check(request: EmptyRequest) -> Response[None]:
    return api.no_content()


@pytest.mark.parametrize("function", [honest, through_another, in_a_lambda])
def test_a_route_that_checks_versions_without_saying_so_fails_the_import(function: Any) -> None:
    app = APIGatewayHttpResolver(**RESOLVER_OPTIONS)
    app.post("/x", **PUBLIC)(function)

    with pytest.raises(TypeError, match=r"POST /x .*@api\.versioned"):
        serve(app)


def test_a_route_that_promises_to_check_versions_and_does_not_fails_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_versioned", set())
    app = APIGatewayHttpResolver(**RESOLVER_OPTIONS)
    app.post("/x", **PUBLIC)(api.versioned(without_check))

    with pytest.raises(TypeError, match=r"POST /x .*expected_version"):
        serve(app)


def test_a_marked_route_is_versioned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_versioned", set())

    assert not api.is_versioned(honest)
    assert api.is_versioned(api.versioned(honest))


@pytest.mark.parametrize("name", ["delete_webhook", "create_order", "update_me"])
def test_if_none_match_on_a_change_is_refused(scenario: AccessScenario, name: str) -> None:
    answer, writes = change(scenario, name, {"If-None-Match": "*"})

    assert places(answer) == {"If-None-Match:"}
    assert writes == []


@pytest.mark.parametrize("name", ["adjust_stock", "create_order", "delete_webhook", "log_in"])
def test_the_condition_that_a_resource_exists_is_not_refused(scenario: AccessScenario, name: str) -> None:
    answer, _ = change(scenario, name, {"If-Match": "*"})

    assert answer.status < 300, answer.text


def test_the_current_version_deletes_and_rotates(scenario: AccessScenario) -> None:
    admin = scenario.people["admin"].token
    path = f"/api/v1/webhooks/{subscribe().id}"
    first = call("GET", path, token=admin).headers["ETag"]

    rotated = call("POST", f"{path}/rotate-secret", token=admin, headers={"If-Match": first})
    stale = call("DELETE", path, token=admin, headers={"If-Match": first})
    deleted = call("DELETE", path, token=admin, headers={"If-Match": stale.headers["ETag"]})

    assert (rotated.status, stale.status, deleted.status) == (200, 412, 204)
    assert stale.headers["ETag"] == rotated.headers["ETag"] != first
