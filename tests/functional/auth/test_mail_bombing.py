"""A26, from the requests of an attacker over streams and bus to the mails of the victim."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from local.demo import PASSWORD
from tests.support.accounts import Clock, log_in
from tests.support.event_bus import entries_of
from tests.support.gateway import call
from tests.support.mail import Ses, notify, set_up
from tests.support.streams import streamed

VICTIM = "victim@example.com"
# Days begin at midnight UTC; hours at their full.
MORNING = {"hour": 8, "minute": 0}

addresses = (f"203.0.{high}.{low}" for high in count() for low in range(1, 255))


@pytest.fixture(autouse=True)
def ses(cloud: None, monkeypatch: pytest.MonkeyPatch, frozen: Clock) -> Ses:
    frozen.now = frozen.now.replace(**MORNING)
    return set_up(monkeypatch)


@contextmanager
def mailed() -> Iterator[None]:
    """What is done meanwhile reaches the notifier: each change twice, since streams and buses may do so."""
    with streamed("identity", "orders") as records:
        yield
    entries = entries_of(records)
    assert notify(*(it["Detail"] for it in [*entries, *entries] if it["DetailType"] not in UNMAILED)) == []


# What the rule of the notifier's queue leaves out.
UNMAILED = {"user.role_changed", "user.status_changed", "order.delivered", "order.returned"}


def register(**names: str) -> str:
    body = {"email": VICTIM, "password": PASSWORD, "first_name": "Vic"} | names
    answer = call("POST", "/api/v1/auth/register", body, address=next(addresses))
    assert answer.status == 201, answer.text
    return str(log_in(VICTIM, PASSWORD, address=next(addresses)).json["access_token"])


def forget() -> None:
    answer = call("POST", "/api/v1/auth/password/forgot", {"email": VICTIM}, address=next(addresses))
    assert answer.status == 202


def lock() -> None:
    for _ in range(5):
        assert log_in(VICTIM, "wrong", address=next(addresses)).status == 401


def buy(token: str, product_id: str) -> None:
    body = {"items": [{"product_id": product_id, "quantity": 1}]}
    placed = call("POST", "/api/v1/orders", body, token=token)
    assert placed.status == 201, placed.text
    cancel = call("POST", f"/api/v1/orders/{placed.json['id']}/cancel", {"reason": "no"}, token=token)
    assert cancel.status == 200, cancel.text


def test_a26_whatever_is_done_with_a_strangers_address_is_five_mails_a_day(
    ses: Ses, frozen: Clock, product: Callable[..., str]
) -> None:
    product_id = product(stock=50)
    with mailed():
        token = register()
        for _ in range(6):
            forget()
        lock()
        for _ in range(3):
            buy(token, product_id)

    assert len(ses.sent) == 5
    kinds = [subject.partition(" ")[0] for subject in ses.subjects]
    assert kinds.count("Set") == 3
    assert (kinds.count("Confirm"), kinds.count("Your") + kinds.count("We")) == (1, 1)

    frozen.advance(days=1)
    for _ in range(6):
        with mailed():
            forget()
        frozen.advance(hours=1)
    assert len(ses.sent) == 10


def test_a_new_password_can_be_asked_for_whatever_else_was_mailed(ses: Ses, product: Callable[..., str]) -> None:
    product_id = product(stock=50)
    with mailed():
        token = register()
        for _ in range(3):
            buy(token, product_id)
    assert len(ses.sent) == 4

    with mailed():
        for _ in range(3):
            forget()

    assert [subject for subject in ses.subjects if "password" in subject] == ["Set a new password"]


def test_a26_a_verified_address_is_bounded_in_what_strangers_can_cause(ses: Ses, frozen: Clock) -> None:
    with mailed():
        register()
    verified = call("POST", "/api/v1/auth/email/verify", {"token": ses.tokens()[0]})
    assert verified.status == 204
    ses.sent.clear()

    for _ in range(4):
        with mailed():
            for _ in range(5):
                forget()
            lock()
        frozen.advance(hours=1)

    assert ses.subjects.count("Set a new password") == 4 * 3
    assert ses.subjects.count("Your account is locked for a while") == 1


def test_a26_to_an_address_without_an_account_nothing_is_sent(ses: Ses) -> None:
    with mailed():
        for _ in range(3):
            forget()
        lock()

    assert ses.sent == []


def test_a26_an_attackers_words_reach_a_stranger_as_words_alone(ses: Ses) -> None:
    with mailed():
        register(first_name="You won <b>http://evil.example</b>")

    (sent,) = ses.sent
    simple = sent["Content"]["Simple"]
    assert simple["Subject"]["Data"] == "Confirm your e-mail address"
    for body in simple["Body"].values():
        assert "http://evil" not in body["Data"]
        assert "<b>" not in body["Data"]
    assert "Hello You won b http: / /evil. example /b,\n" in simple["Body"]["Text"]["Data"]
