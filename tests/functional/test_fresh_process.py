"""The secrets and keys that each function reads for its first request, as no other function shares its process."""

from collections.abc import Callable
from types import ModuleType

import pytest

from admin import handler as admin
from auth import handler as auth
from auth import passwords as auth_passwords
from docs import handler as docs
from inventory import handler as inventory
from oms.core import pseudonyms
from oms.core.settings import settings
from oms.http import client_address as addresses
from oms.identity import keyring, passwords
from orders import handler as orders
from reports import handler as reports
from tests.support.aws_calls import intercepted
from tests.support.invocation import Person, invoke
from webhooks import handler as webhooks

ORIGIN, PUBLIC, PEPPER = settings().origin_secret, settings().jwks_parameter, settings().pepper_secret
ADDRESSES = settings().address_keys_secret
NEW_PASSWORD = {"current_password": "what it was", "new_password": "three quiet lighthouses"}
# By function a request that is audited with the client's address; by a role that may not, it is a denial.
REQUESTS: dict[str, tuple[ModuleType, str, str, str, object, set[str]]] = {
    "Auth": (auth, "customer", "POST", "/api/v1/auth/logout", {}, {ORIGIN, PUBLIC, ADDRESSES}),
    "Passwords": (
        auth_passwords,
        "customer",
        "PUT",
        "/api/v1/auth/password",
        NEW_PASSWORD,
        {ORIGIN, PUBLIC, PEPPER, ADDRESSES},
    ),
    "Inventory": (inventory, "customer", "POST", "/api/v1/inventory/products", {}, {ORIGIN, PUBLIC, ADDRESSES}),
    "Orders": (orders, "customer", "POST", "/api/v1/orders/none/confirm", {}, {ORIGIN, PUBLIC, ADDRESSES}),
    "Admin": (admin, "admin", "POST", "/api/v1/admin/users/{id}/unlock", {}, {ORIGIN, PUBLIC, PEPPER, ADDRESSES}),
    "Webhooks": (webhooks, "customer", "GET", "/api/v1/webhooks", None, {ORIGIN, PUBLIC, ADDRESSES}),
    "Reports": (reports, "customer", "GET", "/api/v1/reports/sales", None, {ORIGIN, PUBLIC, ADDRESSES}),
    "Docs": (docs, "customer", "GET", "/.well-known/jwks.json", None, {PUBLIC}),
}


@pytest.mark.parametrize("function", REQUESTS)
def test_a_function_reads_its_own_secrets_and_keys(function: str, person: Callable[..., Person]) -> None:
    handler, role, method, path, body, expected = REQUESTS[function]
    someone = person(role, password_hash=None)
    for known in (addresses.ORIGIN_SECRET, keyring.PUBLIC, passwords.PEPPERS, pseudonyms.KEYS):
        known.forget()

    with intercepted() as calls:
        answer = invoke(
            handler,
            method,
            path.format(id=someone.id),
            body,
            token=someone.token,
            headers={"X-Origin-Secret": "the-front-door"},
        )

    assert answer.status < 500, answer.text
    read = {
        str(call.parameters.get("SecretId") or call.parameters.get("Name"))
        for call in calls
        if call.service in ("secretsmanager", "ssm")
    }
    assert read == expected
