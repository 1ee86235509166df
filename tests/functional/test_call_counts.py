"""What each route costs in DynamoDB calls when the process is warm, the read of session and user included."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest

from admin import handler as admin
from auth import handler as auth
from auth import passwords as password_routes
from docs import handler as docs
from inventory import handler as inventory
from oms.audit import audit_log as audit
from oms.core import clock
from oms.core.dynamodb import get_item, put_item, update_item
from oms.core.settings import settings
from oms.exports.models import Export
from oms.http.powertools import routes_of
from oms.identity import mailed_tokens, passwords
from oms.identity.models import IdentityItem, User, user_key
from oms.orders import service as order_service
from orders import handler as orders
from reports import handler as reports
from tests.support.audit_addresses import known_readers
from tests.support.aws_calls import intercepted
from tests.support.exports import request_export
from tests.support.feed import an_event, feed_in
from tests.support.gateway import call
from tests.support.invocation import Answer, Person
from tests.support.ledger_shop import find_drift
from tests.support.operations import VALID_BODIES
from tests.support.schedules import SCHEDULES, addressed
from tests.support.schedules import create as create_schedule
from tests.support.shop import Shop, stock_of
from tests.support.streams import run_bookkeeper, streamed
from tests.support.webhooks import a_delivery, subscribe
from webhooks import handler as webhooks

PASSWORD = "correct horse battery"
APPS = [module.app for module in (auth, password_routes, docs, inventory, orders, admin, webhooks, reports)]

numbers = count(1)


@dataclass
class World:
    """Who asks, and what there is to ask for."""

    shop: Shop
    product: str
    admin: Person
    email: str = "ada@example.com"

    def order(self) -> str:
        """The path of a new pending order."""
        return f"/api/v1/orders/{self.shop.buy({self.product: 1}).json['id']}"

    def sign_in(self) -> Any:
        signed_in = call("POST", "/api/v1/auth/login", {"email": self.email, "password": PASSWORD})
        assert signed_in.status == 200, signed_in.text
        return signed_in.json


type Ask = Callable[[], Answer]
"""The request to be counted. What it needs was made before."""


def get(path: str) -> Callable[[World], Ask]:
    def prepare(world: World) -> Ask:
        world.order()
        filled = path.format(product=world.product, customer=world.shop.customer.id)
        return lambda: call("GET", filled, token=world.shop.manager.token)

    return prepare


def own(path: str) -> Callable[[World], Ask]:
    def prepare(world: World) -> Ask:
        world.order()
        return lambda: call("GET", path, token=world.shop.customer.token)

    return prepare


def moving(name: str) -> Callable[[World], Ask]:
    def prepare(world: World) -> Ask:
        path = world.shop.ready_for(name, {world.product: 1})
        return lambda: world.shop.move(path, name)

    return prepare


def on_order(method: str, suffix: str, by: str = "customer") -> Callable[[World], Ask]:
    def prepare(world: World) -> Ask:
        path = world.order() + suffix
        person: Person = getattr(world.shop, by)
        return lambda: call(method, path, token=person.token)

    return prepare


def register(_: World) -> Ask:
    body = {"email": f"{next(numbers)}@example.com", "password": PASSWORD, "first_name": "Bob"}
    return lambda: call("POST", "/api/v1/auth/register", body)


def log_in(world: World) -> Ask:
    return lambda: call("POST", "/api/v1/auth/login", {"email": world.email, "password": PASSWORD})


def log_in_known_device(world: World) -> Ask:
    body = {"email": world.email, "password": PASSWORD, "device_token": world.sign_in()["device_token"]}
    return lambda: call("POST", "/api/v1/auth/login", body)


def refresh(world: World) -> Ask:
    body = {"refresh_token": world.sign_in()["refresh_token"]}
    return lambda: call("POST", "/api/v1/auth/refresh", body)


def log_out(world: World) -> Ask:
    token = world.sign_in()["access_token"]
    return lambda: call("POST", "/api/v1/auth/logout", token=token)


def log_out_by_refresh_token(world: World) -> Ask:
    body = {"refresh_token": world.sign_in()["refresh_token"]}
    return lambda: call("POST", "/api/v1/auth/logout", body)


def mailed(purpose: str) -> Callable[[World], str]:
    """A token of the world's account, as a mail would bring it."""

    def make(world: World) -> str:
        user_id = world.sign_in()["refresh_token"].partition(".")[0]
        stored, token = mailed_tokens.mint(cast(User, get_item(IdentityItem, user_key(user_id))), purpose)
        put_item(stored)
        return str(token)

    return make


