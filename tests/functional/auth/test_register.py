from collections.abc import Callable
from typing import Any

import pytest

from auth import passwords as password_routes
from oms.core.dynamodb import client
from oms.core.errors import EmailTakenError
from oms.identity import password_rules, service
from oms.identity.models import User
from tests.support.accounts import PASSWORD, Clock, audit_entries, log_in
from tests.support.aws_calls import answer_lost, recorded
from tests.support.gateway import places
from tests.support.invocation import Answer, invoke

pytestmark = pytest.mark.usefixtures("cloud")

BODY = {"email": "Ada@Example.org", "password": PASSWORD, "first_name": "Ada", "last_name": "Lovelace"}


def register(body: Any = None, **changes: Any) -> Answer:
    options = {name: changes.pop(name) for name in ("address", "headers") if name in changes}
    return invoke(password_routes, "POST", "/api/v1/auth/register", (body or BODY) | changes, **options)


def stored_kinds() -> list[str]:
    return sorted(item["kind"]["S"] for item in client().scan(TableName="identity")["Items"])


def test_registering_opens_an_account_with_the_role_customer() -> None:
    answer = register()

    assert answer.status == 201
    user = answer.json
    assert (user.pop("id"), user.pop("created_at"), user.pop("device_token")) != (None, None, None)
    assert user == {
        "email": "Ada@example.org",
        "email_verified": False,
        "first_name": "Ada",
        "last_name": "Lovelace",
        "role": "customer",
        "status": "active",
    }
    assert answer.headers["Location"] == "/api/v1/auth/me"
    assert log_in("ada@example.ORG").status == 200


def test_it_takes_two_calls() -> None:
    register()  # the process is warm now

    with recorded() as calls:
        register(email="grace@example.org")

    assert calls == ["dynamodb.UpdateItem", "dynamodb.TransactWriteItems"]


def test_no_password_is_stored_or_answered() -> None:
    answer = register()

    assert PASSWORD not in answer.text
    assert "password" not in answer.text
    assert PASSWORD not in str(client().scan(TableName="identity")["Items"])


@pytest.mark.parametrize("email", ["ada@example.org", "ADA@EXAMPLE.ORG", " ada@example.org\n", "ada@ｅxample。org"])
def test_an_address_with_the_same_canonical_form_is_taken(email: str) -> None:
    register()

    answer = register(email=email)

    assert (answer.status, answer.json["code"]) == (409, "email-taken")
    assert answer.headers["RateLimit"].startswith('"register";r=3;')
    assert stored_kinds() == ["claim", "device", "slot", "user"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"email": "nobody"}, "#/email"),
        ({"email": "a b@example.org"}, "#/email"),
        ({"email": "a@b@example.org"}, "#/email"),
        ({"email": "a@example.org\r\nBcc: x@example.org"}, "#/email"),
        ({"email": "a@" + "e" * 250 + ".org"}, "#/email"),
        ({"email": 7}, "#/email"),
        ({"password": "1234567"}, "#/password"),
        ({"password": "x" * 129}, "#/password"),
        ({"password": "e\u0301" * 4}, "#/password"),
        ({"first_name": ""}, "#/first_name"),
        ({"first_name": "  "}, "#/first_name"),
        ({"first_name": "A\nB"}, "#/first_name"),
        ({"first_name": "x" * 101}, "#/first_name"),
        ({"last_name": 1}, "#/last_name"),
        ({"role": "admin"}, "#/role"),
        ({"email_verified": True}, "#/email_verified"),
    ],
)
def test_bad_input_is_named_and_stores_nothing(changes: dict[str, Any], pointer: str) -> None:
    answer = register(**changes)

    assert answer.status == 422
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]
    assert stored_kinds() == []


@pytest.mark.parametrize("password", ["password123", "Ada@Example.org", "LOVELACE1"])
def test_a_password_that_is_guessed_early_is_named_and_stores_no_account(password: str) -> None:
    answer = register(password=password)

    assert places(answer) == {"#/password"}
    assert answer.headers["RateLimit"].startswith('"register";r=4;')
    assert stored_kinds() == ["slot"]


def test_a10_the_address_is_counted_before_the_password_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    real = password_rules.check_new
    monkeypatch.setattr(password_rules, "check_new", lambda it: checked.append(it) or real(it))

    answers = [register(password="password123") for _ in range(8)]

    assert [it.status for it in answers] == [422] * 5 + [429] * 3
    assert len(checked) == 5


@pytest.mark.parametrize("field", ["email", "password", "first_name"])
def test_half_a_character_is_no_text(field: str) -> None:
    assert register(**{field: "\ud800" * 8}).status == 400
    assert stored_kinds() == []


def test_all_omitted_fields_are_named_except_the_last_name() -> None:
    answer = invoke(password_routes, "POST", "/api/v1/auth/register", {})

    assert answer.status == 422
    assert {error["pointer"] for error in answer.json["errors"]} == {"#/email", "#/password", "#/first_name"}
    assert register(last_name=None).json["last_name"] is None


def test_the_sixth_in_a_minute_is_refused_until_the_next(frozen: Clock) -> None:
    for number in range(5):
        answer = register(email=f"user{number}@example.org")
        assert answer.status == 201
        assert answer.headers["RateLimit-Policy"] == '"register";q=5;w=60'
        assert answer.headers["RateLimit"] == f'"register";r={4 - number};t=50'

    refused = register(email="user5@example.org")

    assert (refused.status, refused.json["code"]) == (429, "too-many-requests")
    assert refused.headers["Retry-After"] == "50"
    assert refused.headers["RateLimit"] == '"register";r=0;t=50'
    assert register(email="user5@example.org", address="198.51.100.2").status == 201
    frozen.advance(seconds=50)
    assert register(email="user6@example.org").status == 201


def test_registering_and_signing_in_have_slots_apart(account: Callable[..., User]) -> None:
    account()
    for number in range(6):
        register(email=f"user{number}@example.org")

    assert log_in().status == 200


def test_an_answer_lost_after_the_commit_is_still_a_success() -> None:
    with answer_lost("TransactWriteItems"):
        answer = register()

    assert answer.status == 201
    assert stored_kinds() == ["claim", "device", "slot", "user"]
    assert [entry.action for entry in audit_entries()] == ["user.registered"]
    assert audit_entries()[0].target == f"user#{answer.json['id']}"


def test_a_slot_whose_answer_was_lost_is_counted_once() -> None:
    with answer_lost("UpdateItem"):
        answer = register()

    assert answer.status == 201
    assert answer.headers["RateLimit"].startswith('"register";r=4;')


def test_the_system_makes_users_of_any_role_whose_addresses_are_unique_too() -> None:
    made = service.create_user(
        email="boss@example.org", password=PASSWORD, first_name="Boss", role="admin", email_verified=True
    )

    assert (made.role, made.email_verified, made.status) == ("admin", True, "active")
    assert log_in("boss@example.org").status == 200
    with pytest.raises(EmailTakenError):
        service.create_user(email="BOSS@example.org", password=PASSWORD, first_name="Boss")
    for wrong in ({"email": "nobody"}, {"password": "short"}):
        with pytest.raises(ValueError, match="must"):
            service.create_user(**{"email": "x@example.org", "password": PASSWORD, "first_name": "X"} | wrong)
    created = next(entry for entry in audit_entries() if entry.action == "user.created")
    assert (created.actor_role, created.target, created.details) == ("system", f"user#{made.id}", {"role": "admin"})
