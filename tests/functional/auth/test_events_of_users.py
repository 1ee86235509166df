"""Events of accounts: their data, and the data that they never have."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from oms.commands import first_admin
from oms.core import clock
from oms.core.dynamodb import update_item
from oms.identity import attempts
from oms.identity.models import User, user_key
from tests.support.accounts import PASSWORD, Clock, log_in
from tests.support.event_bus import entries_of, published, published_types
from tests.support.gateway import call
from tests.support.invocation import Person
from tests.support.streams import streamed

USERS = "/api/v1/admin/users"


@pytest.fixture
def ada(account: Callable[..., User]) -> User:
    return account()


def register(email: str = "new@example.com") -> Any:
    body = {"email": email, "password": PASSWORD, "first_name": "New"}
    answer = call("POST", "/api/v1/auth/register", body)
    assert answer.status == 201, answer.text
    return answer.json


def patch(admin: Person, user_id: str, name: str, value: str) -> None:
    answer = call("PATCH", f"{USERS}/{user_id}/{name}", {name: value}, token=admin.token)
    assert answer.status == 200, answer.text


def test_an_account_its_role_and_its_status_are_published_by_ids_alone(admin: Person) -> None:
    with streamed("identity") as records:
        user = register()
        for name, value in (("role", "manager"), ("status", "disabled"), ("status", "active")):
            patch(admin, user["id"], name, value)

    events = published(records)

    def data(role: str, status: str) -> dict[str, str]:
        return {"id": user["id"], "role": role, "status": status}

    assert [(it["type"], it["sequence"], it["data"]) for it in events] == [
        ("user.registered", 1, data("customer", "active")),
        ("user.role_changed", 2, data("manager", "active")),
        ("user.status_changed", 3, data("manager", "disabled")),
        ("user.status_changed", 4, data("manager", "active")),
    ]
    assert [it["actor"] for it in events] == [
        {"id": user["id"], "role": "customer"},
        *[{"id": admin.id, "role": "admin"}] * 3,
    ]
    assert events[0]["occurred_at"] == user["created_at"]
    assert "example" not in json.dumps(events)
    assert published(records) == events, "derived twice, they are equal"


def test_other_changes_of_an_account_publish_nothing(ada: User) -> None:
    with streamed("identity") as records:
        tokens = log_in().json
        for method, path, body in (
            ("PATCH", "auth/me", {"first_name": "Bo"}),
            ("PUT", "auth/password", {"current_password": PASSWORD, "new_password": f"{PASSWORD}!"}),
            ("POST", "auth/logout", None),
        ):
            assert call(method, f"/api/v1/{path}", body, token=tokens["access_token"]).status < 300
        update_item(User(*user_key(ada.id)), [User.email_verified.set(True), User.locks_epoch.add(1)])

    assert len(records) > 5
    assert published(records) == []


def test_a_new_password_asks_for_a_mail_and_is_no_event(ada: User) -> None:
    with streamed("identity") as records:
        token = log_in().json["access_token"]
        body = {"current_password": PASSWORD, "new_password": f"{PASSWORD}!"}
        assert call("PUT", "/api/v1/auth/password", body, token=token).status == 204

    (entry,) = entries_of(records)

    assert (entry["Source"], entry["DetailType"]) == ("oms.internal", "password.mail")
    assert json.loads(entry["Detail"]) == {"password_of": ada.id, "version": "2", "at": "2025-11-22T16:46:40.000Z"}


def test_an_operators_name_is_not_published(cloud: None) -> None:
    with streamed("identity") as records:
        register("ops@example.com")
        first_admin.grant_admin("ops@example.com", operator_arn="arn:aws:iam::123456789012:user/ops")

    events = published(records)

    assert [it["type"] for it in events] == ["user.registered", "user.role_changed"]
    assert events[-1]["actor"] == {"id": "system", "role": "system"}


@pytest.mark.parametrize("noted", [False, True])
def test_a_change_without_an_actor_is_the_systems(admin: Person, person: Callable[..., Person], noted: bool) -> None:
    who = person()
    with streamed("identity") as records:
        if noted:
            patch(admin, who.id, "role", "manager")
            records.clear()
        # As code wrote it before changes had an actor.
        update_item(User(*user_key(who.id)), [User.role.set("admin"), User.version.add(1)])

    (event,) = published(records)

    assert (event["type"], event["actor"]) == ("user.role_changed", {"id": "system", "role": "system"})
    assert event["occurred_at"] == "2025-11-22T16:46:40.000Z", "at the time of the stream record"


def test_a_lock_is_published_if_its_attempt_was_wrong(ada: User) -> None:
    with streamed("identity") as records:
        for number in range(7):
            log_in(password="wrong", address=f"203.0.113.{number}")

    (event,) = published(records)

    assert event["type"] == "user.locked"
    assert event["data"].keys() == {"id", "locked_until"}
    assert event["data"]["id"] == ada.id
    minutes = (clock.instant(event["data"]["locked_until"]) - clock.instant(event["occurred_at"])).total_seconds() / 60
    assert 14 < minutes <= 15
    assert event["actor"] == {"id": "system", "role": "system"}


def test_the_right_password_at_the_last_attempt_locks_no_account(ada: User) -> None:
    with streamed("identity") as records:
        for number in range(4):
            log_in(password="wrong", address=f"203.0.113.{number}")
        assert log_in().status == 200

    assert entries_of(records) == []


def test_each_lock_is_published_and_no_attempt_between_them(ada: User, frozen: Clock) -> None:
    def lock() -> None:
        for number in range(5):
            log_in(password="wrong", address=f"203.0.113.{number}")

    with streamed("identity") as records:
        lock()
        frozen.advance(minutes=16)
        lock()

    first, second = published(records)

    assert first["id"] != second["id"]
    assert second["data"]["locked_until"] > first["data"]["locked_until"]


def test_the_lock_of_an_address_without_an_account_is_nobodys(cloud: None) -> None:
    with streamed("identity") as records:
        for number in range(5):
            log_in("nobody@example.com", "wrong", address=f"203.0.113.{number}")

    assert entries_of(records) == []


def test_a_lock_that_was_lifted_meanwhile_is_not_published(
    ada: User, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = attempts.is_right

    def unlocked_meanwhile(*arguments: Any) -> bool:
        call("POST", f"{USERS}/{ada.id}/unlock", token=admin.token)
        return real(*arguments)

    with streamed("identity", "audit") as records:
        for number in range(4):
            log_in(password="wrong", address=f"203.0.113.{number}")
        monkeypatch.setattr(attempts, "is_right", unlocked_meanwhile)
        assert log_in(password="wrong").status == 401

    of_users = [it for it in records if "/identity/" in it["eventSourceARN"]]
    assert entries_of(of_users) == []
    audited = [it["dynamodb"]["NewImage"]["action"]["S"] for it in records if it not in of_users]
    assert sorted(audited[-3:]) == ["account.locked", "account.unlocked", "login"], "and the audit log has both"


@pytest.mark.parametrize(("email", "asked"), [("ada@example.com", 1), ("nobody@example.com", 1), ("nonsense", 0)])
def test_a_forgotten_password_sends_an_internal_message_for_a_mail(ada: User, email: str, asked: int) -> None:
    with streamed("identity") as records:
        assert call("POST", "/api/v1/auth/password/forgot", {"email": email}).status == 202

    entries = entries_of(records)

    requests = [it["dynamodb"]["NewImage"]["id"]["S"] for it in records if "email_folded" in str(it["dynamodb"])]
    assert [(it["Source"], it["DetailType"], json.loads(it["Detail"])) for it in entries] == [
        ("oms.internal", "mail.requested", {"request": it}) for it in requests
    ]
    assert len(entries) == asked
    assert published_types(records) == []
