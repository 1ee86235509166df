"""The notifier's mails to accounts: causes, texts, and that none is sent twice."""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from oms.core.dynamodb import client, put_item
from oms.core.settings import settings
from oms.identity.models import MailRequest, User
from oms.mail import service as mail
from oms.mail.content import accounts as account_mails
from tests.support.accounts import Clock, log_in
from tests.support.aws_calls import answer_lost
from tests.support.gateway import call
from tests.support.invocation import Person
from tests.support.mail import LINK, Ses, event, mails, notify, set_up, stored

NEW = "a quite different one"


@pytest.fixture(autouse=True)
def ses(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ses]:
    ses = set_up(monkeypatch)
    yield ses
    for token in ses.tokens():
        assert token.partition(".")[2] not in str(stored()), "the table holds a token"


@pytest.fixture
def ada(account: Callable[..., User]) -> User:
    return account("Ada@Example.com")


def requests() -> list[str]:
    """Returns the ids of the requests, oldest first."""
    return sorted(str(it["id"]["S"]) for it in stored() if it["kind"]["S"] == "mail-request")


def registered(user: User) -> str:
    """Returns the event of a stored user."""
    return event("user.registered", {"id": user.id, "role": user.role, "status": user.status}, of=user.id)


def asking(request_id: str) -> str:
    """Returns the message for the notifier that a request sends."""
    return json.dumps({"request": request_id})


def forget(email: str = "ada@example.com") -> str:
    """Requests a reset mail, and returns its message."""
    before = requests()
    assert call("POST", "/api/v1/auth/password/forgot", {"email": email}).status == 202
    (new,) = set(requests()) - set(before)
    return asking(new)


def refused(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "SendEmail")


def reset(token: str) -> int:
    return call("POST", "/api/v1/auth/password/reset", {"token": token, "new_password": NEW}).status


# ---- recipients and texts -------------------------------------------------------------------------------------------


def test_a_user_who_forgot_the_password_gets_a_link_that_sets_one(ada: User, ses: Ses) -> None:
    notify(forget("ADA@example.com"))

    (sent,) = ses.sent
    assert sent["FromEmailAddress"] == "shop@shop.example"
    assert sent["Destination"] == {"ToAddresses": ["Ada@example.com"]}
    assert LINK.findall(ses.texts[0])[0][0] == "reset-password"
    assert reset(ses.tokens()[0]) == 204
    assert log_in(password=NEW).status == 200


def test_a_new_user_gets_a_link_that_verifies_the_address(cloud: None, ses: Ses) -> None:
    body = {"email": "new@example.com", "password": NEW, "first_name": "N"}
    user = call("POST", "/api/v1/auth/register", body).json

    notify(event("user.registered", {"id": user["id"], "role": "customer", "status": "active"}))

    assert LINK.findall(ses.texts[0])[0][0] == "verify-email"
    assert call("POST", "/api/v1/auth/email/verify", {"token": ses.tokens()[0]}).status == 204
    token = log_in("new@example.com", NEW).json["access_token"]
    me = call("GET", "/api/v1/auth/me", token=token).json
    assert (me["id"], me["email_verified"]) == (user["id"], True)


def test_no_mail_is_sent_to_an_address_without_an_active_account(
    ada: User, account: Callable[..., User], ses: Ses
) -> None:
    account("gone@example.com", status="disabled")

    notify(forget("nobody@example.com"), forget("gone@example.com"), forget("no address"))

    assert ses.sent == []
    assert mails() == []


def test_the_owner_hears_of_a_new_password_once(ada: User, ses: Ses) -> None:
    message = json.dumps({"password_of": ada.id, "version": "2", "at": "2026-11-22T09:41:07.000Z"})

    notify(message, message)

    assert (ses.subjects, ses.recipients) == (["Your password was changed"], [ada.email])
    assert "22 November 2026, 09:41 UTC" in ses.texts[0]


def test_the_owner_hears_of_another_role_and_that_the_password_is_removed(ada: User, ses: Ses) -> None:
    ada.role, ada.password_hash = "manager", None
    put_item(ada)
    message = event("user.role_changed", {"id": ada.id, "role": "manager", "status": "active"}, of=ada.id)

    notify(message, message)

    assert ses.subjects == ["Your role was changed"]
    assert "It is now: manager." in ses.texts[0]
    assert "your old one is removed" in ses.texts[0]


def test_a_role_that_has_changed_again_is_not_mailed(ada: User, ses: Ses) -> None:
    notify(event("user.role_changed", {"id": ada.id, "role": "manager", "status": "active"}, of=ada.id))

    assert ses.sent == []


def test_a_user_who_has_verified_the_address_meanwhile_gets_no_link_for_it(ada: User, ses: Ses) -> None:
    ada.email_verified = True
    put_item(ada)

    assert notify(registered(ada)) == []

    assert ses.sent == []


def test_a_request_that_has_expired_is_answered_by_nothing(ada: User, ses: Ses) -> None:
    assert notify(asking("0123456789ABCDEFGHJK")) == []

    assert ses.sent == []


