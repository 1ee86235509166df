"""The notifier dies before or after any of its calls, and its message is delivered again: no mail is sent twice."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from oms.core import clock, pseudonyms
from oms.core.dynamodb import get_item, put_item
from oms.core.settings import settings
from oms.identity.models import Claim, MailRequest, claim_key, mail_request_key
from oms.mail import service as mail
from oms.mail.content import accounts as account_mails
from oms.mail.messages import Notification
from oms.mail.models import Mail, MailCount, MailItem, mail_key
from oms.mail.notifications import notification_for
from oms.mail.service import InProgressError
from tests.support.aws_calls import Call, intercepted
from tests.support.aws_client import REGION, aws_client
from tests.support.database import table
from tests.support.faults import Crash, crashes, timed_out
from tests.support.invocation import Person
from tests.support.mail import SENDER, SHOP, disabled_webhook, event, notify, order_event

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

A_FUNCTIONS_TIME = timedelta(seconds=mail.CLAIM_LEASE_SECONDS)
CLAIM, SEND, MARK = "TransactWriteItems", "SendEmail", "UpdateItem"


@pytest.fixture(autouse=True)
def _ses(cloud: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An SES with a verified sender, called by the system's own client."""
    mail.ses_client.cache_clear()
    ses = aws_client("sesv2")
    if SENDER not in {it["IdentityName"] for it in ses.list_email_identities()["EmailIdentities"]}:
        ses.create_email_identity(EmailIdentity=SENDER)
    known = replace(settings(), mail_from=SENDER, public_url=SHOP, mail_configuration_set="oms-test")
    monkeypatch.setattr(mail, "settings", lambda: known)
    monkeypatch.setattr(account_mails, "settings", lambda: known)


def sent_to(email: str) -> int:
    """Returns the number of mails that SES accepted for an address."""
    backend = ses_backends[DEFAULT_ACCOUNT_ID][REGION]
    return sum(email in it.destinations["ToAddresses"] for it in backend.sent_messages)


@dataclass(frozen=True)
class RequestedMail:
    """A message, the recipient of its mail, and its cause."""

    body: str
    email: str
    cause: str

    @property
    def claim(self) -> Mail | None:
        return cast(Mail | None, get_item(MailItem, mail_key(self.cause)))

    @property
    def sent(self) -> int:
        return sent_to(self.email)


@pytest.fixture
def ask(person: Callable[..., Person]) -> Callable[[str], RequestedMail]:
    """A factory of messages of a kind, each to a new user with an unverified address."""

    def make(kind: str) -> RequestedMail:
        email = f"{clock.random_id().lower()}@example.com"
        who = person("manager" if kind == "webhook" else "customer", email=email, email_verified=False)
        put_item(Claim(*claim_key(email), user_id=who.id))
        if kind == "reset":
            request = reset_request(email)
            return RequestedMail(json.dumps({"request": request}), email, f"reset#{request}")
        body = {
            "order": lambda: order_event(who.id),
            "verify": lambda: event("user.registered", {"id": who.id, "role": "customer", "status": "active"}),
            "lock": lambda: event("user.locked", {"id": who.id, "locked_until": "2999-01-01T00:00:00.000Z"}),
            "webhook": lambda: disabled_webhook(who),
        }[kind]()
        return RequestedMail(body, email, f"verify#{who.id}" if kind == "verify" else json.loads(body)["id"])

    return make


def reset_request(email: str) -> str:
    request_id, at = clock.random_id(), clock.timestamp(clock.now())
    put_item(
        MailRequest(
            *mail_request_key(request_id),
            id=request_id,
            purpose="reset",
            email_folded=email,
            address="198.51.100.1",
            at=at,
            expires_at=2**31,
        )
    )
    return request_id


def notify_cold(body: str) -> list[str]:
    """Runs the notifier as in a new process, which reads the keys for pseudonyms, so that each run makes the same
    calls.
    """
    pseudonyms.KEYS.forget()
    return notify(body)


def operations(asked: RequestedMail) -> list[str]:
    with intercepted() as calls:
        assert notify_cold(asked.body) == []
    return [call.operation for call in calls]


@pytest.mark.parametrize("kind", ["order", "verify", "reset", "lock", "webhook"])
def test_f13_a_crash_anywhere_and_the_message_again_is_one_mail_at_most(
    ask: Callable[[str], RequestedMail], kind: str, capsys: Any, time_machine: Callable[[timedelta], None]
) -> None:
    order = operations(ask(kind))
    assert order[-3:] == [CLAIM, SEND, MARK]
    claimed = len(order) - 2
    points = 0

    for name, asked in crashes(lambda: ask(kind), lambda it: notify_cold(it.body)):
        points += 1
        when, _, number = name.split()
        was_claimed = int(number) > claimed or (when == "after" and int(number) == claimed)
        was_sent = int(number) > claimed + 1 or (when == "after" and int(number) == claimed + 1)
        was_marked = name == f"after call {len(order)}"
        assert asked.sent == was_sent, name
        capsys.readouterr()
        # A claimed mail without a result has an unknown outcome: it raises an alarm once, and is not sent again.
        is_unknown = was_claimed and not was_marked

        assert notify_cold(asked.body) == (["0"] if is_unknown else []), f"{name}: another worker may still be sending"
        assert '"MailUnknown"' not in capsys.readouterr().out, name
        time_machine(A_FUNCTIONS_TIME)
        for _ in range(2):
            assert notify_cold(asked.body) == [], name

        assert asked.sent == (was_sent or not was_claimed), name
        assert asked.claim is not None
        assert asked.claim.state == ("unknown" if is_unknown else "sent"), name
        assert capsys.readouterr().out.count('"MailUnknown":[1.0]') == is_unknown, name
    assert points == 2 * len(order)


