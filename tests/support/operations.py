"""Every operation of the API by its document, and a valid body for each."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

DOCUMENT = json.loads((Path(__file__).parents[2] / "functions/docs/openapi.json").read_text())
OPERATIONS = [
    (method.upper(), re.sub(r"\{\w+\}", "none", path), operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
VALID_BODIES: dict[str, dict[str, Any]] = {
    "create_product": {"sku": "A", "name": "A", "category": "A", "price": 1},
    "replace_product": {"sku": "A", "name": "A", "category": "A", "price": 1, "status": "active"},
    "update_product": {"price": 1},
    "set_shards": {"shards": 2},
    "adjust_stock": {"adjustment": 1, "reason": "counted"},
    "count_stock": {"on_hand": 1, "reason": "counted"},
    "change_stocks": {"items": [{"product_id": 1, "on_hand": 1, "reason": "counted"}]},
    "create_order": {"items": [{"product_id": 1, "quantity": 1}]},
    "quote_order": {"items": [{"product_id": 1, "quantity": 1}]},
    "update_order": {"note": "Leave it with the porter"},
    "cancel_order": {},
    "confirm_order": {},
    "ship_order": {"carrier": "A", "tracking_number": "1"},
    "deliver_order": {},
    "return_order": {},
    "register": {"email": "a@example.com", "password": "a long password", "first_name": "A"},
    "log_in": {"email": "a@example.com", "password": "a long password"},
    "refresh": {"refresh_token": "x"},
    "log_out": {"refresh_token": "x"},
    "update_me": {"first_name": "A"},
    "add_address": {"name": "A", "line1": "1 High St", "city": "London", "country": "GB"},
    "update_address": {"city": "Paris"},
    "change_password": {"current_password": "x", "new_password": "a long password"},
    "forgot_password": {"email": "a@example.com"},
    "reset_password": {"token": "x", "new_password": "a long password"},
    "verify_email": {"token": "x"},
    "change_email": {"new_email": "a@example.org", "current_password": "x"},
    "take_back_email": {"token": "x"},
    "change_role": {"role": "manager"},
    "change_status": {"status": "disabled"},
    "change_limits": {"open_orders": 50},
    "unlock_user": {},
    "start_stock_check": {},
    "repair_stock": {"product_id": 1},
    "create_schedule": {"report": "orders", "schedule": "rate(1 day)", "recipients": ["manager@example.com"]},
    "create_service_key": {"name": "A", "scopes": ["orders:read"]},
    "update_service_key": {"name": "B"},
    "rotate_service_key": {},
    "create_webhook": {"url": "https://93.184.215.14/", "events": ["*"]},
    "update_webhook": {"status": "paused"},
    "rotate_webhook_secret": {},
    "test_webhook": {},
    "replay_delivery": {},
    "replay_webhook": {"from": "2026-01-01", "to": "2026-01-31"},
    "create_export": {"report": "orders"},
    "create_import": {"kind": "stock", "size": 52},
    "start_import": {},
}


def operations(*roles: str, taking: str = "", without: str = "\0") -> Any:
    """Returns a parameter for each operation of these roles (of all, if none is named) with the member `having`, whose
    path is without `without`.
    """
    chosen = [
        pytest.param(method, path, operation, id=operation["operationId"])
        for method, path, operation in OPERATIONS
        if (not roles or operation["x-role"] in roles) and (not taking or taking in operation) and without not in path
    ]
    assert chosen
    return pytest.mark.parametrize(("method", "path", "operation"), chosen)
