"""Change of the e-mail address: the new one is confirmed before it counts, and the old one can take it back."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from oms.identity.email_change import MAX_FORMER_EMAILS
from oms.identity.models import User
from tests.support.accounts import PASSWORD, Clock, audit_entries, log_in
from tests.support.aws_calls import recorded
from tests.support.email_changes import claim_of, messages_of, request, requested, take_back, user_of, verify
from tests.support.gateway import assert_problem, call, places
from tests.support.mail import LINK, Ses, notify, set_up, stored

OLD, NEW = "ada@example.com", "augusta@example.org"


@pytest.fixture(autouse=True)
def ses(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ses]:
    ses = set_up(monkeypatch)
    yield ses
    for token in ses.tokens():
        assert token.partition(".")[2] not in str(stored()), "the table holds a token"


@pytest.fixture
def ada(account: Callable[..., User]) -> User:
    return account(OLD, email_verified=True)


@pytest.fixture
def token(ada: User) -> str:
    return signed_in()


def signed_in(email: str = OLD, password: str = PASSWORD, address: str = "198.51.100.9") -> str:
    answer = log_in(email, password, address=address)
    assert answer.status == 200, answer.text
    return str(answer.json["access_token"])


def is_alive(token: str) -> bool:
    return call("GET", "/api/v1/auth/me", token=token).status == 200


def register(email: str) -> int:
    body = {"email": email, "password": "a quite different one", "first_name": "Eve"}
    return call("POST", "/api/v1/auth/register", body, address="192.0.2.44").status


def audited(user: User) -> list[tuple[str, str]]:
    found = [it for it in audit_entries() if it.target == f"user#{user.id}" and it.action.startswith("email.")]
    return [(it.action, it.outcome) for it in found]


# ---- the request ----------------------------------------------------------------------------------------------------


def test_nothing_changes_before_the_new_address_is_confirmed(ada: User, token: str, ses: Ses) -> None:
    requested(token, NEW, ses)

    me = call("GET", "/api/v1/auth/me", token=token)
    assert (me.json["email"], me.headers["ETag"]) == (OLD, '"1"')
    assert log_in(NEW).status == 401
    assert claim_of(NEW) is None, "a request reserves no address of a stranger"
    assert audited(ada) == [("email.change_requested", "success")]


def test_both_addresses_get_a_mail_and_neither_names_the_other(ada: User, token: str, ses: Ses) -> None:
    messages = messages_of(token, NEW)
    notify(*messages, *messages)

    assert sorted(zip(ses.recipients, ses.subjects, strict=True)) == [
        (OLD, "A new e-mail address was requested"),
        (NEW, "Confirm your new e-mail address"),
    ]
    texts = dict(zip(ses.recipients, ses.texts, strict=True))
    assert LINK.findall(texts[NEW])[0][0] == "verify-email"
    assert LINK.findall(texts[OLD])[0][0] == "take-back-email"
    assert texts[OLD].startswith("Hello Ada,")
    assert texts[NEW].startswith("Hello,"), "the owner of the new address may be a stranger"
    assert all("example.org" not in text for text in texts.values())


def test_an_address_that_was_never_verified_gets_no_mail(account: Callable[..., User], ses: Ses) -> None:
    user = account("typo@example.com", email_verified=False)
    tokens = requested(signed_in(user.email), NEW, ses)

    assert list(tokens) == [NEW]
    assert verify(tokens[NEW]).status == 204
    assert (user_of(user).email, user_of(user).email_verified) == (NEW, True)
    assert log_in("typo@example.com").status == 401
    # It may be a stranger's, who can register it.
    assert register("typo@example.com") == 201


def test_a37_a_taken_address_gets_the_same_response_and_no_mail(
    ada: User, token: str, account: Callable[..., User], ses: Ses
) -> None:
    account("bob@example.com")
    assert request(token, NEW).status == 202  # warms the process
    with recorded() as made:
        free = request(token, NEW)
    of_free = list(made)
    with recorded() as made:
        taken = request(token, "bob@example.com")

    same = ("Content-Type", "ETag", "Cache-Control")
    assert (taken.status, taken.text) == (free.status, free.text) == (202, "")
    assert [taken.headers.get(it) for it in same] == [free.headers.get(it) for it in same]
    assert list(made) == of_free
    notify(*messages_of(token, "bob@example.com"))
    assert ses.recipients == [OLD]


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_wrong_password_changes_nothing_and_is_audited(ada: User, token: str, password: str) -> None:
    assert_problem(request(token, NEW, password=password), 401, "invalid-credentials")

    assert user_of(ada).email_change is None
    assert audited(ada) == [("email.change_requested", "failure")]


def test_a11_the_fifth_wrong_password_ends_the_session(token: str) -> None:
    answers = [request(token, NEW, password="wrong") for _ in range(5)]

    assert {it.status for it in answers} == {401}
    assert "ended" in answers[-1].json["detail"]
    assert not is_alive(token)


def test_attempts_count_for_the_client_address_too(token: str) -> None:
    answers = [request(token, NEW, address="198.51.100.77").status for _ in range(6)]

    assert answers == [202] * 5 + [429]


def test_a_wrong_request_is_refused(token: str) -> None:
    assert places(request(token, "Ada@EXAMPLE.com")) == {"#/new_email"}
    assert places(request(token, "no address")) == {"#/new_email"}
    assert_problem(request(token, NEW, headers={"If-Match": '"7"'}), 412, "stale-version")


# ---- the confirmation -----------------------------------------------------------------------------------------------


def test_the_confirmed_address_counts_and_the_old_one_does_not(ada: User, token: str, ses: Ses) -> None:
    other = signed_in(address="198.51.100.10")
    tokens = requested(token, NEW, ses)

    assert verify(tokens[NEW]).status == 204

    me = call("GET", "/api/v1/auth/me", token=token)
    assert (me.json["email"], me.json["email_verified"], me.headers["ETag"]) == (NEW, True, '"2"')
    assert not is_alive(other), "all other sessions end"
    assert log_in(OLD, address="198.51.100.11").status == 401
    assert log_in(NEW, address="198.51.100.11").status == 200
    assert sorted(audited(ada)) == [("email.change_requested", "success"), ("email.changed", "success")]


def test_a_second_confirmation_changes_nothing(ada: User, token: str, ses: Ses) -> None:
    tokens = requested(token, NEW, ses)

    assert [verify(tokens[NEW]).status for _ in range(2)] == [204, 204]
    assert user_of(ada).version == 2


def test_it_is_confirmed_without_the_session_that_requested_it(ada: User, token: str, ses: Ses) -> None:
    tokens = requested(token, NEW, ses)
    assert call("POST", "/api/v1/auth/logout", token=token).status == 204

    assert verify(tokens[NEW]).status == 204
    assert not is_alive(token)


def test_only_the_latest_request_can_be_confirmed(ada: User, token: str, ses: Ses) -> None:
    first = requested(token, "first@example.org", ses)["first@example.org"]
    second = requested(token, NEW, ses)[NEW]

    assert_problem(verify(first), 422, "invalid-token")
    assert verify(second).status == 204
    assert_problem(verify(first), 422, "invalid-token")


def test_a_request_expires_after_a_day(ada: User, token: str, ses: Ses, frozen: Clock) -> None:
    tokens = requested(token, NEW, ses)
    frozen.advance(hours=24)

    assert_problem(verify(tokens[NEW]), 422, "invalid-token")


def test_an_address_that_was_registered_meanwhile_is_taken(ada: User, token: str, ses: Ses) -> None:
    tokens = requested(token, NEW, ses)
    assert register(NEW) == 201

    assert_problem(verify(tokens[NEW]), 409, "email-taken")
    assert user_of(ada).email == OLD
    assert is_alive(token)


def test_a_disabled_account_changes_nothing(ada: User, token: str, ses: Ses, admin: Any) -> None:
    tokens = requested(token, NEW, ses)
    body = {"status": "disabled"}
    assert call("PATCH", f"/api/v1/admin/users/{ada.id}/status", body, token=admin.token).status == 200

    assert_problem(verify(tokens[NEW]), 422, "invalid-token")
    assert_problem(take_back(tokens[OLD]), 422, "invalid-token")
    assert user_of(ada).email == OLD


def test_a_reset_mail_to_the_old_address_is_invalid_after_the_change(ada: User, token: str, ses: Ses) -> None:
    tokens = requested(token, NEW, ses)
    assert call("POST", "/api/v1/auth/password/forgot", {"email": OLD}).status == 202
    (request_id,) = [it["id"]["S"] for it in stored() if it["kind"]["S"] == "mail-request"]
    notify(f'{{"request": "{request_id}"}}')
    reset = ses.tokens()[-1]
    assert verify(tokens[NEW]).status == 204

    body = {"token": reset, "new_password": "a quite different one"}
    assert_problem(call("POST", "/api/v1/auth/password/reset", body), 422, "invalid-token")
    # A new request finds no account.
    before = len(ses.sent)
    assert call("POST", "/api/v1/auth/password/forgot", {"email": OLD}).status == 202
    for it in stored():
        if it["kind"]["S"] == "mail-request" and it["id"]["S"] != request_id:
            notify(f'{{"request": "{it["id"]["S"]}"}}')
    assert len(ses.sent) == before


def test_a37_a_new_password_ends_a_requested_change(ada: User, token: str, ses: Ses) -> None:
    mine = signed_in(address="198.51.100.16")
    tokens = requested(token, NEW, ses)
    body = {"current_password": PASSWORD, "new_password": "a quite different one"}
    assert call("PUT", "/api/v1/auth/password", body, token=mine, address="198.51.100.16").status == 204

    assert_problem(verify(tokens[NEW]), 422, "invalid-token")
    assert user_of(ada).email == OLD


def test_a37_a_reset_ends_a_change_that_a_stranger_requested_before(account: Callable[..., User], ses: Ses) -> None:
    user = account(OLD, email_verified=False)
    tokens = requested(signed_in(), NEW, ses)
    assert call("POST", "/api/v1/auth/password/forgot", {"email": OLD}).status == 202
    (request_id,) = [it["id"]["S"] for it in stored() if it["kind"]["S"] == "mail-request"]
    notify(f'{{"request": "{request_id}"}}')
    body = {"token": ses.tokens()[-1], "new_password": "a quite different one"}
    assert call("POST", "/api/v1/auth/password/reset", body).status == 204

    assert_problem(verify(tokens[NEW]), 422, "invalid-token")
    assert user_of(user).email == OLD


# ---- the old address ------------------------------------------------------------------------------------------------


def test_a37_the_old_address_is_reserved_for_seven_days(ada: User, token: str, ses: Ses, frozen: Clock) -> None:
    tokens = requested(token, NEW, ses)
    assert verify(tokens[NEW]).status == 204

    frozen.advance(days=7, seconds=-1)
    assert register(OLD) == 409
    frozen.advance(seconds=1)
    assert register(OLD) == 201
    assert_problem(take_back(tokens[OLD]), 422, "invalid-token")
    assert user_of(ada).email == NEW


def test_a37_the_old_address_takes_a_completed_change_back(ada: User, token: str, ses: Ses, frozen: Clock) -> None:
    tokens = requested(token, NEW, ses)
    assert verify(tokens[NEW]).status == 204
    frozen.advance(days=6, hours=23)
    thief = signed_in(NEW, address="198.51.100.12")

    assert take_back(tokens[OLD]).status == 204

    user = user_of(ada)
    assert (user.email, user.email_folded, user.email_verified) == (OLD, OLD, True)
    assert user.password_hash is None, "another person knows it"
    assert not is_alive(thief)
    assert not is_alive(token)
    assert {log_in(it, address="198.51.100.13").status for it in (OLD, NEW)} == {401}
    assert register(NEW) == 201, "the other address is free at once"
    assert audited(ada)[-1] == ("email.taken_back", "success")


def test_a37_after_it_a_reset_mail_gives_the_account_back(ada: User, token: str, ses: Ses) -> None:
    tokens = requested(token, NEW, ses)
    assert verify(tokens[NEW]).status == 204
    assert take_back(tokens[OLD]).status == 204

    assert call("POST", "/api/v1/auth/password/forgot", {"email": OLD}).status == 202
    (request_id,) = [it["id"]["S"] for it in stored() if it["kind"]["S"] == "mail-request"]
    notify(f'{{"request": "{request_id}"}}')
    body = {"token": ses.tokens()[-1], "new_password": "a quite different one"}
    assert call("POST", "/api/v1/auth/password/reset", body).status == 204
    assert log_in(OLD, "a quite different one", address="198.51.100.14").status == 200


def test_a37_before_the_confirmation_it_cancels_the_change(ada: User, token: str, ses: Ses) -> None:
    tokens = requested(token, NEW, ses)

    assert take_back(tokens[OLD]).status == 204

    assert_problem(verify(tokens[NEW]), 422, "invalid-token")
    user = user_of(ada)
    assert (user.email, user.password_hash) == (OLD, None)
    assert not is_alive(token)


def test_a37_several_changes_are_taken_back_at_once(ada: User, token: str, ses: Ses) -> None:
    first = requested(token, NEW, ses)
    assert verify(first[NEW]).status == 204
    second = requested(token, "third@example.net", ses)
    assert verify(second["third@example.net"]).status == 204

    assert take_back(first[OLD]).status == 204

    assert user_of(ada).email == OLD
    assert_problem(take_back(second[NEW]), 422, "invalid-token")
    assert user_of(ada).email == OLD, "an address of the thief takes nothing back"


def test_a_second_use_of_the_link_changes_nothing(ada: User, token: str, ses: Ses) -> None:
    tokens = requested(token, NEW, ses)
    assert verify(tokens[NEW]).status == 204

    assert [take_back(tokens[OLD]).status for _ in range(2)] == [204, 204]
    assert user_of(ada).version == 3


def test_the_mail_may_come_after_the_change(ada: User, token: str, ses: Ses) -> None:
    to_new, to_old = sorted(messages_of(token, NEW), key=lambda it: '"old"' in it)
    notify(to_new)
    assert verify(ses.tokens()[0]).status == 204

    notify(to_old)

    assert ses.recipients == [NEW, OLD]
    assert take_back(ses.tokens()[1]).status == 204
    assert user_of(ada).email == OLD


def test_the_former_address_can_be_the_new_one_again(ada: User, token: str, ses: Ses) -> None:
    assert verify(requested(token, NEW, ses)[NEW]).status == 204
    assert verify(requested(token, OLD, ses)[OLD]).status == 204

    assert log_in(OLD, address="198.51.100.15").status == 200
    assert log_in(NEW, address="198.51.100.15").status == 401
    claim = claim_of(OLD)
    assert claim is not None
    assert claim.reserved_until is None


@pytest.mark.parametrize("purpose", ["verify", "take-back"])
def test_a_token_of_one_purpose_has_no_other(ada: User, token: str, ses: Ses, purpose: str) -> None:
    tokens = requested(token, NEW, ses)
    answer = verify(tokens[OLD]) if purpose == "verify" else take_back(tokens[NEW])

    assert_problem(answer, 422, "invalid-token")
    assert user_of(ada).version == 1


@pytest.mark.parametrize("text", ["", "x", "a.b", "ABCDEFGHJKMNPQRSTVWX.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"])
def test_an_unknown_token_is_refused(cloud: None, text: str) -> None:
    assert_problem(take_back(text), 422, "invalid-token")


# ---- bounds ---------------------------------------------------------------------------------------------------------


def test_a26_a_mailbox_is_not_bombed_by_requests(ada: User, token: str, ses: Ses) -> None:
    for _ in range(8):
        notify(*messages_of(token, NEW))

    assert (ses.recipients.count(NEW), ses.recipients.count(OLD)) == (3, 5)


def test_the_number_of_changes_is_limited(ada: User, token: str, ses: Ses, frozen: Clock) -> None:
    for number in range(MAX_FORMER_EMAILS):
        new = f"a{number}@example.org"
        assert verify(requested(token, new, ses)[new]).status == 204
        frozen.advance(days=1)
        token = signed_in(new)

    refused = request(token, NEW)

    assert_problem(refused, 429, "too-many-requests")
    assert refused.headers["Retry-After"] == str(2 * 24 * 3600)
