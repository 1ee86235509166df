"""A user's own names and sessions."""

from collections.abc import Callable
from typing import Any

import pytest

from oms.core import clock
from oms.core.dynamodb import get_item
from oms.identity.models import IdentityItem, Session, User, session_key, user_key
from oms.identity.opaque_tokens import RefreshToken
from tests.support.accounts import Clock, audit_entries, log_in
from tests.support.aws_calls import answer_lost, changed_meanwhile, recorded
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer, Person

ME, SESSIONS = "/api/v1/auth/me", "/api/v1/auth/sessions"


@pytest.fixture
def ada(account: Callable[..., User]) -> User:
    return account("ada@example.com", last_name="Lovelace")


@pytest.fixture
def token(ada: User) -> str:
    return str(log_in().json["access_token"])


def rename(token: str, body: Any, **headers: str) -> Answer:
    return call("PATCH", ME, body, token=token, headers={name.replace("_", "-"): it for name, it in headers.items()})


# ---- names ----------------------------------------------------------------------------------------------------------


def test_only_the_names_that_are_sent_change(token: str) -> None:
    answer = rename(token, {"first_name": "Augusta"})

    assert (answer.status, answer.headers["ETag"]) == (200, '"2"')
    assert (answer.json["first_name"], answer.json["last_name"]) == ("Augusta", "Lovelace")
    assert call("GET", ME, token=token).json == answer.json


def test_a_last_name_can_be_removed_and_a_first_name_cannot(token: str) -> None:
    assert rename(token, {"last_name": None}).json["last_name"] is None
    assert places(rename(token, {"first_name": None})) == {"#/first_name"}
    assert places(rename(token, {"first_name": " "})) == {"#/first_name"}


@pytest.mark.parametrize("body", [{}, ""])
def test_a_patch_of_nothing_is_refused(token: str, body: Any) -> None:
    assert places(rename(token, body)) == {"#"}


@pytest.mark.parametrize("field", ["email", "role", "status", "email_verified"])
def test_a15_a_user_cannot_set_more_than_names(ada: User, token: str, field: str) -> None:
    assert places(rename(token, {"first_name": "A", field: "admin"})) == {f"#/{field}"}
    assert call("GET", ME, token=token).json["first_name"] == "Ada"


@pytest.mark.parametrize("body", [{"first_name": "Ada"}, {"first_name": "Ada", "last_name": "Lovelace"}])
def test_a_change_that_changes_nothing_writes_nothing(token: str, body: Any) -> None:
    with recorded() as calls:
        answer = rename(token, body, If_Match='"1"')

    assert (answer.status, answer.headers["ETag"], answer.json["first_name"]) == (200, '"1"', "Ada")
    assert calls == ["dynamodb.BatchGetItem"]
    assert_problem(rename(token, body, If_Match='"2"'), 412, "stale-version")


def test_a_stale_version_is_refused(token: str) -> None:
    rename(token, {"first_name": "Augusta"})

    assert_problem(rename(token, {"first_name": "Eve"}, If_Match='"1"'), 412, "stale-version")
    assert rename(token, {"first_name": "Eve"}, If_Match='"2"').status == 200


def test_a_rename_whose_answer_is_lost_is_made_once(token: str) -> None:
    with answer_lost("UpdateItem"):
        answer = rename(token, {"first_name": "Augusta", "last_name": None}, If_Match='"1"')

    assert (answer.status, answer.headers["ETag"]) == (200, '"2"')


def test_a_rename_that_conflicts_is_made_on_the_newer_version(token: str) -> None:
    with changed_meanwhile("UpdateItem", lambda: rename(token, {"last_name": "King"})):
        answer = rename(token, {"first_name": "Augusta"})

    assert (answer.json["first_name"], answer.json["last_name"]) == ("Augusta", "King")
    assert answer.headers["ETag"] == '"3"'
    with changed_meanwhile("UpdateItem", lambda: rename(token, {"last_name": "Noel"})):
        assert_problem(rename(token, {"first_name": "Eve"}, If_Match='"3"'), 412, "stale-version")


# ---- sessions -------------------------------------------------------------------------------------------------------


def session_id(signed_in: Answer) -> str:
    parsed = RefreshToken.parse(signed_in.json["refresh_token"])
    assert parsed
    return parsed.session_id


def listed(token: str, query: str = "") -> list[Any]:
    answer = call("GET", f"{SESSIONS}{query}", token=token)
    assert answer.status == 200, answer.text
    return list(answer.json["items"])


def several(count: int, frozen: Clock) -> list[Answer]:
    found = []
    for number in range(count):
        frozen.advance(minutes=1)
        found.append(log_in(address=f"203.0.113.{number}", headers={"User-Agent": f"Browser {number}"}))
    return found