# ---- once -----------------------------------------------------------------------------------------------------------


def test_a_message_that_is_repeated_sends_nothing_twice(ada: User, ses: Ses) -> None:
    asked = forget()

    for _ in range(3):
        notify(asked)

    assert len(ses.sent) == 1
    (claim,) = mails()
    assert (claim.state, claim.message_id, claim.user_id) == ("sent", "message-1", ada.id)


@pytest.mark.parametrize(
    "failure",
    [
        refused("TooManyRequestsException", 429),
        refused("SendingPausedException", 400),
        refused("MessageRejected", 400),
        refused("MailFromDomainNotVerifiedException", 400),
        ConnectTimeoutError(endpoint_url="https://ses"),
        EndpointConnectionError(endpoint_url="https://ses"),
        NoCredentialsError(),
    ],
    ids=["throttled", "paused", "sandbox", "not verified", "no connection", "no listener", "no credentials"],
)
def test_a_refusal_that_may_pass_brings_the_message_back_alone_and_the_mail_goes_out_then(
    ada: User, ses: Ses, failure: Exception
) -> None:
    asked = forget()
    for _ in range(4):  # more than the mails an hour: an unsent mail does not count
        ses.failures.append(failure)
        assert notify(asked) == ["0"]
        assert mails() == []
        assert [it for it in stored() if it["kind"]["S"] == "mailed-token"] == []

    notify(asked)

    assert len(ses.sent) == 1
    assert reset(ses.tokens()[0]) == 204


def test_an_account_in_the_sandbox_raises_an_alarm_and_loses_no_mail(ada: User, ses: Ses, capsys: Any) -> None:
    asked = forget()
    ses.failures.append(refused("MessageRejected", 400))

    assert notify(asked) == ["0"]

    assert '"MailRefused":[1.0]' in capsys.readouterr().out
    assert notify(asked) == []
    assert len(ses.sent) == 1


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (ReadTimeoutError(endpoint_url="https://ses"), "unknown"),
        (ConnectionClosedError(endpoint_url="https://ses"), "unknown"),
        (SSLError(endpoint_url="https://ses", error="bad record"), "unknown"),
        (refused("InternalFailure", 500), "unknown"),
        (ResponseParserError("200, and no JSON"), "unknown"),
        (KeyError("MessageId"), "unknown"),
        (refused("BadRequestException", 400), "undeliverable"),
    ],
    ids=["no answer", "closed", "cut off", "internal", "no JSON", "no id", "bad"],
)
def test_an_end_that_leaves_it_open_or_settles_it_is_marked_and_not_tried_again(
    ada: User, account: Callable[..., User], ses: Ses, failure: Exception, state: str, capsys: Any
) -> None:
    account("bob@example.com")
    ses.failures.append(failure)
    asked = forget()

    notify(asked, forget("bob@example.com"))
    notify(asked)

    assert [it["Destination"]["ToAddresses"] for it in ses.sent] == [["bob@example.com"]]
    assert sorted(it.state for it in mails()) == sorted([state, "sent"])
    assert f'"Mail{state.capitalize()}":[1.0]' in capsys.readouterr().out


def test_a_notifier_cut_off_between_claim_and_mark_leaves_an_unknown_outcome(
    ada: User, ses: Ses, capsys: Any, frozen: Clock
) -> None:
    asked = forget()
    ses.failures.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        notify(asked)
    assert notify(asked) == ["0"], "the other worker may still be sending"
    assert [it.state for it in mails()] == ["claimed"]

    frozen.advance(minutes=1)
    notify(asked)

    assert ses.sent == []
    assert [it.state for it in mails()] == ["unknown"]
    assert '"MailUnknown":[1.0]' in capsys.readouterr().out


@pytest.mark.parametrize("operation", ["TransactWriteItems", "UpdateItem"])
def test_a_lost_answer_of_the_claim_or_the_mark_loses_no_mail(ada: User, ses: Ses, operation: str) -> None:
    asked = forget()

    with answer_lost(operation):
        notify(asked)

    assert len(ses.sent) == 1
    assert [it.state for it in mails()] == ["sent"]


def test_a_refusal_whose_release_lost_its_answer_is_taken_back_once(ada: User, ses: Ses, frozen: Clock) -> None:
    frozen.now = frozen.now.replace(minute=0)
    notify(forget())
    asked = forget()
    ses.failures.append(refused("TooManyRequestsException", 429))

    with answer_lost("TransactWriteItems", nth=2):
        assert notify(asked) == ["0"]

    notify(asked)
    for _ in range(4):
        notify(forget())
    assert len(ses.sent) == 3, "the limit of an hour"


# ---- addresses ------------------------------------------------------------------------------------------------------


def test_the_domain_of_an_address_is_sent_to_in_ascii(account: Callable[..., User], ses: Ses) -> None:
    account("Ada@bücher.example")

    notify(forget("ada@BÜCHER.example"))

    assert [it["Destination"]["ToAddresses"] for it in ses.sent] == [["Ada@xn--bcher-kva.example"]]