def change_password(world: World) -> Ask:
    body, token = {"current_password": PASSWORD, "new_password": f"{PASSWORD}!"}, world.sign_in()["access_token"]
    return lambda: call("PUT", f"{AUTH}/password", body, token=token)


def reset_password(world: World) -> Ask:
    body = {"token": mailed("reset")(world), "new_password": f"{PASSWORD}!"}
    return lambda: call("POST", f"{AUTH}/password/reset", body)


def verify_email(world: World) -> Ask:
    body = {"token": mailed("verify")(world)}
    return lambda: call("POST", f"{AUTH}/email/verify", body)


def forgot_password(email: str) -> Callable[[World], Ask]:
    return lambda _: lambda: call("POST", f"{AUTH}/password/forgot", {"email": email})


def update_me(world: World) -> Ask:
    return lambda: call("PATCH", f"{AUTH}/me", {"first_name": "Bo"}, token=world.shop.customer.token)


def end_session(world: World) -> Ask:
    tokens = world.sign_in()
    session_id = tokens["refresh_token"].split(".")[1]
    return lambda: call("DELETE", f"{AUTH}/sessions/{session_id}", token=tokens["access_token"])


def administer(method: str, suffix: str, body: Any = None) -> Callable[[World], Ask]:
    def prepare(world: World) -> Ask:
        path = f"{USERS}{suffix.format(user=world.shop.customer.id)}"
        return lambda: call(method, path, body, token=world.admin.token)

    return prepare


def audit_log(query: str) -> Callable[[World], Ask]:
    def prepare(world: World) -> Ask:
        for action in ("login", "logout"):
            audit.record(audit.entry(action, actor_id="ada", address=None, target=None))
        return lambda: call("GET", f"{AUDIT}{query}", token=world.admin.token)

    return prepare


def create_order(world: World, key: str | None = None) -> Ask:
    world.order()  # the process has seen the offer
    return lambda: world.shop.buy({world.product: 1}, key=key)


def create_large_order(world: World) -> Ask:
    cart = {world.shop.product(5): 1 for _ in range(90)}
    for product in cart:
        order_service.OFFERS.learn(stock_of(product))
    return lambda: world.shop.buy(cart)


def replay_order(world: World) -> Ask:
    ask = create_order(world, key="k")
    ask()
    return ask


def quote(world: World) -> Ask:
    return lambda: world.shop.post("/api/v1/orders/quote", {"items": [{"product_id": world.product, "quantity": 1}]})


def create_product(world: World) -> Ask:
    body = {"sku": f"SKU-{next(numbers)}", "name": "Saw", "category": "Tools", "price": 5}
    return lambda: world.shop.manage("POST", "products", body)


def replace_product(category: str) -> Callable[[World], Ask]:
    body = {"sku": "SKU-0", "name": "Saw", "category": category, "price": 6, "status": "active"}
    return lambda world: lambda: world.shop.manage("PUT", f"products/{world.product}", body)


def update_product(category: str) -> Callable[[World], Ask]:
    return lambda world: lambda: world.shop.manage("PATCH", f"products/{world.product}", {"category": category})


def adjust_stock(world: World) -> Ask:
    return lambda: world.shop.manage(
        "PATCH", f"products/{world.product}/stock", {"adjustment": 1, "reason": "found"}, key="k"
    )


def list_movements(world: World) -> Ask:
    with streamed() as records:
        adjust_stock(world)()
    run_bookkeeper(records)
    return lambda: call("GET", f"{PRODUCTS}/{world.product}/movements", token=world.shop.manager.token)


def get_stats(world: World) -> Ask:
    return lambda: call("GET", "/api/v1/admin/stats", token=world.admin.token)


def report_inventory(world: World) -> Ask:
    """With a product that is out."""
    with streamed() as records:
        adjust_stock(world)()
        world.shop.manage("PATCH", f"products/{world.product}/stock", {"adjustment": -51, "reason": "lost"})
    run_bookkeeper(records)
    return lambda: call("GET", f"{REPORTS}/inventory", token=world.shop.manager.token)


def stock_check(world: World) -> Ask:
    find_drift(world.product)
    return lambda: call("GET", CHECK, token=world.admin.token)


