"""Requests to the webhook routes, and the items that they write."""

from typing import Any

from oms.audit.models import AuditEntry
from oms.core.dynamodb import client, get_item
from oms.webhooks.models import Subscription, SubscriptionCount
from tests.support.gateway import call
from tests.support.invocation import Answer, Person

WEBHOOKS = "/api/v1/webhooks"
URL = "https://hooks.example/orders?key=abc"
BODY = {"url": URL, "events": ["order.*", "stock.low"], "description": "The warehouse"}


def create(admin: Person, **fields: Any) -> Answer:
    return call("POST", WEBHOOKS, BODY | fields, token=admin.token)


def created(admin: Person, **fields: Any) -> Any:
    answer = create(admin, **fields)
    assert answer.status == 201, answer.text
    return answer.json


def patch(admin: Person, webhook: Any, _headers: dict[str, str] | None = None, **fields: Any) -> Answer:
    return call("PATCH", f"{WEBHOOKS}/{webhook['id']}", fields, token=admin.token, headers=_headers)


def get(who: Person, webhook: Any) -> Answer:
    return call("GET", f"{WEBHOOKS}/{webhook['id']}", token=who.token)


def rotate(admin: Person, webhook: Any) -> Answer:
    return call("POST", f"{WEBHOOKS}/{webhook['id']}/rotate-secret", token=admin.token)


def delete(admin: Person, webhook: Any) -> Answer:
    return call("DELETE", f"{WEBHOOKS}/{webhook['id']}", token=admin.token)


def stored(webhook: Any) -> Subscription:
    found = get_item(Subscription, Subscription.key(webhook["id"]))
    assert found
    return found


def count() -> int:
    found = get_item(SubscriptionCount, SubscriptionCount.key())
    return found.n if found else 0


def audited() -> list[AuditEntry]:
    entries = [AuditEntry.from_raw_data(it) for it in client().scan(TableName="audit")["Items"]]
    return sorted((it for it in entries if it.action.startswith("webhook.")), key=lambda it: str(it.sk))
