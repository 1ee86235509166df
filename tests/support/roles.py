"""The permissions of each route, written from the contract and not from the code; and data to test them with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from local import openapi
from oms.core.dynamodb import put_item
from oms.identity import mailed_tokens, saved_addresses
from oms.identity.mailed_tokens import Purpose
from oms.identity.models import User
from oms.identity.saved_address_schemas import AddAddressRequest
from tests.support.accounts import PASSWORD
from tests.support.accounts import log_in as sign_in
from tests.support.exports import request_export
from tests.support.feed import an_event, feed_in
from tests.support.gateway import call
from tests.support.imports import uploaded
from tests.support.invocation import Answer, Person
from tests.support.ledger_shop import find_drift
from tests.support.operations import VALID_BODIES
from tests.support.schedules import addressed
from tests.support.service_keys import a_key
from tests.support.shop import BEFORE, BODIES, Shop
from tests.support.webhooks import a_delivery, subscribe

DOCUMENT = openapi.merged()
OPERATIONS = {it["operationId"]: (path, method.upper(), it) for path, method, it in openapi.operations(DOCUMENT)}
ANONYMOUS = "anonymous"
CALLERS = (ANONYMOUS, "stranger", "owner", "manager", "admin")
RANK = {ANONYMOUS: 0, "stranger": 1, "owner": 1, "manager": 2, "admin": 3}
WHO = {"-": 0, "C": 1, "M": 2, "A": 3}


@dataclass
class AccessScenario:
    """A customer, `owner`, with an order and an account; and other users who request these."""

    shop: Shop
    people: Mapping[str, Person]
    product_id: str
    account: User
    tokens: Mapping[str, str]
    more: dict[str, str] = field(default_factory=dict)

    def order(self, move: str) -> str:
        """Returns the id of an order of the owner on which this move is possible."""
        return self.shop.ready_for(move, {self.product_id: 1}).rpartition("/")[2]


@dataclass(frozen=True)
class Rule:
    """The users that may call a route. `private` resources are visible to their owner and the roles of `to`, and 404
    for others.
    """

    who: str
    private: bool = False
    to: tuple[str, ...] = ("manager", "admin")
    body: Callable[[AccessScenario], Any] = lambda _: None
    path: Callable[[AccessScenario], Mapping[str, str]] = lambda _: {}
    query: str = ""

    def status(self, asker: str) -> int | None:
        """Returns the status of the refusal; None if the user may call the route."""
        if RANK[asker] < WHO[self.who]:
            return 401 if asker == ANONYMOUS else 403
        if self.private and asker not in ("owner", *self.to):
            return 404
        return None


def order_for(move: str) -> Callable[[AccessScenario], Mapping[str, str]]:
    return lambda scenario: {"order_id": scenario.order(move)}


def of_product(scenario: AccessScenario) -> Mapping[str, str]:
    return {"product_id": scenario.product_id}


def a_move(name: str, who: str) -> Rule:
    return Rule(who, private=True, path=order_for(name), body=lambda _: BODIES.get(name))


def of_user(scenario: AccessScenario) -> Mapping[str, str]:
    return {"user_id": scenario.account.id}


def of_address(scenario: AccessScenario) -> Mapping[str, str]:
    request = AddAddressRequest.model_validate(VALID_BODIES["add_address"])
    return {"address_id": saved_addresses.add_address(scenario.people["owner"].id, request, key=None).value["id"]}


def of_service_key(_: AccessScenario) -> Mapping[str, str]:
    return {"key_id": a_key().id}


def of_webhook(_: AccessScenario) -> Mapping[str, str]:
    subscription = subscribe("order.*")  # a key may not change one to events of users
    return {"webhook_id": subscription.id, "delivery_id": a_delivery(subscription).id}


def mailed(scenario: AccessScenario, purpose: Purpose) -> str:
    """Returns a token as in a mail to the account."""
    stored, token = mailed_tokens.mint(scenario.account, purpose)
    put_item(stored)
    return str(token)


def repair(scenario: AccessScenario) -> dict[str, Any]:
    """Returns the repair of a product whose stock the last check has found wrong."""
    find_drift(scenario.product_id)
    return {"product_id": scenario.product_id, "dry_run": False}


def of_event(_: AccessScenario) -> Mapping[str, str]:
    event = an_event()
    feed_in(event)
    return {"event_id": event["id"]}


def of_export(scenario: AccessScenario) -> Mapping[str, str]:
    return {"export_id": request_export(scenario.people["manager"]).id}


def a_schedule(scenario: AccessScenario) -> Any:
    addressed(scenario.people["manager"], "manager@example.com")
    return VALID_BODIES["create_schedule"]


def of_schedule(scenario: AccessScenario) -> Mapping[str, str]:
    made = call("POST", "/api/v1/reports/schedules", a_schedule(scenario), token=scenario.people["manager"].token)
    return {"schedule_id": made.json["id"]}


def of_import(scenario: AccessScenario) -> Mapping[str, str]:
    return {"import_id": uploaded(scenario.people["manager"], "stock", "sku,on_hand\nSKU-1,1\n").id}


PRODUCT = {"sku": "SKU-1", "name": "Saw", "category": "Tools", "price": 5}
RULES: dict[str, Rule] = {
    # auth
    "register": Rule("-", body=lambda _: {"email": "new@example.com", "password": PASSWORD, "first_name": "New"}),
    "log_in": Rule("-", body=lambda scenario: {"email": scenario.account.email, "password": PASSWORD}),
    "refresh": Rule("-", body=lambda scenario: {"refresh_token": scenario.tokens["refresh_token"]}),
    "log_out": Rule("-", body=lambda scenario: {"refresh_token": scenario.tokens["refresh_token"]}),
    "get_me": Rule("C"),
    "update_me": Rule("C", body=lambda _: {"first_name": "New"}),
    "list_addresses": Rule("C"),
    "add_address": Rule("C", body=lambda _: VALID_BODIES["add_address"]),
    "get_address": Rule("C", private=True, to=(), path=of_address),
    "update_address": Rule("C", private=True, to=(), path=of_address, body=lambda _: VALID_BODIES["update_address"]),
    "delete_address": Rule("C", private=True, to=(), path=of_address),
    "list_sessions": Rule("C"),
    "end_session": Rule(
        "C", private=True, to=(), path=lambda scenario: {"session_id": scenario.people["owner"].session_id}
    ),
    "change_password": Rule("C", body=lambda _: {"current_password": PASSWORD, "new_password": f"{PASSWORD}!"}),
    "forgot_password": Rule("-", body=lambda scenario: {"email": scenario.account.email}),
    "reset_password": Rule(
        "-", body=lambda scenario: {"token": mailed(scenario, "reset"), "new_password": f"{PASSWORD}!"}
    ),
    "verify_email": Rule("-", body=lambda scenario: {"token": mailed(scenario, "verify")}),
    "change_email": Rule("C", body=lambda _: {"new_email": "new@example.org", "current_password": PASSWORD}),
    "take_back_email": Rule("-", body=lambda scenario: {"token": mailed(scenario, "take-back")}),
    "get_shop": Rule("C"),
    # admin
    "search_everything": Rule("A", query="?q=a"),
    "list_users": Rule("A"),
    "get_user": Rule("A", path=of_user),
    "change_role": Rule("A", path=of_user, body=lambda _: {"role": "manager"}),
    "change_status": Rule("A", path=of_user, body=lambda _: {"status": "disabled"}),
    "change_limits": Rule("A", path=of_user, body=lambda _: {"open_orders": 50}),
    "unlock_user": Rule("A", path=of_user),
    "list_audit": Rule("A"),
    "list_requests": Rule("A"),
    "get_stock_check": Rule("A"),
    "start_stock_check": Rule("A"),
    "repair_stock": Rule("A", body=repair),
    "get_stats": Rule("A"),
    "create_service_key": Rule("A", body=lambda _: VALID_BODIES["create_service_key"]),
    "list_service_keys": Rule("A"),
    "get_service_key": Rule("A", path=of_service_key),
    "update_service_key": Rule("A", path=of_service_key, body=lambda _: VALID_BODIES["update_service_key"]),
    "delete_service_key": Rule("A", path=of_service_key),
    "rotate_service_key": Rule("A", path=of_service_key),
    # inventory
    "list_products": Rule("C"),
    "create_product": Rule("M", body=lambda _: PRODUCT | {"sku": "NEW-1"}),
    "get_product": Rule("C", path=of_product),
    "replace_product": Rule(
        "M", path=of_product, body=lambda scenario: PRODUCT | {"sku": scenario.product_id, "status": "active"}
    ),
    "update_product": Rule("M", path=of_product, body=lambda _: {"price": 6}),
    "set_shards": Rule("M", path=of_product, body=lambda _: {"shards": 2}),
    "adjust_stock": Rule("M", path=of_product, body=lambda _: {"adjustment": 1, "reason": "found"}),
    "count_stock": Rule("M", path=of_product, body=lambda _: {"on_hand": 2000, "reason": "counted"}),
    "change_stocks": Rule(
        "M",
        body=lambda scenario: {"items": [{"product_id": scenario.product_id, "on_hand": 2000, "reason": "counted"}]},
    ),
    "list_movements": Rule("M", path=of_product),
    "list_categories": Rule("C"),
    # orders
    "list_orders": Rule("C"),
    "create_order": Rule("C", body=lambda scenario: {"items": [{"product_id": scenario.product_id, "quantity": 1}]}),
    "quote_order": Rule("C", body=lambda scenario: {"items": [{"product_id": scenario.product_id, "quantity": 1}]}),
    "get_order": Rule("C", private=True, path=order_for("confirm")),
    "update_order": Rule(
        "C", private=True, path=order_for("confirm"), body=lambda _: {"note": "Leave it with the porter"}
    ),
    "get_order_history": Rule("C", private=True, path=order_for("confirm")),
    "cancel_order": a_move("cancel", "C"),
    **{f"{name}_order": a_move(name, "M") for name in BEFORE if name != "cancel"},
    # reports
    "report_inventory": Rule("M"),
    "report_sales": Rule("M"),
    "export_orders": Rule("M"),
    "create_export": Rule("M", body=lambda _: VALID_BODIES["create_export"]),
    "list_exports": Rule("M"),
    "get_export": Rule("M", path=of_export),
    "cancel_export": Rule("M", path=of_export),
    "create_schedule": Rule("M", body=a_schedule),
    "list_schedules": Rule("M"),
    "delete_schedule": Rule("M", path=of_schedule),
    # imports
    "create_import": Rule("M", body=lambda _: VALID_BODIES["create_import"]),
    "start_import": Rule("M", path=of_import),
    "list_imports": Rule("M"),
    "get_import": Rule("M", path=of_import),
    "cancel_import": Rule("M", path=of_import),
    # the feed
    "list_events": Rule("M"),
    "get_event": Rule("M", path=of_event),
    # webhooks
    "create_webhook": Rule("A", body=lambda _: VALID_BODIES["create_webhook"]),
    "list_webhooks": Rule("M"),
    "get_webhook": Rule("M", path=of_webhook),
    "update_webhook": Rule("A", path=of_webhook, body=lambda _: VALID_BODIES["update_webhook"]),
    "delete_webhook": Rule("A", path=of_webhook),
    "rotate_webhook_secret": Rule("A", path=of_webhook),
    "test_webhook": Rule("M", path=of_webhook),
    "list_deliveries": Rule("M", path=of_webhook),
    "replay_delivery": Rule("M", path=of_webhook),
    "replay_webhook": Rule("M", path=of_webhook, body=lambda _: VALID_BODIES["replay_webhook"]),
    # docs
    **{
        f"get_{name}{where}": Rule("-")
        for name in ("health", "openapi", "event_catalogue", "jwks")
        for where in ("", "_at_root")
    },
}


@pytest.fixture
def scenario(person: Callable[..., Person], account: Callable[..., User]) -> AccessScenario:
    ada = account("ada@example.com")
    people = {
        asker: person(asker if asker in ("manager", "admin") else "customer", password_hash=ada.password_hash)
        for asker in CALLERS
        if asker != ANONYMOUS
    }
    shop = Shop(people["owner"], people["manager"])
    return AccessScenario(shop, people, shop.product(10), ada, sign_in(ada.email, address="198.51.100.7").json)


def ask(scenario: AccessScenario, name: str, asker: str) -> Callable[[], Answer]:
    path, method, _ = OPERATIONS[name]
    rule = RULES[name]
    filled, body = path.format(**rule.path(scenario)) + rule.query, rule.body(scenario)
    token = scenario.people[asker].token if asker != ANONYMOUS else None
    return lambda: call(method, filled, body, token=token)
