"""The notifier, called with messages of its queue, and an SES that records the mails that it accepts."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from notifier import handler as notifier
from oms.core import clock
from oms.core.dynamodb import client, put_item
from oms.core.settings import settings
from oms.events.envelope import event_id
from oms.mail import service as mail
from oms.mail.content import accounts as account_mails
from oms.mail.models import Mail
from oms.webhooks.models import Subscription
from tests.support.invocation import Context, Person

SENDER, SHOP = "shop@shop.example", "https://shop.example"
LINK = re.compile(r"^https://shop\.example/(reset-password|verify-email|take-back-email)#token=(\S+)$", re.M)


class Ses:
    """An SES that accepts mails, or raises its `failures` first, one for each call."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.failures: list[BaseException] = []

    def send_email(self, **mail: Any) -> dict[str, str]:
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(mail)
        return {"MessageId": f"message-{len(self.sent)}"}

    @property
    def texts(self) -> list[str]:
        return [it["Content"]["Simple"]["Body"]["Text"]["Data"] for it in self.sent]

    @property
    def subjects(self) -> list[str]:
        return [it["Content"]["Simple"]["Subject"]["Data"] for it in self.sent]

    @property
    def recipients(self) -> list[str]:
        return [it["Destination"]["ToAddresses"][0] for it in self.sent]

    def tokens(self) -> list[str]:
        return [token for text in self.texts for _, token in LINK.findall(text)]


def set_up(monkeypatch: pytest.MonkeyPatch) -> Ses:
    """Sets mail up as a stage does, and returns the SES that accepts it."""
    ses = Ses()
    known = replace(settings(), mail_from=SENDER, public_url=SHOP)
    monkeypatch.setattr(mail, "ses_client", lambda: ses)
    monkeypatch.setattr(mail, "settings", lambda: known)
    monkeypatch.setattr(account_mails, "settings", lambda: known)
    return ses


def stored() -> list[dict[str, Any]]:
    return list(client().scan(TableName="identity")["Items"])


def mails() -> list[Mail]:
    return [Mail.from_raw_data(it) for it in stored() if it["kind"]["S"] == "mail"]


def event(event_type: str, data: dict[str, Any], *, of: str = "", at: str | None = None) -> str:
    """Returns an event's published JSON. Its id is made of `of` and the type."""
    occurred_at = at or clock.timestamp(clock.now())
    return json.dumps(
        {
            "id": event_id(event_type, occurred_at, of or clock.random_id()),
            "type": event_type,
            "version": 1,
            "occurred_at": occurred_at,
            "sequence": 1,
            "actor": {"id": "system", "role": "system"},
            "data": data,
        }
    )


def order_event(customer_id: str, event_type: str = "order.created", **changes: Any) -> str:
    """Returns the publisher's event of a new order of a new customer."""
    order = {
        "id": clock.random_id(),
        "number": "20261122-ABCDEFGHJK",
        "status": "pending",
        "customer_id": customer_id,
        "items": [],
        "subtotal": "0.00",
        "shipping_cost": "0.00",
        "total": "0.00",
        "currency": "EUR",
        "shipping_address": None,
        "note": None,
        "purchase_order": None,
        "metadata": {},
        "tags": [],
        "created_at": "2026-11-22T09:00:00.000Z",
        "updated_at": "2026-11-22T09:00:00.000Z",
        "expires_at": None,
        "version": 1,
        "shipment": None,
        "cancel_reason": None,
    }
    return event(event_type, order | {name: value for name, value in changes.items() if name in order}, of=order["id"])


def notify(*bodies: str) -> list[str]:
    """Delivers the messages as one batch, and returns the positions of those that failed."""
    records = [
        {
            "messageId": str(number),
            "receiptHandle": "handle",
            "body": body,
            "attributes": {},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:mail",
            "awsRegion": "eu-central-1",
        }
        for number, body in enumerate(bodies)
    ]
    answer = notifier.lambda_handler({"Records": records}, Context())
    return [it["itemIdentifier"] for it in answer["batchItemFailures"]]


def disabled_webhook(owner: Person, **changes: Any) -> str:
    """Creates a disabled subscription, and returns its event."""
    subscription_id, at = clock.random_id(), clock.timestamp(clock.now())
    attributes: dict[str, Any] = {
        "id": subscription_id,
        "url": "https://erp.example/hooks",
        "events": ["order.*"],
        "status": "disabled",
        "disabled_reason": "failing",
        "failing_since": "2026-11-17T03:12:40.000Z",
        "secret": b"sealed",
        "version": 2,
        "created_at": at,
        "updated_at": at,
        "created_by": owner.id,
        "updated_by": "system",
        "updated_by_role": "system",
    }
    put_item(Subscription(*Subscription.key(subscription_id), **attributes | changes))
    shown = ("id", "url", "events", "status", "disabled_reason", "failing_since")
    return event("webhook.disabled", {name: attributes[name] for name in shown} | {"description": None})
