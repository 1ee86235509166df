"""The mails of orders and webhooks: recipients, texts and number."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from oms.core import clock
from oms.core.dynamodb import get_item, put_item
from oms.identity.models import IdentityItem, user_key
from tests.support.event_bus import entries_of
from tests.support.gateway import call
from tests.support.invocation import Person
from tests.support.mail import SENDER, Ses, disabled_webhook, event, mails, notify, order_event, set_up, stored
from tests.support.shop import Shop
from tests.support.streams import Record, streamed

MAILED = {"order.created", "order.confirmed", "order.shipped", "order.cancelled", "order.expired"}


@pytest.fixture(autouse=True)
def ses(monkeypatch: pytest.MonkeyPatch) -> Ses:
    return set_up(monkeypatch)


@pytest.fixture
def ada(person: Callable[..., Person]) -> Person:
    return person(email="ada@example.com", email_verified=True, first_name="Ada")


@pytest.fixture
def shop(ada: Person, manager: Person) -> Shop:
    return Shop(ada, manager)


def published(records: list[Record]) -> list[str]:
    """Returns the bodies of the events that these records put on the bus."""
    return [entry["Detail"] for entry in entries_of(records)]


def change(who: Person, **attributes: Any) -> None:
    user = get_item(IdentityItem, user_key(who.id))
    assert user is not None
    for name, value in attributes.items():
        setattr(user, name, value)
    put_item(user)


# ---- orders ---------------------------------------------------------------------------------------------------------


def test_the_customer_is_mailed_each_step_that_concerns_them(shop: Shop, ses: Ses) -> None:
    with streamed("orders") as records:
        placed = shop.buy({shop.product(10): 3}).json
        path = f"/api/v1/orders/{placed['id']}"
        for move in ("confirm", "ship", "deliver", "return"):
            shop.move(path, move)
        other = shop.buy({shop.product(10): 1}).json
        body = {"reason": "Ordered by mistake"}
        call("POST", f"/api/v1/orders/{other['id']}/cancel", body, token=shop.customer.token)
    bodies = [body for body in published(records) if json.loads(body)["type"] in MAILED]

    assert notify(*bodies) == []

    assert ses.recipients == ["ada@example.com"] * 5
    assert ses.subjects == [
        f"We have your order {placed['number']}",
        f"Your order {placed['number']} is confirmed",
        f"Your order {placed['number']} is on its way",
        f"We have your order {other['number']}",
        f"Your order {other['number']} was cancelled",
    ]
    assert {it["FromEmailAddress"] for it in ses.sent} == {SENDER}
    (line,) = placed["items"]
    for text in ses.texts[:3]:
        assert "Hello Ada," in text
        assert f"3 × {line['name']}\n    {line['sku']}, {line['unit_price']} EUR each: {line['line_total']} EUR" in text
        assert f"Total     {placed['total']} EUR" in text
    assert "Reason: Ordered by mistake" in ses.texts[-1]


def test_a_shipped_order_says_how_to_follow_it(shop: Shop, ses: Ses) -> None:
    path = f"/api/v1/orders/{shop.buy({shop.product(10): 3}).json['id']}"
    shop.move(path, "confirm")
    shipment = {"carrier": "DHL", "tracking_number": "0034-7", "tracking_url": "https://track.example/0034-7"}
    with streamed("orders") as records:
        assert call("POST", f"{path}/ship", shipment, token=shop.manager.token).status == 200

    notify(*published(records))

    (content,) = (it["Content"]["Simple"]["Body"] for it in ses.sent)
    for said in shipment.values():
        assert said in content["Text"]["Data"]
        assert said in content["Html"]["Data"]


def test_an_order_that_was_not_confirmed_in_time_is_mailed_too(
    shop: Shop, ses: Ses, time_machine: Callable[[timedelta], None]
) -> None:
    shop.buy({shop.product(10): 3})
    with streamed("orders") as records:
        time_machine(timedelta(minutes=31))
        shop.sweep()

    notify(*published(records))

    assert ["has expired" in subject for subject in ses.subjects] == [True]


def test_the_address_is_the_users_as_it_is_when_the_mail_is_sent(ada: Person, ses: Ses) -> None:
    body = order_event(ada.id)
    change(ada, email="ada@new.example")

    notify(body)

    assert ses.recipients == ["ada@new.example"]


def test_a_late_mail_does_not_say_that_an_order_is_reserved_until_a_moment_that_is_past(ada: Person, ses: Ses) -> None:
    past, ahead = (clock.timestamp(clock.now() + timedelta(minutes=minutes)) for minutes in (-1, 1))

    notify(*(order_event(ada.id, expires_at=moment) for moment in (past, ahead)))

    for part in ("Text", "Html"):
        assert ["reserved" in it["Content"]["Simple"]["Body"][part]["Data"] for it in ses.sent] == [False, True]


def test_disabled_and_unknown_users_get_none(ada: Person, ses: Ses) -> None:
    change(ada, status="disabled")

    assert notify(order_event(ada.id), order_event("NOBODY")) == []

    assert (ses.sent, mails()) == ([], [])


def test_f14_an_event_that_is_repeated_is_no_second_mail(ada: Person, ses: Ses) -> None:
    first, second = order_event(ada.id), order_event(ada.id)

    notify(first, second, first)
    notify(second)

    assert len(ses.sent) == 2
    assert {it.pk for it in mails()} == {f"mail#{json.loads(it)['id']}" for it in (first, second)}


def test_f16_a_malformed_message_comes_back_alone(
    ada: Person, ses: Ses, capsys: Any, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [
        "no JSON",
        "[]",
        "{}",
        event("order.created", {"customer_id": ada.id, "note": "keep-this-to-yourself"}),
        event("order.unheard-of", {}),
        event("user.locked", {"id": ada.id}),
        "null",
    ]

    answer = notify(order_event(ada.id), *broken, order_event(ada.id))

    assert answer == [str(number) for number in range(1, len(broken) + 1)]
    assert len(ses.sent) == 2
    printed = capsys.readouterr().out + caplog.text
    assert printed.count("a mail was not sent") == len(broken)
    assert "keep-this-to-yourself" not in printed


def test_an_event_that_is_a_week_old_is_not_mailed(
    ada: Person, ses: Ses, time_machine: Callable[[timedelta], None]
) -> None:
    early, late = order_event(ada.id), order_event(ada.id)
    time_machine(timedelta(days=6, hours=23))
    notify(early)
    time_machine(timedelta(hours=2))

    assert notify(late) == []

    assert len(ses.sent) == 1


def test_a_mail_is_remembered_for_longer_than_its_event_is_mailed(ada: Person, ses: Ses) -> None:
    notify(order_event(ada.id))

    (claim,) = mails()
    assert claim.expires_at > (clock.now() + timedelta(days=2 * 7)).timestamp()


# ---- limits ---------------------------------------------------------------------------------------------------------


def test_a26_an_unverified_address_gets_four_mails_a_day_of_orders_and_the_like(
    ada: Person, person: Callable[..., Person], ses: Ses
) -> None:
    stranger = person(email="stranger@example.com", email_verified=False)

    notify(event("user.registered", {"id": stranger.id, "role": "customer", "status": "active"}))
    notify(*(order_event(who.id) for who in (stranger, ada) for _ in range(8)))

    assert (ses.recipients.count("stranger@example.com"), ses.recipients.count("ada@example.com")) == (4, 8)


def lock_event(who: Person, until: timedelta = timedelta(minutes=15)) -> str:
    return event("user.locked", {"id": who.id, "locked_until": clock.timestamp(clock.now() + until)})


def test_a_locked_user_is_mailed_the_end_of_the_lock_and_the_remedy(ada: Person, ses: Ses) -> None:
    until = clock.now() + timedelta(minutes=15)

    notify(lock_event(ada))

    assert ses.subjects == ["Your account is locked for a while"]
    assert f"Until {until.day} {until:%B %Y, %H:%M} UTC" in ses.texts[0]
    assert "ask for a new password at https://shop.example, which lifts the lock" in ses.texts[0]


def test_a26_a_lock_is_mailed_once_a_day(
    ada: Person, person: Callable[..., Person], ses: Ses, time_machine: Callable[[timedelta], None]
) -> None:
    bob = person(email="bob@example.com", email_verified=True)

    notify(lock_event(ada), lock_event(ada), lock_event(bob), lock_event(ada))
    assert ses.recipients == ["ada@example.com", "bob@example.com"]

    time_machine(timedelta(days=1))
    notify(lock_event(ada))
    assert ses.recipients[2:] == ["ada@example.com"]


def test_a_lock_that_is_over_is_not_mailed(ada: Person, ses: Ses, time_machine: Callable[[timedelta], None]) -> None:
    body = lock_event(ada)
    time_machine(timedelta(minutes=16))

    assert notify(body) == []

    assert ses.sent == []


# ---- webhooks -------------------------------------------------------------------------------------------------------


def test_the_owner_of_a_disabled_webhook_is_mailed(person: Callable[..., Person], ses: Ses) -> None:
    owner = person("admin", email="boss@example.com", email_verified=True)

    notify(disabled_webhook(owner))

    assert ses.recipients == ["boss@example.com"]
    assert "https://erp.example/hooks" in ses.texts[0]
    assert "No delivery has succeeded since 17 November 2026, 03:12 UTC." in ses.texts[0]
    assert "sealed" not in str(ses.sent)


@pytest.mark.parametrize("url", ["https://erp.example/hooks/T0-secret", "https://erp.example/?key=T0-secret"])
def test_a20_a_creator_who_is_now_a_manager_is_mailed_no_path_of_a_url(
    person: Callable[..., Person], ses: Ses, url: str
) -> None:
    demoted, owner = person("manager"), person("admin")

    assert notify(disabled_webhook(demoted, url=url), disabled_webhook(owner, url=url)) == []

    redacted, whole = (json.dumps(it, ensure_ascii=False) for it in ses.sent)
    assert redacted.count("https://erp.example/redacted") == 2, "in text and in HTML"
    assert "secret" not in redacted
    assert whole.count("T0-secret") == 2


def test_a27_an_owner_who_may_no_longer_see_webhooks_gets_no_mail(person: Callable[..., Person], ses: Ses) -> None:
    dismissed, demoted = person("admin", status="disabled"), person("customer")

    assert notify(disabled_webhook(dismissed), disabled_webhook(demoted)) == []

    assert ses.sent == []


def test_a_webhook_that_is_gone_or_active_again_is_no_news(person: Callable[..., Person], ses: Ses) -> None:
    owner = person("admin")
    active = disabled_webhook(owner, status="active")
    gone = event("webhook.disabled", {"id": "GONE"})

    assert notify(active, gone) == []

    assert ses.sent == []


def test_without_a_sender_nothing_is_sent_and_no_message_comes_back(
    ada: Person, ses: Ses, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("oms.mail.service.is_set_up", lambda: False)

    assert notify(order_event(ada.id)) == []

    assert ses.sent == []
    assert [it for it in stored() if it["kind"]["S"].startswith("mail")] == []
