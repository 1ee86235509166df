"""Events of webhooks, and that no secret of any table gets into the poison queue."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from oms.core import clock
from oms.core.settings import settings
from oms.events import streams
from oms.identity.models import User, user_key
from oms.webhooks.models import Subscription
from oms.webhooks.schemas import WebhookData
from tests.support.aws_client import aws_client
from tests.support.event_bus import published
from tests.support.invocation import Person
from tests.support.ledger_shop import raw_item
from tests.support.streams import record


def subscription(**attributes: Any) -> Subscription:
    return Subscription(
        *Subscription.key("SUB"),
        **{
            "id": "SUB",
            "url": "https://example.com/hook",
            "events": ["order.*"],
            "description": "the bookkeeping",
            "status": "active",
            "secret": b"sealed",
            "version": 3,
            "created_at": "2026-01-01T00:00:00.000Z",
            "updated_at": "2026-01-31T09:30:00.000Z",
            "created_by": "ada",
            "updated_by": "system",
            "updated_by_role": "system",
        }
        | attributes,
    )


def test_the_end_of_a_webhook_is_published_once(cloud: None) -> None:
    failing = "2026-01-26T09:30:00.000Z"
    active = subscription(failing_since=failing)
    disabled = subscription(failing_since=failing, status="disabled", version=4, disabled_reason="failing")
    edited = subscription(failing_since=failing, status="disabled", version=5, description=None)
    steps = [(active, disabled), (disabled, edited), (edited, subscription(version=6)), (edited, None)]

    (event,) = published(
        [record(old.serialize(), new.serialize() if new else None, of="webhooks") for old, new in steps]
    )

    assert event["data"] == {
        "id": "SUB",
        "host": "example.com",
        "events": ["order.*"],
        "description": "the bookkeeping",
        "status": "disabled",
        "disabled_reason": "failing",
        "failing_since": failing,
    }
    assert (event["type"], event["sequence"]) == ("webhook.disabled", 4)
    assert (event["actor"], event["occurred_at"]) == ({"id": "system", "role": "system"}, disabled.updated_at)


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Returns the messages of the publisher's poison queue."""
    sqs = aws_client("sqs")
    url = sqs.create_queue(QueueName=f"poison-{clock.random_id()}")["QueueUrl"]
    monkeypatch.setattr(streams, "settings", lambda: replace(settings(), poison_queue_url=url))

    def read() -> list[str]:
        return [it["Body"] for it in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]]

    return read


def test_f15_an_undecodable_record_is_quarantined_without_a_secret(
    person: Callable[..., Person], poison: Callable[[], list[str]]
) -> None:
    ada, bob = (raw_item("identity", *user_key(person(password_hash="the hash").id)) for _ in range(2))
    hook = subscription().serialize()
    broken_user = {name: value for name, value in ada.items() if name != "role"}
    broken_hook = hook | {"status": {"S": "disabled"}, "version": {"S": "four"}}

    events = published(
        [
            record(ada, broken_user, of="identity"),
            record(hook, broken_hook, of="webhooks"),
            record(None, bob, of="identity"),
        ]
    )

    assert [it["data"]["id"] for it in events] == [User.from_raw_data(bob).id]
    kept = {json.loads(it)["record"]["dynamodb"]["Keys"]["pk"]["S"]: it for it in poison()}
    of_user, of_hook = kept.pop(ada["pk"]["S"]), kept.pop("subscriptions")
    assert not kept
    assert "the hash" not in of_user
    assert "c2VhbGVk" not in of_hook, "the encrypted secret, in Lambda's form"
    assert all(json.loads(it)["cause"] and '"OldImage"' in it and '"NewImage"' in it for it in (of_user, of_hook))


def test_f19_the_quarantined_end_of_a_webhook_is_published_once_it_can_be_decoded(
    poison: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    active = subscription(previous_secret=b"sealed before", previous_until=1)
    disabled = subscription(previous_secret=b"sealed before", status="disabled", version=4, disabled_reason="gone")
    change = record(active.serialize(), disabled.serialize(), of="webhooks")
    with monkeypatch.context() as release:
        release.setattr("oms.webhooks.events.WebhookData.of", lambda _: WebhookData.model_validate({}))
        assert published([change]) == []
    (aside,) = poison()

    (event,) = published([json.loads(aside)["record"]])

    assert event == published([change])[0]
    assert (event["type"], event["data"]["disabled_reason"]) == ("webhook.disabled", "gone")
