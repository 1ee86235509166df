"""Rows A9, A10 and A12. The integration tests cover A11, a hundred guesses at once."""

from collections.abc import Callable
from unittest.mock import patch

import bcrypt
import pytest

from auth import passwords as password_routes
from oms.core.dynamodb import client, put_item
from oms.identity import mailed_tokens, passwords, service
from oms.identity.models import User, counter_key
from tests.support.accounts import PASSWORD, log_in
from tests.support.aws_calls import intercepted, recorded
from tests.support.invocation import invoke
from tests.support.work import counted


@pytest.fixture
def all_kinds(full_cost: None, account: Callable[..., User]) -> dict[str, str]:
    """Returns an e-mail address for each kind of account that a wrong password can be for."""
    hashed = service.passwords.make_hash(PASSWORD)
    as_stored = {"password_hash": hashed.text, "pepper_version": hashed.pepper_version}
    account("known@example.com", **as_stored)
    account("locked@example.com", **as_stored)
    account("disabled@example.com", **as_stored, status="disabled")
    for number in range(5):
        log_in("locked@example.com", "wrong", address=f"203.0.113.{number}")
    return {kind: f"{kind}@example.com" for kind in ("known", "unknown", "locked", "disabled")}


def test_a09_every_kind_of_failure_answers_alike_and_costs_one_bcrypt(all_kinds: dict[str, str]) -> None:
    answers = {}
    for kind, email in all_kinds.items():
        with patch.object(bcrypt, "checkpw", wraps=bcrypt.checkpw) as compared, recorded() as calls:
            answer = log_in(email, "wrong", address="203.0.113.70")
        answers[kind] = (answer.status, answer.text, str(sorted(answer.headers)), tuple(calls))
        assert compared.call_count == 1
        assert compared.call_args.args[1].startswith(b"$2b$12$")

    assert len(set(answers.values())) == 1, answers
    assert answers["known"][0] == 401


def test_a09_every_kind_of_failure_makes_transactions_of_the_same_size(all_kinds: dict[str, str]) -> None:
    sizes = {}
    for kind, email in all_kinds.items():
        with intercepted(lambda call: call.send()) as calls:
            log_in(email, "wrong", address="203.0.113.71")
        sizes[kind] = tuple(len(it.parameters["TransactItems"]) for it in calls if it.operation == "TransactWriteItems")

    assert len(set(sizes.values())) == 1, sizes
    assert len(sizes["known"]) == 2


def test_a09_the_right_password_of_a_locked_or_disabled_account_changes_nothing(all_kinds: dict[str, str]) -> None:
    wrong = log_in(all_kinds["unknown"], PASSWORD, address="203.0.113.50")

    for kind in ("locked", "disabled"):
        answer = log_in(all_kinds[kind], PASSWORD, address="203.0.113.51")
        assert (answer.status, answer.text) == (wrong.status, wrong.text)


def test_a09_the_work_of_an_answer_is_the_same_for_all_kinds(all_kinds: dict[str, str]) -> None:
    """All kinds make the same calls to AWS and one bcrypt of one cost, as a test above shows. The rest may differ by
    2,000 function calls: less than a millisecond, while a bcrypt takes about two hundred.
    """
    own: dict[str, set[int]] = {kind: set() for kind in all_kinds}
    for round_ in range(3):
        forget_failures(all_kinds["known"])  # or it would be locked after some attempts
        for kind, email in all_kinds.items():
            with counted() as work, intercepted(work.uncounted(lambda call: call.send())):
                log_in(email, "wrong", address=f"192.0.2.{round_}")
            own[kind].add(work.calls)

    counts = [number for numbers in own.values() for number in numbers]
    assert max(counts) - min(counts) < 2000, own


def forget_failures(email: str) -> None:
    pk, sk = counter_key(passwords.email_digest(email))
    client().delete_item(TableName="identity", Key={"pk": {"S": pk}, "sk": {"S": sk}})