def repair_stock(world: World, *, dry_run: bool) -> Ask:
    find_drift(world.product)
    body = {"product_id": world.product, "dry_run": dry_run}
    return lambda: call("POST", f"{CHECK}/repair", body, token=world.admin.token)


def feed(path: str) -> Callable[[World], Ask]:
    def prepare(world: World) -> Ask:
        first, second = an_event(), an_event()
        feed_in(first, second, an_event("stock.low"), an_event())
        filled = path.format(first=first["id"])
        if "cursor=" in filled:
            page = call("GET", f"{FEED}?limit=1", token=world.shop.manager.token)
            filled += page.json["next_cursor"]
        return lambda: call("GET", filled, token=world.shop.manager.token)

    return prepare


def an_export(method: str, suffix: str, status: str) -> Callable[[World], Ask]:
    def prepare(world: World) -> Ask:
        export = request_export(world.shop.manager)
        update_item(export, [Export.status.set(status)])
        return lambda: call(method, f"{REPORTS}/exports{suffix.format(id=export.id)}", token=world.shop.manager.token)

    return prepare


def create_export(world: World, key: str | None = None) -> Ask:
    headers = {"Idempotency-Key": key} if key else {}
    body = {"report": "orders"}
    return lambda: call("POST", f"{REPORTS}/exports", body, token=world.shop.manager.token, headers=headers)


def replay_export(world: World) -> Ask:
    ask = create_export(world, key="k")
    ask()
    return ask


def export_again(world: World) -> Ask:
    def ask() -> Answer:
        return call("GET", f"{REPORTS}/export/orders", token=world.shop.manager.token)

    export = get_item(Export, Export.key(ask().json["id"]))
    assert export
    update_item(export, [Export.status.set("done")])
    return ask


def webhook(method: str, suffix: str = "", body: Any = None) -> Callable[[World], Ask]:
    def prepare(world: World) -> Ask:
        subscription = subscribe()
        path = f"{WEBHOOKS}/{subscription.id}{suffix.format(delivery=a_delivery(subscription).id)}"
        return lambda: call(method, path, body, token=world.admin.token)

    return prepare


def webhooks_at_all(method: str, body: Any = None) -> Callable[[World], Ask]:
    def prepare(world: World) -> Ask:
        subscribe()
        return lambda: call(method, WEBHOOKS, body, token=world.admin.token)

    return prepare


def scheduled(method: str, path: str = "") -> Callable[[World], Ask]:
    def prepare(world: World) -> Ask:
        manager = addressed(world.shop.manager, "manager@example.com")
        made = create_schedule(manager, "manager@example.com").json
        body = VALID_BODIES["create_schedule"] if method == "POST" else None
        return lambda: call(method, SCHEDULES + path.format(**made), body, token=manager.token)

    return prepare


def public(path: str) -> Callable[[World], Ask]:
    return lambda _: lambda: call("GET", path)


PRODUCTS, ORDERS, AUTH = "/api/v1/inventory/products", "/api/v1/orders", "/api/v1/auth"
USERS = "/api/v1/admin/users"
AUDIT = "/api/v1/admin/audit"
CHECK = "/api/v1/admin/stock-check"
FEED = "/api/v1/events"
REPORTS = "/api/v1/reports"
YEAR, MONTH = "from=2026-01-01&to=2026-12-31", "from=2026-01-01&to=2026-01-31"
DOCS = ("/health", "/openapi.json", "/event-catalogue", "/.well-known/jwks.json", "/docs", "/docs/errors")
WEBHOOKS, WEBHOOK = "/api/v1/webhooks", "/api/v1/webhooks/<webhook_id>"