@pytest.mark.parametrize(
    "email", ["Åsa@example.com", "ada@漢字仮名交文国語学校電話番号東京都大阪府.example"], ids=["local part", "domain"]
)
def test_an_address_that_ses_refuses_is_marked_and_does_not_hold_up_others(
    account: Callable[..., User], ses: Ses, email: str, capsys: Any
) -> None:
    """Such addresses are those of accounts from before addresses had one form."""
    former = registered(account(email, email_folded=email.casefold()))
    account("bob@example.com")

    notify(former, forget("bob@example.com"))
    notify(former)

    assert [it["Destination"]["ToAddresses"] for it in ses.sent] == [["bob@example.com"]]
    assert sorted(it.state for it in mails()) == ["sent", "undeliverable"]
    printed = capsys.readouterr().out
    assert printed.count('"MailUndeliverable":[1.0]') == 1
    assert "MailRefused" not in printed


# ---- limits ---------------------------------------------------------------------------------------------------------


def test_a26_an_account_gets_three_reset_mails_an_hour(
    ada: User, account: Callable[..., User], ses: Ses, frozen: Clock
) -> None:
    account("bob@example.com")
    frozen.now = frozen.now.replace(minute=0)

    for _ in range(6):
        notify(forget())
    assert len(ses.sent) == 3
    notify(forget("bob@example.com"))
    assert len(ses.sent) == 4

    frozen.advance(hours=1)
    notify(forget())
    assert len(ses.sent) == 5


def test_a26_an_unverified_address_gets_five_mails_a_day_of_all_kinds(
    ada: User, account: Callable[..., User], ses: Ses, frozen: Clock
) -> None:
    bob = account("bob@example.com", email_verified=True)
    frozen.now = frozen.now.replace(hour=1, minute=0)

    notify(registered(ada))
    for _ in range(6):
        notify(forget(), forget(bob.email))
        frozen.advance(hours=1)

    to = [it["Destination"]["ToAddresses"][0] for it in ses.sent]
    assert (to.count(ada.email), to.count(bob.email)) == (5, 6)
    assert len([it for it in stored() if it["kind"]["S"] == "mailed-token"]) == 11, "none for mails that were not sent"
    frozen.advance(days=1)
    notify(forget())
    assert len(ses.sent) == 12


def test_a_request_that_is_an_hour_old_causes_no_mail(ada: User, ses: Ses, frozen: Clock) -> None:
    late, later = forget(), forget()
    frozen.advance(minutes=59)
    notify(late)
    frozen.advance(minutes=1, seconds=1)

    notify(later)
    notify(registered(ada))

    assert [LINK.findall(text)[0][0] for text in ses.texts] == ["reset-password", "verify-email"]


def test_without_a_sender_nothing_is_sent_and_nothing_fails(
    ada: User, ses: Ses, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(mail, "settings", lambda: replace(settings(), mail_from=""))

    notify(forget())

    assert (ses.sent, mails()) == ([], [])
    assert '"MailNotSetUp":[1.0]' in capsys.readouterr().out


# ---- secrecy --------------------------------------------------------------------------------------------------------


def test_a29_the_token_is_in_the_mail_and_nowhere_else(
    ada: User, ses: Ses, capsys: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger=mail.logger.name)
    ses.failures.append(refused("MessageRejected", 400))
    assert notify(forget(), forget()) == ["0"]

    (secret,) = (token.partition(".")[2] for token in ses.tokens())
    assert len(secret) == 43
    for table in ("identity", "audit"):
        assert secret not in str(client().scan(TableName=table)["Items"])
    printed = capsys.readouterr()
    # The fields of a line are beside its message.
    output = printed.out + printed.err + str([vars(line) for line in caplog.records])
    assert "'purpose': 'reset'" in output
    assert secret not in output
    assert "ada@example.com" not in output.lower()


def test_a_mail_is_not_printed_with_its_token_or_address(ada: User) -> None:
    notification = account_mails.verification(ada.id)
    rendered = mail._render(notification, ada)

    assert rendered is not None
    assert "#token=" in rendered.text
    assert repr(rendered) == f"RenderedMail(verify for user {ada.id})"
    for shown in (repr(rendered), repr(notification), repr(notification.content(ada))):
        assert "token" not in shown
        assert ada.email not in shown


def test_a_request_is_forgotten_by_its_time_to_live(cloud: None, frozen: Clock) -> None:
    forget()

    (raw,) = (it for it in stored() if it["kind"]["S"] == "mail-request")
    request = MailRequest.from_raw_data(raw)
    assert request.expires_at == int(frozen.now.timestamp()) + 24 * 3600


def test_a_token_of_a_mail_ends_when_the_account_is_disabled(
    ada: User, ses: Ses, person: Callable[..., Person]
) -> None:
    notify(forget())
    boss = person("admin")
    for status in ("disabled", "active"):
        path = f"/api/v1/admin/users/{ada.id}/status"
        assert call("PATCH", path, {"status": status}, token=boss.token).status == 200

    assert reset(ses.tokens()[0]) == 422
