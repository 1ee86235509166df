"""Service keys of tests: their creation, the requests to their routes, and the items that these write."""

from dataclasses import dataclass
from typing import Any

from oms.audit.models import AuditEntry
from oms.core.actors import System
from oms.core.dynamodb import client, get_item
from oms.core.settings import settings
from oms.core.versions import ANY_VERSION
from oms.service_keys import service
from oms.service_keys.models import ServiceKey, ServiceKeyCount
from oms.service_keys.schemas import CreateServiceKeyRequest, UpdateServiceKeyRequest
from oms.service_keys.scopes import SCOPES
from tests.support.gateway import call
from tests.support.invocation import Answer, Person

KEYS = "/api/v1/admin/keys"
BODY = {"name": "Warehouse", "scopes": ["orders:read", "stock:write"]}
OPERATOR = service.By(System().id, "admin", "arn:aws:iam::123456789012:user/op", "operator", None)
# The operations that a service key with each scope may call, written from the contract and not from the code.
OPERATIONS_OF = {
    "catalogue:read": {"list_products", "get_product", "list_movements", "list_categories", "get_shop"},
    "catalogue:write": {"create_product", "replace_product", "update_product"},
    "stock:write": {"adjust_stock", "count_stock", "change_stocks", "set_shards"},
    "orders:read": {"list_orders", "get_order", "get_order_history"},
    "orders:create": {"create_order", "quote_order"},
    "orders:manage": {
        *("update_order", "cancel_order", "confirm_order", "ship_order", "deliver_order", "return_order"),
    },
    "customers:read": {"list_users", "get_user"},
    "events:read": {"list_events", "get_event"},
    "webhooks:manage": {
        *("create_webhook", "list_webhooks", "get_webhook", "update_webhook", "delete_webhook"),
        *("rotate_webhook_secret", "test_webhook", "list_deliveries", "replay_delivery", "replay_webhook"),
    },
    "reports:read": {
        *("report_inventory", "report_sales", "export_orders", "create_export", "list_exports", "get_export"),
        *("cancel_export", "create_schedule", "list_schedules", "delete_schedule"),
    },
    "imports:write": {"create_import", "start_import", "list_imports", "get_import", "cancel_import"},
}


@dataclass(frozen=True)
class MadeKey:
    """A service key and its text."""

    id: str
    text: str


def a_key(*scopes: str, **fields: Any) -> MadeKey:
    """Creates a key with these scopes, or with all of them."""
    request = CreateServiceKeyRequest.model_validate({"name": "A", "scopes": list(scopes or SCOPES)} | fields)
    key, token = service.create(request, stage=settings().stage, by=OPERATOR)
    return MadeKey(key.id, str(token))


def change(key_id: str, **fields: Any) -> None:
    request = UpdateServiceKeyRequest.model_validate(fields)
    service.update(key_id, request, by=OPERATOR, expected_version=ANY_VERSION)


def delete(key_id: str) -> None:
    service.delete(key_id, by=OPERATOR, expected_version=ANY_VERSION)


def rotate(key_id: str) -> str:
    _, token = service.rotate(key_id, stage=settings().stage, by=OPERATOR)
    return str(token)


def create(admin: Person, **fields: Any) -> Answer:
    return call("POST", KEYS, BODY | fields, token=admin.token)


def created(admin: Person, **fields: Any) -> Any:
    answer = create(admin, **fields)
    assert answer.status == 201, answer.text
    return answer.json


def on_key(admin: Person, method: str, key_id: str, body: Any = None, suffix: str = "", **options: Any) -> Answer:
    return call(method, f"{KEYS}/{key_id}{suffix}", body, token=admin.token, **options)


def stored(key_id: str) -> list[ServiceKey]:
    """Returns the key and its copies."""
    items = [
        it for it in client().scan(TableName=settings().identity_table)["Items"] if it["kind"]["S"] == "service-key"
    ]
    return [it for it in map(ServiceKey.from_raw_data, items) if it.id == key_id]


def count() -> int:
    found = get_item(ServiceKeyCount, ServiceKeyCount.key())
    return found.n if found else 0


def audited() -> list[AuditEntry]:
    entries = [AuditEntry.from_raw_data(it) for it in client().scan(TableName=settings().audit_table)["Items"]]
    return sorted((it for it in entries if it.action.startswith("service-key.")), key=lambda it: str(it.sk))