BUDGETS: list[tuple[str, str, int, Callable[[World], Ask]]] = [
    # auth
    (f"POST {AUTH}/register", "", 2, register),
    (f"POST {AUTH}/login", "", 4, log_in),
    (f"POST {AUTH}/login", "known device", 4, log_in_known_device),
    (f"POST {AUTH}/refresh", "", 2, refresh),
    (f"POST {AUTH}/logout", "", 2, log_out),
    (f"POST {AUTH}/logout", "by refresh token", 2, log_out_by_refresh_token),
    (f"GET {AUTH}/me", "", 1, own(f"{AUTH}/me")),
    (f"PATCH {AUTH}/me", "", 2, update_me),
    (f"GET {AUTH}/sessions", "", 2, own(f"{AUTH}/sessions")),
    (f"DELETE {AUTH}/sessions/<session_id>", "", 2, end_session),
    (f"PUT {AUTH}/password", "", 4, change_password),
    (f"POST {AUTH}/password/forgot", "", 2, forgot_password("ada@example.com")),
    (f"POST {AUTH}/password/forgot", "unknown", 2, forgot_password("nobody@example.com")),
    (f"POST {AUTH}/password/forgot", "no address", 2, forgot_password("nobody")),
    (f"POST {AUTH}/password/reset", "", 3, reset_password),
    (f"POST {AUTH}/email/verify", "", 2, verify_email),
    # admin
    (f"GET {USERS}", "", 3, administer("GET", "")),
    (f"GET {USERS}", "filtered", 3, administer("GET", "?role=customer&status=active&q=a")),
    (f"GET {USERS}/<user_id>", "", 2, administer("GET", "/{user}")),
    (f"PATCH {USERS}/<user_id>/role", "", 3, administer("PATCH", "/{user}/role", {"role": "admin"})),
    (f"PATCH {USERS}/<user_id>/status", "", 3, administer("PATCH", "/{user}/status", {"status": "disabled"})),
    (f"POST {USERS}/<user_id>/unlock", "", 3, administer("POST", "/{user}/unlock")),
    (f"GET {AUDIT}", "", 3, audit_log("")),
    (f"GET {AUDIT}", "of an actor", 3, audit_log("?actor=ada&action=login&from=2026-01-01")),
    (f"GET {AUDIT}", "two actions", 4, audit_log("?action=login,logout")),
    # inventory: a list is who asks, a Query for each partition, a BatchGet for each 50 products
    (f"GET {PRODUCTS}", "", 3, own(PRODUCTS)),
    (f"GET {PRODUCTS}", "limit 50", 3, own(f"{PRODUCTS}?limit=50")),
    (f"GET {PRODUCTS}", "by price in a category", 3, own(f"{PRODUCTS}?category=Tools&min_price=1")),
    (f"GET {PRODUCTS}", "low stock", 3, get(f"{PRODUCTS}?low_stock=false")),
    (f"GET {PRODUCTS}", "two statuses", 4, get(f"{PRODUCTS}?status=active,archived")),
    (f"POST {PRODUCTS}", "", 2, create_product),
    (f"GET {PRODUCTS}/<product_id>", "", 2, get(f"{PRODUCTS}/{{product}}")),
    (f"PUT {PRODUCTS}/<product_id>", "", 3, replace_product("Tools")),
    (f"PUT {PRODUCTS}/<product_id>", "out of its category", 4, replace_product("Garden")),
    (f"PATCH {PRODUCTS}/<product_id>", "", 3, update_product("Tools")),
    (f"PATCH {PRODUCTS}/<product_id>", "out of its category", 4, update_product("Garden")),
    (f"PATCH {PRODUCTS}/<product_id>/stock", "", 3, adjust_stock),
    (f"GET {PRODUCTS}/<product_id>/movements", "", 2, list_movements),
    ("GET /api/v1/inventory/categories", "", 2, own("/api/v1/inventory/categories")),
    # orders: of a deployment with one shard
    (f"GET {ORDERS}", "own", 3, own(ORDERS)),
    (f"GET {ORDERS}", "own by status", 3, own(f"{ORDERS}?status=pending,cancelled")),
    (f"GET {ORDERS}", "all", 4, get(ORDERS)),
    (f"GET {ORDERS}", "all pending", 4, get(f"{ORDERS}?status=pending")),
    (f"GET {ORDERS}", "all pending and cancelled", 4, get(f"{ORDERS}?status=pending,cancelled")),
    (f"GET {ORDERS}", "of a customer", 4, get(f"{ORDERS}?customer_id={{customer}}")),
    (f"POST {ORDERS}", "", 2, create_order),
    (f"POST {ORDERS}", "with a key", 2, lambda world: create_order(world, key="k")),
    (f"POST {ORDERS}", "90 products", 2, create_large_order),
    (f"POST {ORDERS}", "replayed", 2, replay_order),
    (f"POST {ORDERS}/quote", "", 2, quote),
    (f"GET {ORDERS}/<order_id>", "", 2, on_order("GET", "")),
    (f"GET {ORDERS}/<order_id>", "manager", 3, on_order("GET", "", "manager")),
    (f"GET {ORDERS}/<order_id>/history", "", 2, on_order("GET", "/history")),
    (f"POST {ORDERS}/<order_id>/cancel", "", 3, on_order("POST", "/cancel")),
    (f"POST {ORDERS}/<order_id>/cancel", "manager", 4, moving("cancel")),
    *((f"POST {ORDERS}/<order_id>/{name}", "", 4, moving(name)) for name in ("confirm", "ship", "deliver", "return")),
    (f"GET {CHECK}", "", 3, stock_check),
    (f"POST {CHECK}", "", 3, lambda world: lambda: call("POST", CHECK, token=world.admin.token)),
    (f"POST {CHECK}/repair", "", 6, lambda world: repair_stock(world, dry_run=False)),
    (f"POST {CHECK}/repair", "dry run", 5, lambda world: repair_stock(world, dry_run=True)),
    # reports
    (f"GET {REPORTS}/inventory", "", 5, report_inventory),
    (f"GET {REPORTS}/sales", "", 5, get(f"{REPORTS}/sales?{YEAR}")),
    (f"GET {REPORTS}/sales", "a year by category", 17, get(f"{REPORTS}/sales?{YEAR}&group_by=category")),
    (f"GET {REPORTS}/sales", "a month by product", 36, get(f"{REPORTS}/sales?{MONTH}&group_by=product")),
    (f"GET {REPORTS}/export/orders", "", 2, get(f"{REPORTS}/export/orders?status=shipped")),
    (f"GET {REPORTS}/export/orders", "shared, done", 4, export_again),
    (f"POST {REPORTS}/exports", "", 2, create_export),
    (f"POST {REPORTS}/exports", "replayed", 2, replay_export),
    (f"GET {REPORTS}/exports", "", 3, an_export("GET", "", "queued")),
    (f"GET {REPORTS}/exports/<export_id>", "", 2, an_export("GET", "/{id}", "queued")),
    (f"GET {REPORTS}/exports/<export_id>", "done", 3, an_export("GET", "/{id}", "done")),
    (f"DELETE {REPORTS}/exports/<export_id>", "", 3, an_export("DELETE", "/{id}", "queued")),
    ("GET /api/v1/admin/stats", "", 7, get_stats),
    (f"POST {SCHEDULES}", "", 4, scheduled("POST")),
    (f"GET {SCHEDULES}", "", 3, scheduled("GET")),
    (f"DELETE {SCHEDULES}/<schedule_id>", "", 3, scheduled("DELETE", "/{id}")),
    # the feed
    (f"GET {FEED}", "", 3, feed(FEED)),
    (f"GET {FEED}", "after an event", 3, feed(f"{FEED}?after={{first}}")),
    (f"GET {FEED}", "next page", 2, feed(f"{FEED}?limit=1&cursor=")),
    (f"GET {FEED}", "a rare type", 4, feed(f"{FEED}?limit=1&type=stock.low")),
    (f"GET {FEED}/<event_id>", "", 3, feed(f"{FEED}/{{first}}")),
    # webhooks
    (f"POST {WEBHOOKS}", "", 2, webhooks_at_all("POST", VALID_BODIES["create_webhook"])),
    (f"GET {WEBHOOKS}", "", 3, webhooks_at_all("GET")),
    (f"GET {WEBHOOK}", "", 3, webhook("GET")),
    (f"PATCH {WEBHOOK}", "", 4, webhook("PATCH", body={"status": "paused"})),
    (f"DELETE {WEBHOOK}", "", 3, webhook("DELETE")),
    (f"POST {WEBHOOK}/rotate-secret", "", 3, webhook("POST", "/rotate-secret")),
    (f"POST {WEBHOOK}/test", "", 6, webhook("POST", "/test")),
    (f"GET {WEBHOOK}/deliveries", "", 3, webhook("GET", "/deliveries")),
    (f"POST {WEBHOOK}/deliveries/<delivery_id>/replay", "", 6, webhook("POST", "/deliveries/{delivery}/replay")),
    (f"POST {WEBHOOK}/replay", "", 4, webhook("POST", "/replay", VALID_BODIES["replay_webhook"])),
    # docs
    *((f"GET {path}", "", 0, public(path)) for path in DOCS),
    *((f"GET /api/v1{path}", "", 0, public(f"/api/v1{path}")) for path in DOCS),
    *((f"GET {base}/docs/<name>", "", 0, public(f"{base}/docs/page.css")) for base in ("", "/api/v1")),
]


