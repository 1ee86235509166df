"""PUT /auth/password: for who knows the old one, counted like a login, and the end of all other sessions."""

from collections.abc import Callable
from typing import Any

import pytest

from oms.dynamodb import get_item
from oms.identity import attempts, passwords
from oms.identity.models import Counter, IdentityItem, User, counter_key, user_key
from tests.support.accounts import PASSWORD, Clock, audit_entries, log_in
from tests.support.aws_calls import answer_lost, overtaken, recorded
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer

NEW = "a quite different one"


@pytest.fixture
def ada(account: Callable[..., User]) -> User:
    return account("ada@example.com")


@pytest.fixture
def own(ada: User) -> dict[str, Any]:
    tokens: dict[str, Any] = log_in(address="203.0.113.200").json
    return tokens


def change(
    token: str, current: str = PASSWORD, new: str = NEW, address: str = "203.0.113.201", **headers: str
) -> Answer:
    body = {"current_password": current, "new_password": new}
    sent = {name.replace("_", "-"): it for name, it in headers.items()}
    return call("PUT", "/api/v1/auth/password", body, token=token, address=address, headers=sent)


def is_alive(tokens: dict[str, Any]) -> bool:
    return call("GET", "/api/v1/auth/me", token=tokens["access_token"]).status == 200


def counter() -> Counter | None:
    found = get_item(IdentityItem, counter_key(passwords.email_digest("ada@example.com")))
    assert found is None or isinstance(found, Counter)
    return found


def test_the_new_password_counts_and_the_old_one_does_not(own: dict[str, Any]) -> None:
    answer = change(own["access_token"])

    assert (answer.status, answer.text) == (204, "")
    assert log_in(password=PASSWORD).status == 401
    assert log_in(password=NEW).status == 200


def test_a06_the_session_that_asks_lives_on_and_all_others_end(ada: User, own: dict[str, Any]) -> None:
    others = [log_in(address=f"203.0.113.{number}").json for number in range(3)]

    change(own["access_token"])

    assert is_alive(own)
    refreshed = call("POST", "/api/v1/auth/refresh", {"refresh_token": own["refresh_token"]})
    assert refreshed.status == 200
    for other in others:
        assert not is_alive(other)
        assert call("POST", "/api/v1/auth/refresh", {"refresh_token": other["refresh_token"]}).status == 401


def test_a_wrong_current_password_changes_nothing_and_is_counted(ada: User, own: dict[str, Any]) -> None:
    answer = change(own["access_token"], current="wrong")

    assert_problem(answer, 401, "invalid-credentials")
    assert answer.headers["RateLimit"].startswith('"login";r=4')
    counted = counter()
    assert counted is not None
    assert counted.failures == 1
    assert is_alive(own)
    assert log_in(password=PASSWORD).status == 200
    failures = [it for it in audit_entries() if it.action == "password.changed"]
    assert [(it.outcome, it.actor_id, it.details["reason"]) for it in failures] == [
        ("failure", ada.id, "wrong-password")
    ]


def test_five_wrong_ones_lock_it_for_the_right_one_as_well(own: dict[str, Any]) -> None:
    for number in range(5):
        change(own["access_token"], current="wrong", address=f"203.0.113.{number}")

    wrong = change(own["access_token"], current="wrong")
    right = change(own["access_token"])

    assert_problem(right, 401, "invalid-credentials")
    assert right.json["detail"] == wrong.json["detail"]
    assert log_in(password=PASSWORD).status == 401


def test_it_shares_the_five_a_minute_of_an_address_with_the_login(own: dict[str, Any]) -> None:
    for _ in range(5):
        log_in("nobody@example.com", "wrong", address="203.0.113.201")

    answer = change(own["access_token"])

    assert_problem(answer, 429, "too-many-requests")
    assert answer.headers["RateLimit"].startswith('"login";r=0')
    assert log_in(password=PASSWORD).status == 200


def test_success_forgets_the_failures_before_it(own: dict[str, Any]) -> None:
    change(own["access_token"], current="wrong")

    change(own["access_token"])

    assert counter() is None