def test_f14_a_doubled_message_whose_mail_is_being_sent_comes_back_and_marks_nothing(
    ask: Callable[[str], RequestedMail], capsys: Any
) -> None:
    asked = ask("order")

    def meanwhile(call: Call) -> Any:
        if call.operation == SEND:
            notification = notification_for(asked.body)
            with pytest.raises(InProgressError):
                mail.send(cast(Notification, notification))
        return call.send()

    with intercepted(meanwhile):
        assert notify(asked.body) == []
    assert notify(asked.body) == []

    assert asked.claim is not None
    assert (asked.sent, asked.claim.state) == (1, "sent")
    assert '"MailUnknown"' not in capsys.readouterr().out


def throttled(call: Call) -> ClientError:
    answer: Any = {"Error": {"Code": "TooManyRequestsException", "Message": "no"}}
    return ClientError(answer | {"ResponseMetadata": {"HTTPStatusCode": 429}}, call.operation)


def test_f13_a_crash_around_the_release_of_a_refused_mail_sends_none_twice(
    ask: Callable[[str], RequestedMail], time_machine: Callable[[timedelta], None]
) -> None:
    """SES refuses once; the notifier dies before or after it releases its claim."""
    for when in ("before", "after"):
        asked, writes = ask("order"), 0

        def plan(call: Call, when: str = when) -> Any:
            nonlocal writes
            if call.operation == SEND:
                raise throttled(call)
            writes += call.operation == CLAIM
            if writes == 2 and when == "before":
                raise Crash
            answer = call.send()
            if writes == 2:
                raise Crash
            return answer

        with intercepted(plan), pytest.raises(Crash):
            notify(asked.body)
        assert asked.sent == 0

        time_machine(A_FUNCTIONS_TIME)
        for _ in range(2):
            assert notify(asked.body) == []

        assert asked.claim is not None
        assert (asked.sent, asked.claim.state) == ((0, "unknown") if when == "before" else (1, "sent")), when


def test_a_definite_refusal_brings_the_message_back_and_counts_no_mail(ask: Callable[[str], RequestedMail]) -> None:
    asked = ask("order")

    def refuse(call: Call) -> Any:
        if call.operation == SEND:
            raise throttled(call)
        return call.send()

    with intercepted(refuse):
        assert [notify(asked.body) for _ in range(7)] == [["0"]] * 7
    assert asked.claim is None

    assert notify(asked.body) == []

    assert asked.sent == 1
    counted = table("identity").items()
    assert [MailCount.from_raw_data(it).n for it in counted if it["kind"]["S"] == "mail-count"] == [1, 1, 1]


def test_an_end_without_an_answer_is_marked_and_raises_an_alarm_and_is_not_sent_again(
    ask: Callable[[str], RequestedMail], capsys: Any
) -> None:
    asked = ask("order")

    def lose(call: Call) -> Any:
        answer = call.send()
        if call.operation == SEND:
            raise timed_out(call)
        return answer

    with intercepted(lose):
        assert notify(asked.body) == []
    notify(asked.body)

    assert asked.claim is not None
    assert (asked.sent, asked.claim.state) == (1, "unknown")
    assert capsys.readouterr().out.count('"MailUnknown":[1.0]') == 1


def test_f18_a_function_that_runs_out_of_time_half_way_sends_no_mail_of_its_batch_twice(
    ask: Callable[[str], RequestedMail], time_machine: Callable[[timedelta], None]
) -> None:
    first, second, third = (ask("order") for _ in range(3))
    sends = 0

    def plan(call: Call) -> Any:
        nonlocal sends
        sends += call.operation == SEND
        answer = call.send()
        if sends == 2:
            raise Crash
        return answer

    with intercepted(plan), pytest.raises(Crash):
        notify(first.body, second.body, third.body)
    assert [it.sent for it in (first, second, third)] == [1, 1, 0]

    time_machine(A_FUNCTIONS_TIME)
    for _ in range(2):
        assert notify(first.body, second.body, third.body) == []

    assert [it.sent for it in (first, second, third)] == [1, 1, 1]
    assert [it.claim and it.claim.state for it in (first, second, third)] == ["sent", "unknown", "sent"]


def test_f19_a_dead_letter_that_is_redriven_is_no_second_mail(ask: Callable[[str], RequestedMail]) -> None:
    """Its claim is kept for longer than the two weeks of a dead letter."""
    asked = ask("order")
    notify(asked.body)

    assert notify(asked.body, asked.body) == []

    assert asked.sent == 1
    assert asked.claim is not None
    assert asked.claim.expires_at - clock.now().timestamp() > 28 * 24 * 3600
