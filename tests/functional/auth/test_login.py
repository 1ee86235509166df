from collections import Counter as Counts
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest

from auth import handler as session_routes
from oms.core.dynamodb import batch_get, client
from oms.core.secret_store import Reloaded
from oms.identity import keyring, passwords
from oms.identity.models import AccountCounter, Device, IdentityItem, User, counter_key
from tests.support.accounts import PASSWORD, Clock, audit_entries, log_in
from tests.support.audit_addresses import hidden
from tests.support.aws_calls import answer_lost, changed_meanwhile, recorded
from tests.support.invocation import Answer, invoke

LOCK = 15 * 60


@pytest.fixture(autouse=True)
def ada(account: Callable[..., User]) -> User:
    return account("ada@example.com")


def counter() -> AccountCounter | None:
    key = counter_key(passwords.email_digest("ada@example.com"))
    found: Any = batch_get(IdentityItem, [key]).get(key)
    return found


def devices() -> list[Device]:
    items = client().scan(TableName="identity")["Items"]
    return [Device.from_raw_data(item) for item in items if item["kind"]["S"] == "device"]


def fail(times: int, **more: Any) -> Answer:
    """Tries wrong passwords, each from another address, so that only the account's own limit counts."""
    for number in range(times):
        answer = log_in(password="wrong", address=f"203.0.113.{number}", **more)
        assert (answer.status, answer.json["code"]) == (401, "invalid-credentials")
    return answer


def test_a_password_that_is_set_already_signs_in_though_a_new_one_may_not_be_so(account: Callable[..., User]) -> None:
    hashed = passwords.make_hash("password")
    account("eve@example.com", role="admin", password_hash=hashed.text, pepper_version=hashed.pepper_version)

    assert log_in("eve@example.com", "password").status == 200


def test_it_answers_tokens_that_work() -> None:
    answer = log_in()

    assert answer.status == 200
    tokens = answer.json
    assert tokens.keys() == {
        "access_token",
        "refresh_token",
        "token_type",
        "expires_in",
        "refresh_expires_in",
        "device_token",
    }
    assert (tokens["token_type"], tokens["expires_in"], tokens["refresh_expires_in"]) == ("Bearer", 3600, 604800)
    me = invoke(session_routes, "GET", "/api/v1/auth/me", token=tokens["access_token"])
    assert (me.status, me.json["email"]) == (200, "ada@example.com")


@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
def test_it_takes_four_calls_whether_right_or_wrong(password: str) -> None:
    log_in()  # the process is warm now

    with recorded() as calls:
        log_in(password=password)

    assert calls == [
        "dynamodb.BatchGetItem",
        "dynamodb.TransactWriteItems",
        "dynamodb.GetItem",
        "dynamodb.TransactWriteItems",
    ]


def test_the_sixth_in_a_minute_from_one_address_is_refused_for_any_account(frozen: Clock) -> None:
    for number in range(5):
        answer = log_in(f"user{number}@example.com")
        assert answer.status == 401
        assert answer.headers["RateLimit-Policy"] == '"login";q=5;w=60'
        assert answer.headers["RateLimit"] == f'"login";r={4 - number};t=50'

    with recorded() as calls:
        refused = log_in()

    assert (refused.status, refused.headers["Retry-After"]) == (429, "50")
    assert refused.headers["RateLimit"] == '"login";r=0;t=50'
    assert calls == ["dynamodb.BatchGetItem"]
    assert log_in(address="198.51.100.2").status == 200
    frozen.advance(seconds=50)
    assert log_in().status == 200


def test_a_request_that_fails_validation_is_not_counted() -> None:
    answer = log_in(password="x" * 1025)

    assert answer.status == 422
    assert "RateLimit" not in answer.headers


@pytest.mark.parametrize("email", ["\ufdfa" * 254, "\ufdfa" * 242 + "@example.com", "x" * 254, "", "\x00"])
def test_an_impossible_address_is_refused_like_an_unknown_one(email: str) -> None:
    """U+FDFA folds to 18 characters, 33 bytes, so that the address is too long for a key."""
    unknown = log_in("nobody@example.com")
    answer = log_in(email)

    assert (answer.status, answer.json) == (401, unknown.json)
    with recorded() as calls:
        log_in(email)
    assert len(calls) == 4


def test_five_failures_lock_the_account_for_a_quarter_of_an_hour(frozen: Clock) -> None:
    fail(5)

    assert log_in().status == 401
    frozen.advance(seconds=LOCK - 1)
    assert log_in().status == 401
    frozen.advance(seconds=1)
    assert log_in().status == 200


def test_four_failures_lock_nothing_and_success_starts_the_count_again() -> None:
    fail(4)
    assert log_in().status == 200
    fail(4)

    assert log_in(address="198.51.100.2").status == 200
    assert counter() is None


def test_each_lock_is_twice_as_long_up_to_a_day(frozen: Clock) -> None:
    for seconds in [LOCK * 2**n for n in range(7)] + [24 * 3600, 24 * 3600]:
        fail(5)
        found = counter()
        assert found is not None
        assert found.locked_until - int(frozen.now.timestamp()) == seconds
        frozen.advance(seconds=seconds)


