"""GET /admin/audit: who did what, the newest first."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from oms.audit import audit_log as audit
from oms.core import clock
from tests.support.audit_addresses import hidden
from tests.support.audit_log import NOON, Log
from tests.support.aws_calls import intercepted
from tests.support.database import table
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Person

PATH = "/api/v1/admin/audit"


def listed(admin: Person, query: str = "") -> list[Any]:
    """Returns all pages."""
    items: list[Any] = []
    cursor = ""
    while True:
        answer = call("GET", f"{PATH}?limit=100{query}{cursor}", token=admin.token)
        assert answer.status == 200, answer.text
        items += answer.json["items"]
        if answer.json["next_cursor"] is None:
            return items
        cursor = f"&cursor={answer.json['next_cursor']}"


def test_an_entry_has_actor_action_target_address_and_outcome(log: Log, admin: Person) -> None:
    at = clock.timestamp(log.now)
    ((_, sort),) = log.write(1, action="login", actor_id="ada", actor_role="customer", details={"device": "new"})

    assert listed(admin) == [
        {
            "id": sort.partition("#")[2],
            "at": at,
            "action": "login",
            "actor_id": "ada",
            "actor_role": "customer",
            "address": hidden("198.51.100.1", at),
            "target": "session#1",
            "outcome": "success",
            "details": {"device": "new"},
        }
    ]


def test_the_newest_come_first_over_days_and_pages(log: Log, person: Callable[..., Person]) -> None:
    written = []
    for _ in range(3):
        written += log.write(3)
        log.advance(days=40)

    admin = person("admin")
    first = call("GET", f"{PATH}?limit=4", token=admin.token).json
    second = call("GET", f"{PATH}?limit=4&cursor={first['next_cursor']}", token=admin.token).json
    third = call("GET", f"{PATH}?limit=4&cursor={second['next_cursor']}", token=admin.token).json

    pages = [first, second, third]
    assert [len(page["items"]) for page in pages] == [4, 4, 1]
    assert [f"{it['at']}#{it['id']}" for page in pages for it in page["items"]] == [sort for _, sort in written[::-1]]
    assert third["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "abcdef"),
        ("&actor=ada", "abd"),
        ("&actor=bob", "ce"),
        ("&actor=ada,bob", "abcde"),
        ("&actor=nobody", ""),
        ("&action=login", "ac"),
        ("&action=logout,login", "abce"),
        ("&action=log", ""),
        ("&actor=ada&action=login", "a"),
        ("&actor=ada,bob&action=logout,user.role_changed", "bde"),
        ("&from=2026-02-01", "cdef"),
        ("&from=2026-02-01&to=2026-02-01", "cd"),
        ("&to=2026-01-31", "ab"),
        ("&from=2026-01-31T12:00:00Z&to=2026-02-01T12:00:00Z", "ab"),
        ("&actor=ada&action=login,user.role_changed&from=2026-02-01&to=2026-02-02", "d"),
        ("&action=login.failed", "f"),
    ],
)
def test_filters_are_all_held(log: Log, person: Callable[..., Person], query: str, expected: str) -> None:
    plan = [("ada", "login"), ("ada", "logout"), ("bob", "login"), ("ada", "user.role_changed"), ("bob", "logout")]
    names: dict[str, str] = {}
    for number, (actor, action) in enumerate(plan):
        log.now = NOON + timedelta(days=number // 2)
        ((_, sort),) = log.write(1, action=action, actor_id=actor)
        names[sort] = "abcde"[number]
    ((_, sort),) = log.write(1, action="login.failed", actor_id=None, outcome="failure")
    names[sort] = "f"

    assert sorted(names[f"{it['at']}#{it['id']}"] for it in listed(person("admin"), query)) == list(expected)


def test_a_page_costs_a_query_for_each_actor_however_many_entries_have_another_action(log: Log, admin: Person) -> None:
    for _ in range(600):
        log.advance(milliseconds=1)
        table("audit").put(audit.entry("login", actor_id="ada", address=None, target=None).serialize())
    ((_, wanted),) = log.write(1, action="logout", actor_id="ada")

    found, pages, cursor = [], 0, ""
    while cursor is not None:
        with intercepted() as made:
            query = f"?actor=ada,bob&action=logout&limit=5{cursor and '&cursor=' + cursor}"
            page = call("GET", PATH + query, token=admin.token).json
        operations = [it.operation for it in made if it.service == "dynamodb"]
        assert operations.count("Query") == 2
        assert len(operations) <= 4, "including the caller and the entries"
        found += page["items"]
        pages, cursor = pages + 1, page["next_cursor"]

    assert [f"{it['at']}#{it['id']}" for it in found] == [wanted]
    assert pages == 3, "of 250 entries that are read at most"


@pytest.mark.parametrize(
    "corrupt",
    [
        {"details": "{"},
        {"details": "1"},
        {"details": '{"a": "\\ud800"}'},
        {"details": "[" * 100_000},
        {"details": 1},
        {"id": None},
        {"at": None},
        {"outcome": 1},
        {"kind": "x"},
        {"kind": None},
        {"kind": "denials", "n": "x"},
    ],
)
def test_f25_an_entry_that_was_made_unreadable_is_shown_as_that_beside_the_others(
    log: Log, admin: Person, corrupt: dict[str, Any]
) -> None:
    (before,), (key,), (after,) = log.write(1), log.write(1), log.write(1)
    log.change(key, **corrupt)

    shown = listed(admin, "&actor=ada")

    assert [it["id"] for it in shown] == [after[1].partition("#")[2], key[1], before[1].partition("#")[2]]
    assert shown[1] == {
        "id": key[1],
        "at": key[1].partition("#")[0],
        "action": "entry.unreadable",
        "actor_id": None,
        "actor_role": None,
        "address": None,
        "target": "/".join(key),
        "outcome": "failure",
        "details": None,
    }


def test_the_chain_and_counters_of_few_denials_are_not_listed(log: Log, admin: Person) -> None:
    log.deny(3)
    log.seal()
    log.hourly()

    assert [it["action"] for it in listed(admin)] == ["access.denied"] * 3


def test_a20_denials_beyond_a_hundred_are_one_entry_that_counts_them(log: Log, admin: Person) -> None:
    _, sort = log.deny(105, "mallory")

    for query in ("", "&actor=mallory", "&action=access.denied", "&actor=mallory&action=access.denied"):
        shown = listed(admin, query)
        assert len(shown) == 101
        (counted,) = [it for it in shown if it["id"] == sort]
        assert counted == {
            "id": sort,
            "at": sort.partition("#")[0],
            "action": "access.denied",
            "actor_id": "mallory",
            "actor_role": "customer",
            "address": None,
            "target": None,
            "outcome": "failure",
            "details": {"denials": 5},
        }


@pytest.mark.parametrize("query", ["actor=", "action=a,,b", f"action={','.join('abcdefghijk')}", f"actor={'a' * 257}"])
def test_words_without_sense_are_refused(log: Log, admin: Person, query: str) -> None:
    answer = call("GET", f"{PATH}?{query}", token=admin.token)

    assert places(answer) == {"?" + query.partition("=")[0]}


def test_a_span_that_ends_before_it_begins_is_refused(log: Log, admin: Person) -> None:
    assert places(call("GET", f"{PATH}?from=2026-02-01&to=2026-01-31", token=admin.token)) == {"?to"}


def test_a_cursor_is_valid_for_its_own_query_only(log: Log, admin: Person) -> None:
    log.write(3)
    cursor = call("GET", f"{PATH}?limit=1", token=admin.token).json["next_cursor"]

    answer = call("GET", f"{PATH}?limit=1&actor=ada&cursor={cursor}", token=admin.token)

    assert places(answer) == {"?cursor"}


def test_managers_may_not_read_it_and_that_is_in_it(log: Log, admin: Person, manager: Person) -> None:
    assert_problem(call("GET", PATH, token=manager.token), 403, "forbidden")

    (denied,) = listed(admin)
    assert (denied["actor_id"], denied["target"]) == (manager.id, f"GET {PATH}")