@pytest.mark.parametrize(
    ("password", "status"),
    [
        ("seven horses " + "p" * 59, 201),
        ("seven horses " + "p" * 60, 201),
        ("seven horses " + "p" * 115, 201),
        ("seven horses " + "p" * 116, 422),
        ("seven horses " + "p" * 1000, 422),
        ("seven horses " + "\U0001f511" * 115, 201),
        ("nul\x00inside", 201),
        ("\x00seven horses\x00", 201),
        ("cafe\u0301 cre\u0300me", 201),
        ("  seven horses  ", 201),
    ],
)
def test_a10_any_password_is_hashed_whole_or_refused(cloud: None, password: str, status: int) -> None:
    body = {"email": "ada@example.com", "password": password, "first_name": "Ada"}

    assert invoke(password_routes, "POST", "/api/v1/auth/register", body).status == status

    assert log_in(password=password).status == (200 if status == 201 else 401)
    for other in {password + "x", password[:-1], password[:72], password.partition("\x00")[0]} - {password}:
        assert log_in(password=other, address="198.51.100.9").status == 401


def test_a10_composed_and_decomposed_input_is_one_password(cloud: None) -> None:
    body = {"email": "ada@example.com", "password": "caf\u00e9 cr\u00e8me", "first_name": "Ada"}
    invoke(password_routes, "POST", "/api/v1/auth/register", body)

    assert log_in(password="cafe\u0301 cre\u0300me").status == 200


def test_a10_the_input_of_bcrypt_is_short_and_free_of_nul(cloud: None) -> None:
    for password in ("p" * 1000, "\x00" * 100, "\U0001f511" * 128):
        peppered = passwords.peppered(password, "1")
        assert len(peppered) == 64
        assert b"\x00" not in peppered


def test_a12_a_stranger_cannot_lock_the_owner_out(ada: User) -> None:
    device_token = log_in().json["device_token"]
    for number in range(20):
        log_in(password="wrong", address=f"203.0.113.{number}")

    assert log_in(address="198.51.100.2").status == 401
    assert log_in(address="198.51.100.2", device_token=device_token).status == 200


def keep_locked(email: str = "ada@example.com", network: str = "203.0.113") -> None:
    """Locks the account as a stranger who knows only the e-mail address: five wrong passwords, each from another client
    address.
    """
    for number in range(5):
        log_in(email, "wrong", address=f"{network}.{number}")


@pytest.mark.parametrize("role", ["customer", "admin"])  # the admin is the only one
def test_a12_a_stranger_cannot_lock_the_owner_out_again_after_the_reset(
    account: Callable[..., User], role: str
) -> None:
    ada = account("ada@example.com", role=role)
    keep_locked()
    stored, token = mailed_tokens.mint(ada, "reset")
    put_item(stored)
    new = "three quiet lighthouses"

    done = invoke(
        password_routes,
        "POST",
        "/api/v1/auth/password/reset",
        {"token": str(token), "new_password": new, "remember_device": True},
    )
    keep_locked(network="192.0.2")

    assert (done.status, list(done.json)) == (200, ["device_token"])
    assert log_in(password=new, address="198.51.100.2").status == 401
    assert log_in(password=new, address="198.51.100.2", device_token=done.json["device_token"]).status == 200


def test_a12_a_stranger_cannot_lock_out_a_user_who_has_never_signed_in(cloud: None) -> None:
    body = {"email": "ada@example.com", "password": PASSWORD, "first_name": "Ada"}
    registered = invoke(password_routes, "POST", "/api/v1/auth/register", body)
    keep_locked()

    assert log_in(address="198.51.100.2").status == 401
    assert log_in(address="198.51.100.2", device_token=registered.json["device_token"]).status == 200


def test_a12_the_device_of_a_reset_counts_its_own_failures(ada: User) -> None:
    stored, token = mailed_tokens.mint(ada, "reset")
    put_item(stored)
    body = {"token": str(token), "new_password": PASSWORD, "remember_device": True}
    device_token = invoke(password_routes, "POST", "/api/v1/auth/password/reset", body).json["device_token"]

    for number in range(5):
        log_in(password="wrong", address=f"203.0.113.{number}", device_token=device_token)

    assert log_in(address="198.51.100.2", device_token=device_token).status == 401
    assert log_in(address="198.51.100.2").status == 200
