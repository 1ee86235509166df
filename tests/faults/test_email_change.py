"""Changes of the e-mail address under crashes, lost responses and other requests in between.

After each, exactly one user can sign in by an address, and each address of the user has a claim.
"""

from collections.abc import Callable
from typing import Any

import pytest

from oms.core.dynamodb import client
from oms.identity.models import Claim, User
from tests.support.accounts import _cheap_hashes, account, frozen, log_in
from tests.support.aws_calls import Plan, intercepted
from tests.support.email_changes import claim_of, request, requested, take_back, user_of, verify
from tests.support.faults import between, conflicted, crashes, lose_answer, refuse
from tests.support.gateway import assert_problem, call
from tests.support.invocation import Answer
from tests.support.mail import Ses, set_up

__all__ = ["_cheap_hashes", "account", "frozen"]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

names = iter(range(10_000))


class Change:
    """A user whose change of the address is requested, with the tokens of both mails."""

    def __init__(self, account: Callable[..., User], ses: Ses) -> None:
        number = next(names)
        self.old, self.new = f"old{number}@example.com", f"new{number}@example.org"
        self.user, self.ses = account(self.old, email_verified=True), ses
        self.token = str(log_in(self.old, address=f"198.51.100.{number % 250}").json["access_token"])
        tokens = requested(self.token, self.new, ses)
        self.to_new, self.to_old = tokens[self.new], tokens[self.old]

    def complete(self) -> Answer:
        return verify(self.to_new)

    def undo(self) -> Answer:
        return take_back(self.to_old)

    def check(self) -> str:
        """Asserts that user and claims agree. Returns the user's address."""
        user = user_of(self.user)
        claims = {it: claim_of(it) for it in (self.old, self.new)}
        own = claims.pop(user.email)
        assert own is not None
        assert (own.user_id, own.reserved_until) == (user.id, None)
        for claim in claims.values():
            assert claim is None or claim.user_id != user.id or claim.reserved_until is not None
        assert user.email_folded == user.email_key.partition("\x00")[0] == user.email
        assert len([it for it in entries(user) if it == "email.changed"]) <= 1
        return str(user.email)


def entries(user: User) -> list[str]:
    items = client().scan(TableName="audit")["Items"]
    return [it["action"]["S"] for it in items if it.get("target", {}).get("S") == f"user#{user.id}"]


@pytest.fixture
def begin(account: Callable[..., User], monkeypatch: pytest.MonkeyPatch) -> Callable[[], Change]:
    ses = set_up(monkeypatch)
    return lambda: Change(account, ses)


def test_a_change_is_whole_or_not_at_all(begin: Callable[[], Change]) -> None:
    points = 0
    for name, it in crashes(begin, Change.complete):
        points += 1
        assert it.check() in (it.old, it.new), name
        assert it.complete().status == 204, name
        assert it.check() == it.new, name
        assert entries(it.user).count("email.changed") == 1, name
    assert points == 4


def test_a_change_is_taken_back_whole_or_not_at_all(begin: Callable[[], Change]) -> None:
    def completed() -> Change:
        it = begin()
        assert it.complete().status == 204
        return it

    points = 0
    for name, it in crashes(completed, Change.undo):
        points += 1
        address = it.check()
        assert (user_of(it.user).password_hash is None) == (address == it.old), name
        assert it.undo().status == 204, name
        assert it.check() == it.old, name
        assert entries(it.user).count("email.taken_back") == 1, name
    assert points == 4


def test_a_request_is_whole_or_not_at_all(begin: Callable[[], Change]) -> None:
    points = 0
    for name, it in crashes(begin, lambda it: request(it.token, "third@example.net")):
        points += 1
        change = user_of(it.user).email_change
        is_new = change["email"] == "third@example.net"
        assert entries(it.user).count("email.change_requested") == 1 + is_new, name
    assert points == 8


@pytest.mark.parametrize("act", [Change.complete, Change.undo])
@pytest.mark.parametrize(
    "plan", [lose_answer("TransactWriteItems"), refuse("TransactWriteItems", conflicted, times=2)], ids=["lost", "busy"]
)
def test_a_lost_response_or_a_conflict_is_no_second_change(
    begin: Callable[[], Change], no_sleep: None, act: Callable[[Change], Answer], plan: Plan
) -> None:
    it = begin()
    with intercepted(plan):
        assert act(it).status == 204

    it.check()
    assert user_of(it.user).version == 2