def test_a_password_that_is_not_good_enough_is_refused_before_anything_is_counted(own: dict[str, Any]) -> None:
    assert places(change(own["access_token"], new="short")) == {"#/new_password"}
    assert counter() is None


def test_a_stale_version_is_refused_before_anything_is_counted(own: dict[str, Any]) -> None:
    assert_problem(change(own["access_token"], If_Match='"2"'), 412, "stale-version")

    assert counter() is None
    shown = call("GET", "/api/v1/auth/me", token=own["access_token"]).headers["ETag"]
    changed = change(own["access_token"], If_Match=shown)
    assert (changed.status, changed.headers["ETag"]) == (204, '"2"')
    assert call("GET", "/api/v1/auth/me", token=own["access_token"]).headers["ETag"] == '"2"'
    assert places(change(own["access_token"], NEW, If_Match="two")) == {"If-Match:"}


def test_a_change_that_a_new_name_overtook_is_made_unless_it_was_meant_for_the_version_before(
    own: dict[str, Any],
) -> None:
    def rename(name: str) -> None:
        assert call("PATCH", "/api/v1/auth/me", {"first_name": name}, token=own["access_token"]).status == 200

    with overtaken("TransactWriteItems", lambda: rename("Augusta"), nth=2):
        assert_problem(change(own["access_token"], If_Match='"1"'), 412, "stale-version")
    assert log_in(password=PASSWORD).status == 200
    with overtaken("TransactWriteItems", lambda: rename("Byron"), nth=2):
        changed = change(own["access_token"])

    assert (changed.status, changed.headers["ETag"]) == (204, '"4"')
    assert log_in(password=NEW).status == 200


def test_success_is_audited_and_counted_as_a_version(ada: User, own: dict[str, Any]) -> None:
    change(own["access_token"])

    stored = get_item(IdentityItem, user_key(ada.id))
    assert isinstance(stored, User)
    assert (stored.version, stored.auth_epoch) == (2, 1)
    (entry,) = [it for it in audit_entries() if it.action == "password.changed"]
    assert (entry.outcome, entry.actor_id, entry.address) == ("success", ada.id, "203.0.113.201")


def test_the_slots_are_taken_before_the_password_is_compared(
    own: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    real = passwords.matches
    monkeypatch.setattr(passwords, "matches", lambda *it: order.append("compared") or real(*it))

    with recorded() as calls:
        monkeypatch.setattr(attempts, "count", _noting(order))
        change(own["access_token"])

    assert order == ["counted", "compared"]
    assert len(calls) == 4


def _noting(order: list[str]) -> Any:
    real = attempts.count

    def count(*arguments: Any) -> Any:
        counted = real(*arguments)
        order.append("counted")
        return counted

    return count


def test_a_change_whose_answer_is_lost_is_made_once(ada: User, own: dict[str, Any]) -> None:
    with answer_lost("TransactWriteItems", nth=2):
        answer = change(own["access_token"])

    assert answer.status == 204
    assert is_alive(own)
    stored = get_item(IdentityItem, user_key(ada.id))
    assert isinstance(stored, User)
    assert (stored.version, stored.auth_epoch) == (2, 1)


def test_of_two_changes_on_the_same_password_one_is_made(own: dict[str, Any], frozen: Clock) -> None:
    other = log_in().json

    with overtaken("TransactWriteItems", lambda: change(other["access_token"], new="the other one"), nth=2):
        answer = change(own["access_token"])

    assert_problem(answer, 401, "unauthenticated")
    assert is_alive(other)
    assert not is_alive(own)
    assert log_in(password="the other one", address="203.0.113.7").status == 200


def test_a_session_that_ends_meanwhile_changes_nothing(own: dict[str, Any]) -> None:
    def log_out() -> None:
        call("POST", "/api/v1/auth/logout", token=own["access_token"])

    with overtaken("TransactWriteItems", log_out, nth=2):
        answer = change(own["access_token"])

    assert_problem(answer, 401, "unauthenticated")
    assert log_in(password=PASSWORD).status == 200
