"""PUT /auth/password: the current password is required, attempts are counted on the session, and other sessions end."""

from collections.abc import Callable
from typing import Any

import pytest

from oms.core.dynamodb import client, get_item
from oms.identity import passwords
from oms.identity.models import AccountCounter, IdentityItem, Session, User, counter_key, user_key
from oms.identity.passwords import PasswordHash
from tests.support.accounts import PASSWORD, Clock, audit_entries, log_in
from tests.support.audit_addresses import hidden
from tests.support.aws_calls import answer_lost, changed_meanwhile, intercepted
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer, Person

NEW = "a quite different one"


@pytest.fixture
def ada(account: Callable[..., User]) -> User:
    return account("ada@example.com")


@pytest.fixture
def own(ada: User) -> dict[str, Any]:
    tokens: dict[str, Any] = log_in(address="203.0.113.200").json
    return tokens


def change(
    token: str,
    current: str = PASSWORD,
    new: str = NEW,
    address: str = "203.0.113.201",
    more: dict[str, Any] | None = None,
    **headers: str,
) -> Answer:
    body = {"current_password": current, "new_password": new, **(more or {})}
    sent = {name.replace("_", "-"): it for name, it in headers.items()}
    return call("PUT", "/api/v1/auth/password", body, token=token, address=address, headers=sent)


def is_alive(tokens: dict[str, Any]) -> bool:
    return call("GET", "/api/v1/auth/me", token=tokens["access_token"]).status == 200


def counter() -> AccountCounter | None:
    found = get_item(IdentityItem, counter_key(passwords.email_digest("ada@example.com")))
    assert found is None or isinstance(found, AccountCounter)
    return found


def test_the_new_password_counts_and_the_old_one_does_not(own: dict[str, Any]) -> None:
    answer = change(own["access_token"])

    assert (answer.status, answer.text) == (204, "")
    assert log_in(password=PASSWORD).status == 401
    assert log_in(password=NEW).status == 200


def test_a06_the_callers_session_continues_and_all_others_end(ada: User, own: dict[str, Any]) -> None:
    others = [log_in(address=f"203.0.113.{number}").json for number in range(3)]

    change(own["access_token"])

    assert is_alive(own)
    refreshed = call("POST", "/api/v1/auth/refresh", {"refresh_token": own["refresh_token"]})
    assert refreshed.status == 200
    for other in others:
        assert not is_alive(other)
        assert call("POST", "/api/v1/auth/refresh", {"refresh_token": other["refresh_token"]}).status == 401


def session_of(user: User) -> Session:
    (item,) = [it for it in client().scan(TableName="identity")["Items"] if it["sk"]["S"].startswith("session#")]
    return Session.from_raw_data(item)


def test_a_wrong_current_password_changes_nothing_and_is_counted_on_the_session(ada: User, own: dict[str, Any]) -> None:
    answer = change(own["access_token"], current="wrong")

    assert_problem(answer, 401, "invalid-credentials")
    assert answer.headers["RateLimit"].startswith('"login";r=4')
    assert session_of(ada).failures == 1
    assert counter() is None
    assert is_alive(own)
    assert log_in(password=PASSWORD).status == 200
    failures = [it for it in audit_entries() if it.action == "password.changed"]
    assert [(it.outcome, it.actor_id, it.details) for it in failures] == [
        ("failure", ada.id, {"counted_on": "session", "reason": "wrong-password"})
    ]


def test_a11_the_fifth_wrong_password_ends_the_session_and_locks_no_account(ada: User, own: dict[str, Any]) -> None:
    answers = [change(own["access_token"], current="wrong", address=f"203.0.113.{number}") for number in range(5)]

    assert {(it.status, it.json["code"]) for it in answers} == {(401, "invalid-credentials")}
    assert "has ended" in answers[4].json["detail"]
    assert not is_alive(own)
    assert_problem(change(own["access_token"]), 401, "unauthenticated")
    assert call("POST", "/api/v1/auth/refresh", {"refresh_token": own["refresh_token"]}).status == 401
    (entry,) = [it for it in audit_entries() if it.action == "session.ended"]
    assert (entry.outcome, entry.actor_id, entry.details) == ("failure", ada.id, {"reason": "wrong-passwords"})
    assert log_in(password=PASSWORD).status == 200


