"""Who may call each route, written from the contract and not from the code; and a world to ask for it in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from local import openapi
from oms.core.dynamodb import put_item
from oms.identity import mailed_tokens
from oms.identity.mailed_tokens import Purpose
from oms.identity.models import User
from tests.support.accounts import PASSWORD
from tests.support.accounts import log_in as sign_in
from tests.support.exports import request_export
from tests.support.feed import an_event, feed_in
from tests.support.gateway import call
from tests.support.invocation import Answer, Person
from tests.support.ledger_shop import find_drift
from tests.support.operations import VALID_BODIES
from tests.support.schedules import addressed
from tests.support.shop import BEFORE, BODIES, Shop
from tests.support.webhooks import a_delivery, subscribe

DOCUMENT = openapi.merged()
OPERATIONS = {it["operationId"]: (path, method.upper(), it) for path, method, it in openapi.operations(DOCUMENT)}
NOBODY = "nobody"
ASKERS = (NOBODY, "stranger", "owner", "manager", "admin")
RANK = {NOBODY: 0, "stranger": 1, "owner": 1, "manager": 2, "admin": 3}
WHO = {"-": 0, "C": 1, "M": 2, "A": 3}


@dataclass
class World:
    """A customer, `owner`, with an order and an account; and others who ask for these."""

    shop: Shop
    people: Mapping[str, Person]
    product_id: str
    account: User
    tokens: Mapping[str, str]
    more: dict[str, str] = field(default_factory=dict)

    def order(self, move: str) -> str:
        """The id of an order of the owner that this move can be made of."""
        return self.shop.ready_for(move, {self.product_id: 1}).rpartition("/")[2]


@dataclass(frozen=True)
class Rule:
    """Who may call a route. `private` things are their owner's: for others they are not there, but for those `to`."""

    who: str
    private: bool = False
    to: tuple[str, ...] = ("manager", "admin")
    body: Callable[[World], Any] = lambda _: None
    path: Callable[[World], Mapping[str, str]] = lambda _: {}

    def status(self, asker: str) -> int | None:
        """What the asker is refused with; None if let in."""
        if RANK[asker] < WHO[self.who]:
            return 401 if asker == NOBODY else 403
        if self.private and asker not in ("owner", *self.to):
            return 404
        return None


def order_for(move: str) -> Callable[[World], Mapping[str, str]]:
    return lambda world: {"order_id": world.order(move)}


def of_product(world: World) -> Mapping[str, str]:
    return {"product_id": world.product_id}


def a_move(name: str, who: str) -> Rule:
    return Rule(who, private=True, path=order_for(name), body=lambda _: BODIES.get(name))


def of_user(world: World) -> Mapping[str, str]:
    return {"user_id": world.account.id}


def of_webhook(_: World) -> Mapping[str, str]:
    subscription = subscribe()
    return {"webhook_id": subscription.id, "delivery_id": a_delivery(subscription).id}


def mailed(world: World, purpose: Purpose) -> str:
    """A token as a mail to the account would bring it."""
    stored, token = mailed_tokens.mint(world.account, purpose)
    put_item(stored)
    return str(token)


def repair(world: World) -> dict[str, Any]:
    """Of a product that the last check has found wrong."""
    find_drift(world.product_id)
    return {"product_id": world.product_id, "dry_run": False}


def of_event(_: World) -> Mapping[str, str]:
    event = an_event()
    feed_in(event)
    return {"event_id": event["id"]}


def of_export(world: World) -> Mapping[str, str]:
    return {"export_id": request_export(world.people["manager"]).id}


def a_schedule(world: World) -> Any:
    addressed(world.people["manager"], "manager@example.com")
    return VALID_BODIES["create_schedule"]


def of_schedule(world: World) -> Mapping[str, str]:
    made = call("POST", "/api/v1/reports/schedules", a_schedule(world), token=world.people["manager"].token)
    return {"schedule_id": made.json["id"]}


PRODUCT = {"sku": "SKU-1", "name": "Saw", "category": "Tools", "price": 5}
RULES: dict[str, Rule] = {
    # auth
    "register": Rule("-", body=lambda _: {"email": "new@example.com", "password": PASSWORD, "first_name": "New"}),
    "log_in": Rule("-", body=lambda world: {"email": world.account.email, "password": PASSWORD}),
    "refresh": Rule("-", body=lambda world: {"refresh_token": world.tokens["refresh_token"]}),
    "log_out": Rule("-", body=lambda world: {"refresh_token": world.tokens["refresh_token"]}),
    "get_me": Rule("C"),
    "update_me": Rule("C", body=lambda _: {"first_name": "New"}),
    "list_sessions": Rule("C"),
    "end_session": Rule("C", private=True, to=(), path=lambda world: {"session_id": world.people["owner"].session_id}),
    "change_password": Rule("C", body=lambda _: {"current_password": PASSWORD, "new_password": f"{PASSWORD}!"}),
    "forgot_password": Rule("-", body=lambda world: {"email": world.account.email}),
    "reset_password": Rule("-", body=lambda world: {"token": mailed(world, "reset"), "new_password": f"{PASSWORD}!"}),
    "verify_email": Rule("-", body=lambda world: {"token": mailed(world, "verify")}),
    # admin
    "list_users": Rule("A"),
    "get_user": Rule("A", path=of_user),
    "change_role": Rule("A", path=of_user, body=lambda _: {"role": "manager"}),
    "change_status": Rule("A", path=of_user, body=lambda _: {"status": "disabled"}),
    "unlock_user": Rule("A", path=of_user),
    "list_audit": Rule("A"),
    "get_stock_check": Rule("A"),
    "start_stock_check": Rule("A"),
    "repair_stock": Rule("A", body=repair),
    "get_stats": Rule("A"),
    # inventory
    "list_products": Rule("C"),
    "create_product": Rule("M", body=lambda _: PRODUCT | {"sku": "NEW-1"}),
    "get_product": Rule("C", path=of_product),
    "replace_product": Rule(
        "M", path=of_product, body=lambda world: PRODUCT | {"sku": world.product_id, "status": "active"}
    ),
    "update_product": Rule("M", path=of_product, body=lambda _: {"price": 6}),
    "adjust_stock": Rule("M", path=of_product, body=lambda _: {"adjustment": 1, "reason": "found"}),
    "list_movements": Rule("M", path=of_product),
    "list_categories": Rule("C"),
    # orders
    "list_orders": Rule("C"),
    "create_order": Rule("C", body=lambda world: {"items": [{"product_id": world.product_id, "quantity": 1}]}),
    "quote_order": Rule("C", body=lambda world: {"items": [{"product_id": world.product_id, "quantity": 1}]}),
    "get_order": Rule("C", private=True, path=order_for("confirm")),
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
def world(person: Callable[..., Person], account: Callable[..., User]) -> World:
    ada = account("ada@example.com")
    people = {
        asker: person(asker if asker in ("manager", "admin") else "customer", password_hash=ada.password_hash)
        for asker in ASKERS
        if asker != NOBODY
    }
    shop = Shop(people["owner"], people["manager"])
    return World(shop, people, shop.product(10), ada, sign_in(ada.email, address="198.51.100.7").json)


def ask(world: World, name: str, asker: str) -> Callable[[], Answer]:
    path, method, _ = OPERATIONS[name]
    rule = RULES[name]
    filled, body = path.format(**rule.path(world)), rule.body(world)
    token = world.people[asker].token if asker != NOBODY else None
    return lambda: call(method, filled, body, token=token)
