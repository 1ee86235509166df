"""Account recovery by a mailed token: setting a new password, and verifying the address."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from oms.core.dynamodb import client, get_item, put_item
from oms.identity import mailed_tokens, password_rules, passwords
from oms.identity.mailed_tokens import Purpose
from oms.identity.models import AccountCounter, Device, IdentityItem, User, counter_key, device_key, user_key
from tests.support.accounts import PASSWORD, Clock, audit_entries, log_in
from tests.support.aws_calls import answer_lost, changed_meanwhile, recorded
from tests.support.gateway import assert_problem, call, places
from tests.support.invocation import Answer, Person

NEW = "a quite different one"
type Mail = Callable[[Purpose], str]


@pytest.fixture
def ada(account: Callable[..., User]) -> User:
    return account("ada@example.com")


@pytest.fixture
def mail(ada: User) -> Mail:
    """Returns a token as in a mail to Ada."""

    def send(purpose: Purpose) -> str:
        stored, token = mailed_tokens.mint(now(ada), purpose)
        put_item(stored)
        return str(token)

    return send


def now(user: User) -> User:
    return cast(User, get_item(IdentityItem, user_key(user.id)))


def reset(token: str, new: str = NEW) -> Answer:
    return call("POST", "/api/v1/auth/password/reset", {"token": token, "new_password": new})


def verify(token: str) -> Answer:
    return call("POST", "/api/v1/auth/email/verify", {"token": token})


def is_alive(tokens: dict[str, Any]) -> bool:
    return call("GET", "/api/v1/auth/me", token=tokens["access_token"]).status == 200


def assert_refused(answer: Answer) -> None:
    problem = assert_problem(answer, 422, "invalid-token")
    assert [error["pointer"] for error in problem["errors"]] == ["#/token"]


# ---- requesting the mail --------------------------------------------------------------------------------------------


def test_known_and_unknown_addresses_get_the_same_answer_by_the_same_calls(ada: User) -> None:
    answers = []
    for email in ("ada@example.com", "nobody@example.com", "no address", "a" * 254):
        with recorded() as calls:
            answers.append(call("POST", "/api/v1/auth/password/forgot", {"email": email}))
        assert calls == ["dynamodb.UpdateItem", "dynamodb.PutItem"]

    assert {(it.status, it.text) for it in answers} == {(202, "")}
    assert len({tuple(sorted(it.headers.items())) for it in answers}) == 1


def requests() -> list[dict[str, Any]]:
    items = client().scan(TableName="identity")["Items"]
    return [it for it in items if it["kind"]["S"] == "mail-request"]


@pytest.mark.parametrize("operation", ["UpdateItem", "PutItem"])
def test_asking_twice_by_a_lost_answer_leaves_one_request(ada: User, operation: str) -> None:
    with answer_lost(operation):
        call("POST", "/api/v1/auth/password/forgot", {"email": "Ada@Example.com"})

    (request,) = requests()
    assert request["email_folded"]["S"] == "ada@example.com"


def test_a26_a_client_address_makes_twenty_requests_a_minute_and_learns_nothing(ada: User, frozen: Clock) -> None:
    def ask(address: str = "203.0.113.1") -> Answer:
        return call("POST", "/api/v1/auth/password/forgot", {"email": "ada@example.com"}, address=address)

    answers = [ask() for _ in range(25)]

    assert len(requests()) == 20
    assert {(it.status, it.text, tuple(sorted(it.headers.items()))) for it in answers} == {
        (202, "", tuple(sorted(answers[0].headers.items())))
    }
    ask("203.0.113.2")
    frozen.advance(minutes=1)
    ask()
    assert len(requests()) == 22


# ---- reset ----------------------------------------------------------------------------------------------------------


def test_a06_a_reset_sets_the_password_and_ends_every_session(ada: User, mail: Mail) -> None:
    sessions = [log_in(address=f"203.0.113.{number}").json for number in range(3)]

    answer = reset(mail("reset"))

    assert (answer.status, answer.text) == (204, "")
    assert [is_alive(it) for it in sessions] == [False] * 3
    assert log_in(password=PASSWORD).status == 401
    assert log_in(password=NEW).status == 200


def test_a_user_who_resets_the_password_has_read_the_mail(ada: User, mail: Mail) -> None:
    reset(mail("reset"))

    stored = now(ada)
    assert (stored.email_verified, stored.version, stored.auth_epoch) == (True, 2, 1)
    (entry,) = [it for it in audit_entries() if it.action == "password.reset"]
    assert (entry.actor_id, entry.target) == (ada.id, f"user#{ada.id}")


def test_a12_a_reset_lifts_the_lock_of_the_account_and_of_a_known_device(ada: User, mail: Mail) -> None:
    device = log_in().json["device_token"]
    for number in range(5):
        log_in(password="wrong", address=f"203.0.113.{number}")
        log_in(password="wrong", address=f"203.0.114.{number}", device_token=device)
    assert log_in(address="203.0.113.9").status == 401
    assert log_in(address="203.0.113.9", device_token=device).status == 401

    assert reset(mail("reset")).status == 204

    assert log_in(password=NEW, address="203.0.113.9", device_token=device).status == 200
    assert log_in(password=NEW, address="203.0.113.9").status == 200


def test_a_reset_with_a_device_whose_answer_is_lost_is_made_once(ada: User, mail: Mail) -> None:
    body = {"token": mail("reset"), "new_password": NEW, "remember_device": True}

    with answer_lost("TransactWriteItems"):
        answer = call("POST", "/api/v1/auth/password/reset", body)

    assert (answer.status, now(ada).version, now(ada).devices_epoch) == (200, 2, 1)
    assert_refused(call("POST", "/api/v1/auth/password/reset", body))
    lock()
    assert log_in(password=NEW, address="203.0.113.9", device_token=answer.json["device_token"]).status == 200


def lock(email: str = "ada@example.com", network: str = "203.0.113") -> None:
    """Locks the account as a stranger does, who knows only the address."""
    for number in range(5):
        log_in(email, "wrong", address=f"{network}.{number}")


def test_a_reset_ends_every_known_device(ada: User, mail: Mail) -> None:
    devices = [log_in(address=f"203.0.114.{number}").json["device_token"] for number in range(3)]
    reset(mail("reset"))
    lock()

    for number, device in enumerate(devices):
        assert log_in(password=NEW, address=f"203.0.115.{number}", device_token=device).status == 401


def test_a12_a_device_that_signs_in_after_a_reset_is_known_again(ada: User, mail: Mail) -> None:
    device = log_in().json["device_token"]
    reset(mail("reset"))
    known = log_in(password=NEW, device_token=device).json["device_token"]
    lock()

    assert log_in(password=NEW, address="203.0.115.1").status == 401
    assert log_in(password=NEW, address="203.0.115.2", device_token=known).status == 200


def test_a_reset_takes_as_long_for_a_thousand_devices(ada: User, mail: Mail) -> None:
    for number in range(1000):
        put_item(Device(*device_key(ada.id, f"{number:064}"), user_id=ada.id, expires_at=2**31, locked_until=2**31))
    token = mail("reset")

    with recorded() as calls:
        assert reset(token).status == 204

    assert calls == ["dynamodb.UpdateItem", "dynamodb.BatchGetItem", "dynamodb.TransactWriteItems"]


def test_a_token_is_good_once(ada: User, mail: Mail) -> None:
    token = mail("reset")
    reset(token)

    assert_refused(reset(token, "yet another one"))
    assert log_in(password=NEW).status == 200


def test_it_is_valid_for_half_an_hour(ada: User, mail: Mail, frozen: Clock) -> None:
    early, late = mail("reset"), mail("reset")
    frozen.advance(minutes=30, seconds=-1)
    assert reset(early).status == 204
    assert log_in(password=NEW).status == 200

    late = mail("reset")
    frozen.advance(minutes=30)

    assert_refused(reset(late))


def test_a_newer_epoch_ends_every_token_before_it(ada: User, mail: Mail, person: Callable[..., Person]) -> None:
    first, second, third = mail("reset"), mail("reset"), mail("reset")
    reset(first)
    assert_refused(reset(second))

    fourth = mail("reset")
    body = {"current_password": NEW, "new_password": PASSWORD}
    changed = call("PUT", "/api/v1/auth/password", body, token=log_in(password=NEW).json["access_token"])
    assert changed.status == 204
    assert_refused(reset(fourth))
    assert_refused(reset(third))


def test_a_disabled_account_is_not_enabled_by_a_token_from_before(
    ada: User, mail: Mail, person: Callable[..., Person]
) -> None:
    token = mail("reset")
    boss = person("admin")
    for status in ("disabled", "active"):
        call("PATCH", f"/api/v1/admin/users/{ada.id}/status", {"status": status}, token=boss.token)
        assert_refused(reset(token))

    assert log_in().status == 200


@pytest.mark.parametrize(
    "token",
    ["", "x", f"{'0' * 20}.{'a' * 43}", "a" * 256, "user#x.\u0000"],
    ids=["empty", "x", "unknown", "long", "NUL"],
)
def test_a_text_that_is_not_a_token_is_refused_before_any_bcrypt(
    ada: User, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hashed(_: str) -> Any:
        raise AssertionError("a hash was made")

    monkeypatch.setattr(passwords, "make_hash", hashed)

    assert_refused(reset(token))
    assert_refused(verify(token))


def test_a_token_is_valid_for_its_purpose_and_user(ada: User, mail: Mail, account: Callable[..., User]) -> None:
    bob = account("bob@example.com")
    reset_token, verify_token = mail("reset"), mail("verify")

    assert_refused(reset(verify_token))
    assert_refused(verify(reset_token))
    assert_refused(reset(f"{bob.id}.{reset_token.partition('.')[2]}"))
    assert reset(reset_token).status == 204


def test_device_and_mailed_tokens_are_not_each_other(ada: User, mail: Mail) -> None:
    device = log_in().json["device_token"]

    assert_refused(reset(device))
    assert log_in(device_token=mail("reset")).status == 200


def test_the_table_holds_no_mailed_token(mail: Mail) -> None:
    tokens = [mail("reset"), mail("verify")]

    stored = str(client().scan(TableName="identity")["Items"])
    assert all(token.partition(".")[2] not in stored for token in tokens)


def test_a10_a_client_address_makes_twenty_resets_a_minute_and_no_password_is_checked_before(
    mail: Mail, frozen: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    real = password_rules.check_new
    monkeypatch.setattr(password_rules, "check_new", lambda it: checked.append(it) or real(it))

    for number in range(20):
        answer = reset("no token")
        assert_refused(answer)
        assert answer.headers["RateLimit"].startswith(f'"reset";r={19 - number};')
    token = mail("reset")
    refused = reset(token)

    assert_problem(refused, 429, "too-many-requests")
    assert checked == [], "not even once: no token was valid"
    frozen.advance(minutes=1)
    assert reset(token).status == 204
    assert checked == [NEW]


def test_a_weak_password_leaves_the_token_good(ada: User, mail: Mail) -> None:
    token = mail("reset")

    for weak in ("short", "password123", "ada@example.com"):
        assert places(reset(token, weak)) == {"#/new_password"}
    assert reset(token).status == 204


def test_a_reset_whose_answer_is_lost_is_made_once(ada: User, mail: Mail) -> None:
    with answer_lost("TransactWriteItems"):
        assert reset(mail("reset")).status == 204

    assert now(ada).auth_epoch == 1
    assert log_in(password=NEW).status == 200


def test_of_two_resets_with_one_token_one_is_made(ada: User, mail: Mail) -> None:
    token = mail("reset")

    with changed_meanwhile("TransactWriteItems", lambda: reset(token, "the first one")):
        assert_refused(reset(token))

    assert log_in(password="the first one").status == 200


def test_an_account_disabled_meanwhile_keeps_its_password(ada: User, mail: Mail, person: Callable[..., Person]) -> None:
    token, boss = mail("reset"), person("admin")
    path = f"/api/v1/admin/users/{ada.id}/status"

    with changed_meanwhile("TransactWriteItems", lambda: call("PATCH", path, {"status": "disabled"}, token=boss.token)):
        assert_refused(reset(token))

    assert now(ada).password_hash == ada.password_hash


@pytest.fixture
def long_password(account: Callable[..., User]) -> User:
    """An account with a password that is long enough for a manager, so that a promotion ends no session."""
    return account("grace@example.com", password_min_length=15)


def mint_for(user: User) -> str:
    stored, token = mailed_tokens.mint(user, "reset")
    put_item(stored)
    return str(token)


def test_a10_a_promotion_during_a_reset_leaves_no_short_password(
    long_password: User, person: Callable[..., Person]
) -> None:
    token, boss = mint_for(long_password), person("admin")
    path = f"/api/v1/admin/users/{long_password.id}/role"

    def promote() -> None:
        assert call("PATCH", path, {"role": "manager"}, token=boss.token).status == 200

    with changed_meanwhile("TransactWriteItems", promote):
        answer = reset(token, "kx7#Qm2v")

    assert places(answer) == {"#/new_password"}
    assert "15 to 128" in answer.json["errors"][0]["detail"]
    stored = now(long_password)
    assert (stored.role, stored.password_hash) == ("manager", long_password.password_hash)
    assert reset(token, "kx7#Qm2v-kx7#Qm").status == 204, "the token stays valid"
    assert now(long_password).password_min_length == 15


def test_a_new_name_during_a_reset_is_compared_too(long_password: User, mail: Mail) -> None:
    tokens = log_in("grace@example.com").json
    token = mint_for(long_password)

    def rename(name: str) -> None:
        changed = call("PATCH", "/api/v1/auth/me", {"last_name": name}, token=tokens["access_token"])
        assert changed.status == 200

    with changed_meanwhile("TransactWriteItems", lambda: rename("Zyrblinkov")):
        assert places(reset(token, "zyrblinkov")) == {"#/new_password"}
    with changed_meanwhile("TransactWriteItems", lambda: rename("Hopper")):
        assert reset(token, "kx7#Qm2v").status == 204

    stored = now(long_password)
    assert (stored.version, stored.email_verified, stored.last_name) == (4, True, "Hopper")
    entries = [it for it in audit_entries() if it.action == "password.reset"]
    assert len(entries) == 1


def test_a_lock_without_an_account_is_nobodys_to_lift(ada: User, mail: Mail) -> None:
    log_in("bob@example.com", "wrong")

    reset(mail("reset"))

    assert isinstance(get_item(IdentityItem, counter_key(passwords.email_digest("bob@example.com"))), AccountCounter)


# ---- verification ---------------------------------------------------------------------------------------------------


def test_the_same_token_verifies_again_and_again_and_writes_once(ada: User, mail: Mail, frozen: Clock) -> None:
    token = mail("verify")
    frozen.advance(days=7, seconds=-1)

    assert [verify(token).status for _ in range(3)] == [204, 204, 204]

    assert (now(ada).email_verified, now(ada).version) == (True, 2)
    assert len([it for it in audit_entries() if it.action == "email.verified"]) == 1


def test_it_ends_after_seven_days(mail: Mail, frozen: Clock) -> None:
    token = mail("verify")
    frozen.advance(days=7)

    assert_refused(verify(token))


def test_a_changed_password_leaves_it_good(ada: User, mail: Mail) -> None:
    token = mail("verify")
    reset(mail("reset"))

    assert verify(token).status == 204


def test_a_verification_whose_answer_is_lost_is_done(ada: User, mail: Mail) -> None:
    with answer_lost("TransactWriteItems"):
        assert verify(mail("verify")).status == 204

    assert (now(ada).email_verified, now(ada).version) == (True, 2)
