"""Subscriptions and their deliveries for tests, written directly into the table; and queues, read as Lambda does."""

import json
from typing import Any

from oms.core import clock
from oms.core.dynamodb import get_item, put_item
from oms.core.settings import settings
from oms.events.envelope import event_id
from oms.webhooks import deliveries, secret_encryption
from oms.webhooks.models import Attempt, Delivery, Subscription
from oms.webhooks.signature import new_secret
from tests.support.aws_client import aws_client

PUBLIC = "93.184.215.14"

type Names = dict[str, list[str]]
"""The addresses that names resolve to."""


def subscribe(*events: str, **fields: Any) -> Subscription:
    """Stores a subscription: active and to all events by default."""
    key, at = clock.random_id(), clock.timestamp(clock.now())
    subscription = Subscription(
        *Subscription.key(key),
        **{
            "id": key,
            "url": "https://hooks.example/orders",
            "pace": "quick",
            "events": list(events or ("*",)),
            "status": "active",
            "secret": secret_encryption.encrypt(new_secret(), subscription_id=key),
            "version": 1,
            "created_at": at,
            "updated_at": at,
            "created_by": "somebody",
            "updated_by": "somebody",
            "updated_by_role": "admin",
        }
        | fields,
    )
    put_item(subscription)
    return subscription


def an_event(event_type: str = "order.created", *, number: int = 1) -> dict[str, Any]:
    at = clock.timestamp(clock.now())
    return {
        "id": event_id(event_type, at, f"thing-{clock.random_id()}", number),
        "type": event_type,
        "version": 1,
        "occurred_at": at,
        "sequence": number,
        "actor": {"id": "system", "role": "system"},
        "data": {"number": number, "name": "Übung"},
    }


def a_delivery(subscription: Subscription, event_type: str = "order.created", **fields: Any) -> Delivery:
    """Stores a delivery of an event of the current time: delivered by default."""
    event = an_event(event_type)
    key = deliveries.delivery_id(subscription.id, event["id"])
    now = clock.now()
    delivery = Delivery(
        *Delivery.key(subscription.id, key),
        **{
            "id": key,
            "subscription_id": subscription.id,
            "event_id": event["id"],
            "event_type": event_type,
            "body": json.dumps(event),
            "status": "delivered",
            "attempts": [Attempt(at=clock.timestamp(now), status_code=204, duration_ms=12, answer="")],
            "attempt_count": 1,
            "created_at": clock.timestamp(now),
            "expires_at": int((now + deliveries.RETENTION).timestamp()),
        }
        | fields,
    )
    put_item(delivery)
    return delivery


def stored(delivery: Delivery) -> Delivery:
    found = get_item(Delivery, (delivery.pk, delivery.sk))
    assert found
    return found


def subscription_now(subscription: Subscription) -> Subscription:
    found = get_item(Subscription, Subscription.key(subscription.id))
    assert found
    return found


def taken(queue_url: str) -> list[dict[str, Any]]:
    """Takes the messages that are in a queue."""
    sqs = aws_client("sqs")
    found: list[dict[str, Any]] = []
    while messages := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            found.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    return found


def triggers() -> list[dict[str, Any]]:
    return taken(settings().delivery_queue_url)