def test_a_day_after_the_last_lock_it_is_forgotten(frozen: Clock) -> None:
    fail(5)
    frozen.advance(seconds=LOCK, days=1)
    fail(4)

    assert log_in(address="198.51.100.2").status == 200


def test_attempts_on_a_locked_account_prolong_nothing() -> None:
    fail(5)
    before = counter()
    fail(5)

    after = counter()
    assert before is not None
    assert after is not None
    assert after.attribute_values == before.attribute_values


def test_a_known_device_counts_for_itself_and_gets_its_token_back() -> None:
    token = log_in().json["device_token"]
    fail(5)

    answer = log_in(device_token=token)

    assert (answer.status, answer.json["device_token"]) == (200, token)
    assert [device.failures for device in devices()] == [0]
    assert log_in(address="198.51.100.2").status == 401  # the account stays locked for strangers


def test_a_known_device_is_locked_by_its_own_failures_alone() -> None:
    token = log_in().json["device_token"]
    fail(5, device_token=token)

    assert log_in(device_token=token, address="198.51.100.2").status == 401
    assert log_in(address="198.51.100.2").status == 200


def test_a_device_token_is_valid_for_its_own_account_and_180_days(account: Callable[..., User], frozen: Clock) -> None:
    account("grace@example.com")
    foreign = log_in("grace@example.com").json["device_token"]
    own = log_in().json["device_token"]
    fail(5)

    assert log_in(device_token=foreign).status == 401
    assert log_in(device_token="not.a-token").status == 401
    frozen.advance(seconds=LOCK)
    frozen.advance(days=180)
    fail(5)
    assert log_in(device_token=own).status == 401


def test_a_disabled_account_is_closed(account: Callable[..., User]) -> None:
    account("grace@example.com", status="disabled")

    assert log_in("grace@example.com").status == 401
    assert audit_entries()[-1].details["reason"] == "disabled"


def test_without_a_signing_key_it_is_unavailable_and_nothing_is_counted() -> None:
    with patch.object(keyring, "SIGNING", Reloaded(lambda: ())), recorded() as calls:
        answer = log_in()

    assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
    assert calls == []


def test_a_lost_answer_counts_the_failure_once() -> None:
    with answer_lost("TransactWriteItems"):
        answer = log_in(password="wrong")

    found = counter()
    assert found is not None
    assert (answer.status, found.failures) == (401, 1)
    assert answer.headers["RateLimit"].startswith('"login";r=4;')


def test_a_lost_answer_on_a_locked_account_takes_one_slot() -> None:
    fail(5)

    with answer_lost("TransactWriteItems"):
        answer = log_in(address="198.51.100.7")

    assert answer.status == 401
    assert answer.headers["RateLimit"].startswith('"login";r=4;')


def test_a_lost_answer_at_the_end_leaves_one_session() -> None:
    with answer_lost("TransactWriteItems", nth=2):
        answer = log_in()

    assert answer.status == 200
    me = invoke(session_routes, "GET", "/api/v1/auth/me", token=answer.json["access_token"])
    assert me.status == 200
    sessions = [item for item in client().scan(TableName="identity")["Items"] if item["kind"]["S"] == "session"]
    assert len(sessions) == 1


def test_a11_an_attempt_that_comes_between_is_counted_too() -> None:
    with changed_meanwhile("TransactWriteItems", by=lambda: fail(1)):
        log_in(password="wrong")

    found = counter()
    assert found is not None
    assert found.failures == 2


def test_the_lock_that_comes_between_is_seen() -> None:
    fail(4)

    def lock() -> None:
        log_in(password="wrong", address="203.0.113.99")

    with changed_meanwhile("TransactWriteItems", by=lock):
        answer = log_in()

    assert answer.status == 401


def test_a_missing_pepper_is_unavailable_not_a_wrong_password(account: Callable[..., User]) -> None:
    account("grace@example.com", pepper_version="7")

    assert log_in("grace@example.com").status == 503


def test_a20_the_audit_log_has_success_failure_and_lock_without_the_address(ada: User, frozen: Clock) -> None:
    for attempt in (log_in, lambda: log_in("nobody@example.com"), lambda: fail(5), lambda: fail(1)):
        attempt()
        frozen.advance(seconds=1)

    entries = audit_entries()
    outcomes = [(entry.action, entry.outcome, (entry.details or {}).get("reason")) for entry in entries]
    assert outcomes[:2] == [("login", "success", None), ("login", "failure", "unknown")]
    assert Counts(outcomes[2:-1]) == {("login", "failure", "wrong-password"): 5, ("account.locked", "success", None): 1}
    assert outcomes[-1] == ("login", "failure", "locked")
    login = entries[0]
    assert (login.actor_id, login.actor_role, login.address) == (ada.id, "customer", hidden("198.51.100.1", login.at))
    assert entries[-1].target == f"user#{ada.id}"
    assert "example.com" not in str(client().scan(TableName="audit")["Items"])


def test_a_session_remembers_where_it_began() -> None:
    log_in(headers={"User-Agent": "curl/8"}, address="2001:db8:1:2::9")

    session = next(item for item in client().scan(TableName="identity")["Items"] if item["kind"]["S"] == "session")
    assert (session["address"]["S"], session["user_agent"]["S"]) == ("2001:db8:1:2::/64", "curl/8")