def test_the_list_shows_live_sessions_newest_first_and_which_one_asks(ada: User, frozen: Clock) -> None:
    first, second = several(2, frozen)
    frozen.advance(minutes=1)
    call("POST", "/api/v1/auth/refresh", {"refresh_token": first.json["refresh_token"]})

    newer, older = listed(second.json["access_token"])

    assert [newer["id"], older["id"]] == [session_id(second), session_id(first)]
    assert (newer["current"], older["current"]) == (True, False)
    assert (older["address"], older["user_agent"]) == ("203.0.113.0", "Browser 0")
    assert older["refreshed_at"] == clock.timestamp(frozen.now)
    assert older["created_at"] < newer["created_at"]
    stored = get_item(IdentityItem, session_key(ada.id, older["id"]))
    assert isinstance(stored, Session)
    assert clock.instant(older["expires_at"]).timestamp() == stored.expires_at


def test_the_pages_together_are_all_sessions(ada: User, frozen: Clock) -> None:
    signed_in = several(5, frozen)
    token = signed_in[-1].json["access_token"]

    found: list[str] = []
    cursor = ""
    for _ in range(4):
        page = call("GET", f"{SESSIONS}?limit=2{cursor}", token=token).json
        found += [it["id"] for it in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert found == [session_id(it) for it in reversed(signed_in)]


def test_sessions_of_one_second_are_each_listed_once(ada: User) -> None:
    ids = {session_id(log_in(address=f"203.0.113.{number}")) for number in range(4)}
    token = log_in(address="203.0.113.9").json["access_token"]

    assert ids < {it["id"] for it in listed(token)}
    assert len(listed(token)) == 5


def test_an_ended_session_is_gone_at_once(ada: User, frozen: Clock) -> None:
    other, own = several(2, frozen)
    token, path = own.json["access_token"], f"{SESSIONS}/{session_id(other)}"

    assert call("DELETE", path, token=token).status == 204

    assert [it["id"] for it in listed(token)] == [session_id(own)]
    assert call("GET", ME, token=other.json["access_token"]).status == 401
    refresh = call("POST", "/api/v1/auth/refresh", {"refresh_token": other.json["refresh_token"]})
    assert refresh.status == 401
    frozen.advance(seconds=1)
    assert_problem(call("DELETE", path, token=token), 404, "not-found")
    ended = [it for it in audit_entries() if it.action == "session.ended"]
    assert [(it.actor_id, it.target) for it in ended] == [(ada.id, f"session#{session_id(other)}")]


def test_ones_own_session_can_be_ended_like_any_other(ada: User) -> None:
    own = log_in()

    assert call("DELETE", f"{SESSIONS}/{session_id(own)}", token=own.json["access_token"]).status == 204

    assert call("GET", ME, token=own.json["access_token"]).status == 401


def test_another_users_session_is_not_there(ada: User, person: Callable[..., Person]) -> None:
    own, stranger = log_in(), person()

    seen = call("DELETE", f"{SESSIONS}/{session_id(own)}", token=stranger.token)

    assert seen.json["detail"] == call("DELETE", f"{SESSIONS}/none", token=stranger.token).json["detail"]
    assert_problem(seen, 404, "not-found")
    assert call("GET", ME, token=own.json["access_token"]).status == 200


def test_a_session_that_epoch_or_time_has_ended_is_not_listed_and_cannot_be_ended(ada: User, frozen: Clock) -> None:
    old = log_in()
    frozen.advance(days=6)
    stored = get_item(IdentityItem, user_key(ada.id))
    assert isinstance(stored, User)
    outdated = log_in()
    call(
        "PUT",
        "/api/v1/auth/password",
        {"current_password": "correct horse battery", "new_password": "another long one"},
        token=log_in().json["access_token"],
    )
    frozen.advance(days=1, seconds=1)
    token = log_in(password="another long one").json["access_token"]

    assert {session_id(old), session_id(outdated)}.isdisjoint(it["id"] for it in listed(token))
    for ended in (old, outdated):
        assert call("DELETE", f"{SESSIONS}/{session_id(ended)}", token=token).status == 404


def test_ending_a_session_whose_answer_is_lost_is_done(ada: User, frozen: Clock) -> None:
    other, own = several(2, frozen)

    with answer_lost("TransactWriteItems"):
        answer = call("DELETE", f"{SESSIONS}/{session_id(other)}", token=own.json["access_token"])

    assert answer.status == 204
    assert len([it for it in audit_entries() if it.action == "session.ended"]) == 1