def test_a11_no_more_than_five_are_compared_however_many_run_at_once(
    own: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fifth crashes after it was counted, so that the session does not end; the sixth has the right password."""
    compared: list[str] = []
    real = passwords.matches

    def cut_off(password: str, stored: PasswordHash | None) -> bool:
        compared.append(password)
        if len(compared) == 5:
            raise RuntimeError("cut off")
        return real(password, stored)

    monkeypatch.setattr(passwords, "matches", cut_off)
    for number in range(4):
        change(own["access_token"], current="wrong", address=f"203.0.113.{number}")
    with pytest.raises(RuntimeError, match="cut off"):
        change(own["access_token"])

    assert_problem(change(own["access_token"]), 401, "invalid-credentials")
    assert len(compared) == 5


def test_a12_the_owner_changes_the_password_while_a_stranger_keeps_the_account_locked(own: dict[str, Any]) -> None:
    for number in range(5):
        log_in(password="wrong", address=f"198.51.100.{number}")
    assert log_in(address="198.51.100.9").status == 401

    assert change(own["access_token"]).status == 204

    assert log_in(password=NEW, address="198.51.100.9").status == 200


def test_the_device_of_the_session_stays_known_and_all_others_are_forgotten(own: dict[str, Any]) -> None:
    other = log_in(address="203.0.113.7").json["device_token"]
    change(own["access_token"])
    for number in range(5):
        log_in(password="wrong", address=f"198.51.100.{number}")

    assert log_in(password=NEW, address="198.51.100.8", device_token=other).status == 401
    assert log_in(password=NEW, address="198.51.100.9", device_token=own["device_token"]).status == 200


def test_this_session_ends_too_where_the_request_says_so(own: dict[str, Any]) -> None:
    assert change(own["access_token"], more={"end_this_session": True}).status == 204

    assert not is_alive(own)
    assert call("POST", "/api/v1/auth/refresh", {"refresh_token": own["refresh_token"]}).status == 401
    assert log_in(password=NEW).status == 200
    (entry,) = [it for it in audit_entries() if it.action == "password.changed"]
    assert entry.details == {"this_session": "ended"}


def test_it_shares_the_five_a_minute_of_an_address_with_the_login(own: dict[str, Any]) -> None:
    for _ in range(5):
        log_in("nobody@example.com", "wrong", address="203.0.113.201")

    answer = change(own["access_token"])

    assert_problem(answer, 429, "too-many-requests")
    assert answer.headers["RateLimit"].startswith('"login";r=0')
    assert log_in(password=PASSWORD).status == 200


def test_success_forgets_the_failures_before_it(ada: User, own: dict[str, Any]) -> None:
    log_in(password="wrong")
    change(own["access_token"], current="wrong")

    change(own["access_token"])

    assert counter() is None
    assert session_of(ada).failures == 0


def test_a_password_that_is_not_good_enough_counts_for_the_address_and_not_for_the_session(
    ada: User, own: dict[str, Any]
) -> None:
    for new in ("short", "password123", "ada@example.com"):
        answer = change(own["access_token"], new=new)
        assert places(answer) == {"#/new_password"}
    assert answer.headers["RateLimit"].startswith('"login";r=3'), "of those with the right length"

    assert session_of(ada).failures == 0


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

    with changed_meanwhile("TransactWriteItems", lambda: rename("Augusta")):
        assert_problem(change(own["access_token"], If_Match='"1"'), 412, "stale-version")
    assert log_in(password=PASSWORD).status == 200
    with changed_meanwhile("TransactWriteItems", lambda: rename("Byron")):
        changed = change(own["access_token"])

    assert (changed.status, changed.headers["ETag"]) == (204, '"4"')
    assert log_in(password=NEW).status == 200


def test_a10_a_promotion_during_a_change_leaves_no_short_password(
    account: Callable[..., User], person: Callable[..., Person]
) -> None:
    grace, boss = account("grace@example.com", password_min_length=15), person("admin")
    own = log_in("grace@example.com").json
    path = f"/api/v1/admin/users/{grace.id}/role"

    def promote() -> None:
        assert call("PATCH", path, {"role": "manager"}, token=boss.token).status == 200

    with changed_meanwhile("TransactWriteItems", promote):
        answer = change(own["access_token"], new="kx7#Qm2v")

    assert places(answer) == {"#/new_password"}
    assert "15 to 128" in answer.json["errors"][0]["detail"]
    assert is_alive(own)
    assert log_in("grace@example.com", PASSWORD).status == 200


def test_a_new_name_during_a_change_is_compared_too(own: dict[str, Any]) -> None:
    def rename() -> None:
        assert call("PATCH", "/api/v1/auth/me", {"last_name": "Zyrblinkov"}, token=own["access_token"]).status == 200

    with changed_meanwhile("TransactWriteItems", rename):
        answer = change(own["access_token"], new="zyrblinkov")

    assert places(answer) == {"#/new_password"}
    assert log_in(password=PASSWORD).status == 200


def test_success_is_audited_and_counted_as_a_version(ada: User, own: dict[str, Any]) -> None:
    change(own["access_token"])

    stored = get_item(IdentityItem, user_key(ada.id))
    assert isinstance(stored, User)
    assert (stored.version, stored.auth_epoch) == (2, 1)
    (entry,) = [it for it in audit_entries() if it.action == "password.changed"]
    assert (entry.outcome, entry.actor_id, entry.address) == ("success", ada.id, hidden("203.0.113.201", entry.at))


def test_the_slots_are_taken_before_the_password_is_compared(
    own: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    real = passwords.matches
    monkeypatch.setattr(passwords, "matches", lambda *it: order.append("compared") or real(*it))

    with intercepted(lambda call: order.append(call.operation) or call.send()):
        change(own["access_token"])

    assert order == ["BatchGetItem", "UpdateItem", "UpdateItem", "compared", "TransactWriteItems"]


@pytest.mark.parametrize("nth", [1, 2])
def test_an_attempt_is_counted_once_though_its_answer_is_lost(ada: User, own: dict[str, Any], nth: int) -> None:
    with answer_lost("UpdateItem", nth=nth):
        answer = change(own["access_token"], current="wrong")

    assert_problem(answer, 401, "invalid-credentials")
    assert answer.headers["RateLimit"].startswith('"login";r=4')
    assert session_of(ada).failures == 1


def test_a_change_whose_answer_is_lost_is_made_once(ada: User, own: dict[str, Any]) -> None:
    with answer_lost("TransactWriteItems"):
        answer = change(own["access_token"])

    assert answer.status == 204
    assert is_alive(own)
    stored = get_item(IdentityItem, user_key(ada.id))
    assert isinstance(stored, User)
    assert (stored.version, stored.auth_epoch) == (2, 1)


def test_of_two_changes_on_the_same_password_one_is_made(own: dict[str, Any], frozen: Clock) -> None:
    other = log_in().json

    with changed_meanwhile("TransactWriteItems", lambda: change(other["access_token"], new="the other one")):
        answer = change(own["access_token"])

    assert_problem(answer, 401, "unauthenticated")
    assert is_alive(other)
    assert not is_alive(own)
    assert log_in(password="the other one", address="203.0.113.7").status == 200


def test_a_session_that_ends_meanwhile_changes_nothing(own: dict[str, Any]) -> None:
    def log_out() -> None:
        call("POST", "/api/v1/auth/logout", token=own["access_token"])

    with changed_meanwhile("TransactWriteItems", log_out):
        answer = change(own["access_token"])

    assert_problem(answer, 401, "unauthenticated")
    assert log_in(password=PASSWORD).status == 200