@pytest.fixture
def world(
    customer: Person,
    manager: Person,
    person: Callable[..., Person],
    monkeypatch: pytest.MonkeyPatch,
    time_machine: Callable[[timedelta], None],
) -> World:
    """Warm: keys and secrets are loaded, the offer of the product is known, an account exists, and the audit log has
    who reads lists in this hour.
    """
    # In the next hour the first reading of a list is one more call: that hour must not begin during a test.
    if clock.now().minute >= 50:
        time_machine(timedelta(minutes=15))
    monkeypatch.setattr(passwords, "COST", 4)  # what bcrypt costs is not counted here
    shop = Shop(customer, manager)
    body = {"sku": "SKU-0", "name": "Hammer", "category": "Tools", "price": 10, "stock": 50}
    made = shop.manage("POST", "products", body)
    assert made.status == 201, made.text
    world = World(shop, made.json["id"], person("admin"))
    account = {"email": world.email, "password": PASSWORD, "first_name": "Ada"}
    registered = call("POST", f"{AUTH}/register", account, address="198.51.100.9")
    assert registered.status == 201, registered.text
    call("POST", f"{AUTH}/login", account | {"password": "wrong"}, address="198.51.100.9")
    world.sign_in()
    known_readers(world.admin, shop.manager)
    return world