def run_between(act: Callable[[], Answer], other: Callable[[], object], *, call_number: int = 1) -> Answer:
    """Makes the other request after the first call of `act`, which reads the user and the token."""
    with intercepted(between(call_number, other, after=True)):
        return act()


def test_f29_an_address_that_is_registered_during_the_change_is_the_other_users(begin: Callable[[], Change]) -> None:
    it = begin()
    body = {"email": it.new, "password": "a quite different one", "first_name": "Eve"}

    refused = run_between(it.complete, lambda: call("POST", "/api/v1/auth/register", body, address="192.0.2.1"))

    assert_problem(refused, 409, "email-taken")
    assert it.check() == it.old
    claim = claim_of(it.new)
    assert claim is not None
    assert claim.user_id != it.user.id


def test_f29_of_two_users_who_change_to_one_address_one_gets_it(begin: Callable[[], Change]) -> None:
    first, second = begin(), begin()
    tokens = requested(second.token, first.new, second.ses)

    refused = run_between(first.complete, lambda: verify(tokens[first.new]))

    assert_problem(refused, 409, "email-taken")
    assert (user_of(first.user).email, user_of(second.user).email) == (first.old, first.new)


@pytest.mark.parametrize("others", ["complete", "undo"])
@pytest.mark.parametrize("own", ["complete", "undo"])
def test_f29_a_confirmation_and_a_take_back_at_once_end_in_one_state(
    begin: Callable[[], Change], own: str, others: str
) -> None:
    it = begin()
    answers: list[Answer] = []

    answers.append(run_between(getattr(it, own), lambda: answers.append(getattr(it, others)())))

    used = {own, others}
    expected = it.old if "undo" in used else it.new
    assert it.check() == expected
    statuses = [answer.status for answer in answers]
    # A confirmation after the take-back is refused.
    assert statuses == ([204, 422] if (own, others) == ("complete", "undo") else [204, 204])
    assert user_of(it.user).version == (3 if (own, others) == ("undo", "complete") else 2)


def test_f29_a_new_request_during_the_confirmation_wins(begin: Callable[[], Change]) -> None:
    it = begin()

    refused = run_between(it.complete, lambda: request(it.token, "third@example.net"))

    assert_problem(refused, 422, "invalid-token")
    assert it.check() == it.old


def test_a_change_of_names_during_the_confirmation_stays(begin: Callable[[], Change]) -> None:
    it = begin()

    def rename() -> Any:
        return call("PATCH", "/api/v1/auth/me", {"first_name": "Bo"}, token=it.token)

    assert run_between(it.complete, rename).status == 204

    assert it.check() == it.new
    assert user_of(it.user).first_name == "Bo"


def test_a_session_that_ends_during_the_confirmation_stays_ended(begin: Callable[[], Change]) -> None:
    it = begin()

    done = run_between(it.complete, lambda: call("POST", "/api/v1/auth/logout", token=it.token))

    assert done.status == 204
    assert it.check() == it.new
    assert call("GET", "/api/v1/auth/me", token=it.token).status == 401


def test_a_password_that_changes_during_the_request_ends_it(begin: Callable[[], Change]) -> None:
    it = begin()
    body = {"current_password": "correct horse battery", "new_password": "a quite different one"}

    def change_password() -> Any:
        return call("PUT", "/api/v1/auth/password", body, token=it.token, address="192.0.2.2")

    # After the count of the attempt.
    answer = run_between(lambda: request(it.token, "third@example.net"), change_password, call_number=3)

    assert answer.status == 401
    assert user_of(it.user).email_change["email"] == it.new


def test_the_reserved_address_is_free_for_one_new_user_only(begin: Callable[[], Change], frozen: Any) -> None:
    it = begin()
    assert it.complete().status == 204
    frozen.advance(days=7)

    def register(first_name: str) -> Answer:
        body = {"email": it.old, "password": "a quite different one", "first_name": first_name}
        return call("POST", "/api/v1/auth/register", body, address=f"192.0.2.{len(first_name)}")

    answers: list[Answer] = []
    # Before the transaction.
    answers.append(run_between(lambda: register("Eve"), lambda: answers.append(register("Mallory"))))

    assert sorted(answer.status for answer in answers) == [201, 409]
    claim = claim_of(it.old)
    assert isinstance(claim, Claim)
    assert claim.reserved_until is None
