"""A26: from an attacker's requests, over streams and bus, to the victim's mails."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from itertools import count
from typing import Any
from unittest.mock import patch

import pytest

from local.demo import PASSWORD
from oms.core import pseudonyms
from oms.core.secret_store import Reloaded
from oms.core.settings import settings
from oms.identity.models import User
from oms.mail import limits
from oms.mail.messages import Notification
from tests.support.accounts import Clock, log_in
from tests.support.database import table
from tests.support.event_bus import entries_of
from tests.support.gateway import call
from tests.support.mail import Ses, notify, set_up
from tests.support.streams import streamed

VICTIM = "victim@example.com"
# Days begin at midnight UTC, hours at their first minute.
MORNING = {"hour": 8, "minute": 0}

addresses = (f"203.0.{high}.{low}" for high in count() for low in range(1, 255))


@pytest.fixture(autouse=True)
def ses(cloud: None, monkeypatch: pytest.MonkeyPatch, frozen: Clock) -> Ses:
    frozen.now = frozen.now.replace(**MORNING)
    return set_up(monkeypatch)


@contextmanager
def mailed() -> Iterator[None]:
    """In this context, changes reach the notifier, each twice, since streams and buses may deliver twice."""
    with streamed("identity", "orders") as records:
        yield
    entries = entries_of(records)
    assert notify(*(it["Detail"] for it in [*entries, *entries] if it["DetailType"] not in UNMAILED)) == []


# The events that the rule of the notifier's queue leaves out.
UNMAILED = {"user.role_changed", "user.status_changed", "order.delivered", "order.returned", "order.updated"}


def register(**fields: str) -> str:
    body = {"email": VICTIM, "password": PASSWORD, "first_name": "Vic"} | fields
    answer = call("POST", "/api/v1/auth/register", body, address=next(addresses))
    assert answer.status == 201, answer.text
    return str(log_in(body["email"], PASSWORD, address=next(addresses)).json["access_token"])


def forget(email: str = VICTIM) -> None:
    answer = call("POST", "/api/v1/auth/password/forgot", {"email": email}, address=next(addresses))
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


def test_a26_all_requests_with_a_strangers_address_cause_five_mails_a_day(
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


def test_a_new_password_can_be_requested_regardless_of_other_mails(ses: Ses, product: Callable[..., str]) -> None:
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


def test_a26_strangers_can_cause_a_limited_number_of_mails_to_a_verified_address(ses: Ses, frozen: Clock) -> None:
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


WORDS = "Call 555 0199 now"


def place_with_words(token: str, product_id: str) -> str:
    address = dict.fromkeys(("name", "line1", "line2", "city", "postal_code", "region"), WORDS) | {"country": "US"}
    body = {"items": [{"product_id": product_id, "quantity": 1}], "shipping_address": address, "note": WORDS}
    placed = call("POST", "/api/v1/orders", body, token=token)
    assert placed.status == 201, placed.text
    return str(placed.json["id"])


def cancel_with_words(token: str, order_id: str) -> None:
    assert call("POST", f"/api/v1/orders/{order_id}/cancel", {"reason": WORDS}, token=token).status == 200


def said(sent: Any) -> str:
    simple = sent["Content"]["Simple"]
    return "".join([simple["Subject"]["Data"], *(it["Data"] for it in simple["Body"].values())])


def test_a26_nothing_that_a_customer_wrote_reaches_an_address_before_it_is_verified(
    ses: Ses, product: Callable[..., str]
) -> None:
    product_id = product(stock=50)
    with mailed():
        token = register(first_name=WORDS, last_name=WORDS)
    with mailed():
        cancel_with_words(token, place_with_words(token, product_id))
    with mailed():
        forget()

    assert ses.subjects[0] == "Confirm your e-mail address"
    assert len(ses.sent) == 4
    assert not [mail for mail in map(said, ses.sent) if "555" in mail]

    assert call("POST", "/api/v1/auth/email/verify", {"token": ses.tokens()[0]}).status == 204
    ses.sent.clear()
    with mailed():
        cancel_with_words(token, place_with_words(token, product_id))
    created, cancelled = map(said, ses.sent)
    assert f"Hello {WORDS}," in created, "their own mails have all"
    assert created.count(WORDS) > 10
    assert f"Reason: {WORDS}" in cancelled


def tagged(tag: Any) -> str:
    name, _, domain = VICTIM.partition("@")
    return f"{name}+{tag}@{domain}"


def test_a26_tagged_addresses_are_one_mailbox_with_room_left_for_the_plain_one(ses: Ses) -> None:
    with mailed():
        for tag in range(5):
            register(email=tagged(tag))
    assert len(ses.sent) == 3, "not five: two are left"

    with mailed():
        register()
        forget()
    assert ses.recipients[3:] == [VICTIM, VICTIM]
    assert ses.subjects[3:] == ["Confirm your e-mail address", "Set a new password"]

    with mailed():
        for tag in range(5):
            forget(tagged(tag))
        forget()
    assert len(ses.sent) == 5


def test_a26_a_reader_of_the_table_cannot_test_addresses_against_the_counts(
    ses: Ses, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted() -> set[str]:
        keys = {str(it["pk"]["S"]) for it in table("identity").items() if it["kind"]["S"] == "mail-count"}
        return {key for key in keys if key.startswith("mailbox#")}

    with mailed():
        register(email=tagged("x"))
    (before,) = counted()
    assert sha256(VICTIM.encode()).hexdigest() not in before

    years = pseudonyms.KEYS.get()
    monkeypatch.setattr(pseudonyms, "KEYS", Reloaded(lambda: {year: f"other {key}" for year, key in years.items()}))
    with mailed():
        forget(tagged("x"))
    assert len(counted()) == 2, "another key has another hash"


def test_without_a_key_for_them_no_mail_is_claimed_and_the_message_is_retried(
    ses: Ses, monkeypatch: pytest.MonkeyPatch
) -> None:
    with streamed("identity") as records:
        register()
    entries = [it["Detail"] for it in entries_of(records)]
    with monkeypatch.context() as without:
        without.setattr(pseudonyms, "KEYS", Reloaded(lambda: {"1999": "key"}))
        assert notify(*entries) != []
    assert ses.sent == []

    assert notify(*entries) == []
    assert ses.subjects == ["Confirm your e-mail address"]


def test_a26_a_mailbox_gets_five_tagged_accounts_a_day_and_the_plain_one_at_any_time(ses: Ses, frozen: Clock) -> None:
    for tag in range(5):
        register(email=tagged(tag))

    body = {"email": tagged("x").upper(), "password": PASSWORD, "first_name": "Vic"}
    refused = call("POST", "/api/v1/auth/register", body, address=next(addresses))
    assert (refused.status, refused.json["code"]) == (429, "too-many-requests")
    assert int(refused.headers["Retry-After"]) == 16 * 3600 - frozen.now.second
    again = call("POST", "/api/v1/auth/register", body | {"email": tagged(0)}, address=next(addresses))
    assert again.json["code"] == "email-taken"
    register()
    register(email="someone+else@example.com")

    frozen.advance(days=1)
    register(email=tagged("x"))


def test_a26_all_mails_to_addresses_that_are_not_verified_have_a_limit_of_the_day(
    ses: Ses, frozen: Clock, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(limits, "settings", lambda: replace(settings(), unverified_mails_per_day=3))
    with mailed():
        for number in range(3):
            register(email=f"stranger{number}@example.com")
    assert len(ses.sent) == 3
    verified = ses.tokens()[0]

    with mailed():
        register()
    assert len(ses.sent) == 3
    printed = capsys.readouterr().out
    assert '"MailUnverifiedAtLimit":[1.0' in printed

    # Verified addresses are not counted, and the next day begins at zero.
    assert call("POST", "/api/v1/auth/email/verify", {"token": verified}).status == 204
    with mailed():
        forget("stranger0@example.com")
    assert len(ses.sent) == 4
    frozen.advance(days=1)
    with mailed():
        forget()
    assert len(ses.sent) == 5


def test_the_limit_of_the_day_is_counted_in_several_places_and_is_never_passed() -> None:
    """If the limit is high, so that simultaneous mails do not wait for each other."""
    user = User(email="ada@example.com")
    for most, shards in ((1, 1), (150, 1), (250, 2), (2000, 10), (1_000_005, 10)):
        with patch.object(limits, "settings", lambda most=most: replace(settings(), unverified_mails_per_day=most)):
            notifications = [Notification(str(number), "verify", "u", lambda _: None) for number in range(400)]
            found = {limits.limits_of_unverified(notification, user.email)[-1] for notification in notifications}
        assert len({limit.partition for limit in found}) == shards
        assert most - shards < sum(limit.max_mails for limit in found) <= most