@pytest.mark.parametrize(
    ("calls", "prepare"),
    [pytest.param(calls, prepare, id=f"{route} {variant}".rstrip()) for route, variant, calls, prepare in BUDGETS],
)
def test_a_warm_request_makes_as_many_calls_as_its_budget(
    world: World, calls: int, prepare: Callable[[World], Ask]
) -> None:
    ask = prepare(world)

    with intercepted() as made:
        answer = ask()

    assert answer.status < 304, answer.text
    # The start of a stock check and what asks for a delivery send a message.
    assert {it.service for it in made} <= {"dynamodb", "sqs"}, "a warm process asks nothing else"
    assert len(made) == calls, [it.operation for it in made]


def test_every_route_has_a_budget() -> None:
    routes = {f"{route.method} {route.path}" for app in APPS for route in routes_of(app)}

    assert routes == {route for route, *_ in BUDGETS}


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("filters", ["", "?status=pending", "?status=cancelled"])
def test_a_managers_list_is_three_calls_and_one_for_each_shard(
    world: World, monkeypatch: pytest.MonkeyPatch, shards: int, filters: str
) -> None:
    monkeypatch.setattr(order_service, "settings", lambda: replace(settings(), order_shards=shards))
    for _ in range(4):
        world.shop.post(f"{world.order()}/cancel")
        world.order()

    with intercepted() as made:
        answer = call("GET", f"{ORDERS}{filters}", token=world.shop.manager.token)

    assert answer.json["items"]
    assert len(made) == shards + 3, "and one for who bought"


@pytest.mark.parametrize(("limit", "calls"), [(20, 3), (50, 3), (51, 4), (100, 4)])
def test_a_product_list_reads_fifty_products_at_a_time(world: World, limit: int, calls: int) -> None:
    for _ in range(101):
        world.shop.product(1)

    with intercepted() as made:
        answer = call("GET", f"{PRODUCTS}?limit={limit}", token=world.shop.customer.token)

    assert len(answer.json["items"]) == limit
    assert len(made) == calls


def test_a_wrong_password_costs_four_calls(world: World) -> None:
    with intercepted() as made:
        answer = call("POST", f"{AUTH}/login", {"email": world.email, "password": "wrong"})

    assert answer.status == 401
    assert len(made) == 4


def test_a_stale_offer_costs_a_transaction_and_no_read(world: World) -> None:
    world.order()
    world.shop.reprice(world.product, "11.00")

    with intercepted() as made:
        answer = world.shop.buy({world.product: 1})

    assert answer.status == 201
    assert [it.operation for it in made] == ["BatchGetItem", "TransactWriteItems", "TransactWriteItems"]


def test_the_table_in_the_docs_has_these_budgets() -> None:
    page = Path("docs/operate/costs.md").read_text()
    documented = re.findall(r"^\| (\w+ /\S+)(?: \((.*)\))? \| (\d+) \|", page, re.M)
    budgets = {
        (re.sub("<.*?>", "{}", route.replace("/api/v1", "")), variant): calls for route, variant, calls, _ in BUDGETS
    }

    assert len(documented) > 15
    for route, variant, calls in documented:
        assert budgets[re.sub(r"\{.*?\}", "{}", route), variant] == int(calls), route
