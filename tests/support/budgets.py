"""The budget of DynamoDB calls of each route, with a request to measure, and the warm process that answers it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any, cast

import pytest

from oms.audit import audit_log as audit
from oms.core import clock
from oms.core.dynamodb import get_item, put_item, update_item
from oms.exports.models import Export
from oms.http import cookies
from oms.identity import mailed_tokens, passwords
from oms.identity.models import IdentityItem, User, user_key
from oms.orders import service as order_service
from tests.support.audit_addresses import known_readers
from tests.support.claims import claimed
from tests.support.deployment import deployed_with
from tests.support.exports import request_export
from tests.support.feed import an_event, feed_in
from tests.support.gateway import call
from tests.support.imports import uploaded
from tests.support.invocation import Answer, Person
from tests.support.ledger_shop import find_drift
from tests.support.open_order_counts import aggregate, order_events
from tests.support.operations import VALID_BODIES
from tests.support.schedules import SCHEDULES, addressed
from tests.support.schedules import create as create_schedule
from tests.support.service_keys import a_key
from tests.support.shop import Shop, stock_of
from tests.support.streams import run_bookkeeper, run_finder, streamed
from tests.support.webhooks import a_delivery, subscribe

PASSWORD = "correct horse battery"

numbers = count(1)


@dataclass
class WarmApi:
    """The callers, and the resources that they request."""

    shop: Shop
    product: str
    admin: Person
    email: str = "ada@example.com"

    def order(self) -> str:
        """Returns the path of a new pending order."""
        return f"/api/v1/orders/{self.shop.buy({self.product: 1}).json['id']}"

    def sign_in(self) -> Any:
        signed_in = call("POST", "/api/v1/auth/login", {"email": self.email, "password": PASSWORD})
        assert signed_in.status == 200, signed_in.text
        return signed_in.json


type PreparedRequest = Callable[[], Answer]
"""The request whose calls are counted. The resources that it needs exist."""


def get(path: str) -> Callable[[WarmApi], PreparedRequest]:
    def prepare(warm: WarmApi) -> PreparedRequest:
        warm.order()
        filled = path.format(product=warm.product, customer=warm.shop.customer.id)
        return lambda: call("GET", filled, token=warm.shop.manager.token)

    return prepare


def own(path: str) -> Callable[[WarmApi], PreparedRequest]:
    def prepare(warm: WarmApi) -> PreparedRequest:
        warm.order()
        return lambda: call("GET", path, token=warm.shop.customer.token)

    return prepare


def without_token(path: str) -> Callable[[WarmApi], PreparedRequest]:
    """Returns a request that `public_catalogue` admits."""

    def prepare(warm: WarmApi) -> PreparedRequest:
        def send() -> Answer:
            with deployed_with(PUBLIC_CATALOGUE="true"):
                return call("GET", path.format(product=warm.product))

        return send

    return prepare


def search(name: str) -> Callable[[WarmApi], PreparedRequest]:
    """A search for a shipped order by its number, SKU, tracking number or customer, or by a SKU as `q`."""

    def prepare(warm: WarmApi) -> PreparedRequest:
        with streamed("orders") as records:
            path = warm.shop.ready_for("deliver", {warm.product: 1})
        run_finder(records)
        order = call("GET", path, token=warm.shop.manager.token).json
        claimed(warm.shop.customer)
        terms = {
            "number": order["number"],
            "sku": order["items"][0]["sku"],
            "tracking": order["shipment"]["tracking_number"],
            "email": "alice@example.com",
        }
        term = terms["sku" if name == "q" else name]
        return lambda: call("GET", f"{ORDERS}?{name}={term}", token=warm.shop.manager.token)

    return prepare


def search_all(warm: WarmApi) -> PreparedRequest:
    """A search that finds an order, a user and a product."""
    search("sku")(warm)
    sku = call("GET", f"{PRODUCTS}/{warm.product}", token=warm.admin.token).json["sku"]
    return lambda: call("GET", f"/api/v1/admin/search?q={sku}", token=warm.admin.token)


def moving(name: str) -> Callable[[WarmApi], PreparedRequest]:
    def prepare(warm: WarmApi) -> PreparedRequest:
        path = warm.shop.ready_for(name, {warm.product: 1})
        return lambda: warm.shop.move(path, name)

    return prepare


def update_order(by: str) -> Callable[[WarmApi], PreparedRequest]:
    def prepare(warm: WarmApi) -> PreparedRequest:
        path, person = warm.order(), getattr(warm.shop, by)
        return lambda: call("PATCH", path, {"note": "Leave it with the porter"}, token=person.token)

    return prepare


def on_order(method: str, suffix: str, by: str = "customer") -> Callable[[WarmApi], PreparedRequest]:
    def prepare(warm: WarmApi) -> PreparedRequest:
        path = warm.order() + suffix
        person: Person = getattr(warm.shop, by)
        return lambda: call(method, path, token=person.token)

    return prepare


def register(_: WarmApi) -> PreparedRequest:
    body = {"email": f"{next(numbers)}@example.com", "password": PASSWORD, "first_name": "Bob"}
    return lambda: call("POST", "/api/v1/auth/register", body)


def log_in(warm: WarmApi) -> PreparedRequest:
    return lambda: call("POST", "/api/v1/auth/login", {"email": warm.email, "password": PASSWORD})


def log_in_known_device(warm: WarmApi) -> PreparedRequest:
    body = {"email": warm.email, "password": PASSWORD, "device_token": warm.sign_in()["device_token"]}
    return lambda: call("POST", "/api/v1/auth/login", body)


def refresh(warm: WarmApi) -> PreparedRequest:
    body = {"refresh_token": warm.sign_in()["refresh_token"]}
    return lambda: call("POST", "/api/v1/auth/refresh", body)


def log_in_with_cookies(warm: WarmApi) -> PreparedRequest:
    token = warm.sign_in()["device_token"]
    body = {"email": warm.email, "password": PASSWORD, "refresh_token_in": "cookie"}
    return lambda: call("POST", "/api/v1/auth/login", body, cookies=[f"{cookies.DEVICE_TOKEN}={token}"])


def by_cookie(route: str) -> Callable[[WarmApi], PreparedRequest]:
    def prepare(warm: WarmApi) -> PreparedRequest:
        token = warm.sign_in()["refresh_token"]
        return lambda: call("POST", f"/api/v1/auth/{route}", {}, cookies=[f"{cookies.REFRESH_TOKEN}={token}"])

    return prepare


def log_out(warm: WarmApi) -> PreparedRequest:
    token = warm.sign_in()["access_token"]
    return lambda: call("POST", "/api/v1/auth/logout", token=token)


def log_out_by_refresh_token(warm: WarmApi) -> PreparedRequest:
    body = {"refresh_token": warm.sign_in()["refresh_token"]}
    return lambda: call("POST", "/api/v1/auth/logout", body)


def mailed(purpose: str) -> Callable[[WarmApi], str]:
    """Returns a token of the account, as in a mail."""

    def make(warm: WarmApi) -> str:
        user_id = warm.sign_in()["refresh_token"].partition(".")[0]
        stored, token = mailed_tokens.mint(cast(User, get_item(IdentityItem, user_key(user_id))), purpose)
        put_item(stored)
        return str(token)

    return make


def change_password(warm: WarmApi) -> PreparedRequest:
    body, token = {"current_password": PASSWORD, "new_password": f"{PASSWORD}!"}, warm.sign_in()["access_token"]
    return lambda: call("PUT", f"{AUTH}/password", body, token=token)


def reset_password(warm: WarmApi) -> PreparedRequest:
    body = {"token": mailed("reset")(warm), "new_password": f"{PASSWORD}!"}
    return lambda: call("POST", f"{AUTH}/password/reset", body)


def verify_email(warm: WarmApi) -> PreparedRequest:
    body = {"token": mailed("verify")(warm)}
    return lambda: call("POST", f"{AUTH}/email/verify", body)


def change_email(warm: WarmApi) -> PreparedRequest:
    body, token = {"new_email": "new@example.org", "current_password": PASSWORD}, warm.sign_in()["access_token"]
    return lambda: call("PUT", f"{AUTH}/me/email", body, token=token)


def confirm_email(warm: WarmApi) -> PreparedRequest:
    tokens = warm.sign_in()
    _, user_id = change_email(warm)(), tokens["refresh_token"].split(".")[0]
    user = cast(User, get_item(IdentityItem, user_key(user_id)))
    stored, token = mailed_tokens.mint(user, "change", epoch=0, change_id=user.email_change["id"])
    put_item(stored)
    return lambda: call("POST", f"{AUTH}/email/verify", {"token": str(token)})


def take_back_email(warm: WarmApi) -> PreparedRequest:
    body = {"token": mailed("take-back")(warm)}
    return lambda: call("POST", f"{AUTH}/email/take-back", body)


def forgot_password(email: str) -> Callable[[WarmApi], PreparedRequest]:
    return lambda _: lambda: call("POST", f"{AUTH}/password/forgot", {"email": email})


def update_me(warm: WarmApi) -> PreparedRequest:
    return lambda: call("PATCH", f"{AUTH}/me", {"first_name": "Bo"}, token=warm.shop.customer.token)


def on_address(method: str, body: Any = None) -> Callable[[WarmApi], PreparedRequest]:
    def prepare(warm: WarmApi) -> PreparedRequest:
        token = warm.shop.customer.token
        made = call("POST", f"{AUTH}/me/addresses", VALID_BODIES["add_address"], token=token)
        return lambda: call(method, made.headers["Location"], body, token=token)

    return prepare


def add_address(warm: WarmApi) -> PreparedRequest:
    return lambda: call("POST", f"{AUTH}/me/addresses", VALID_BODIES["add_address"], token=warm.shop.customer.token)


def end_session(warm: WarmApi) -> PreparedRequest:
    tokens = warm.sign_in()
    session_id = tokens["refresh_token"].split(".")[1]
    return lambda: call("DELETE", f"{AUTH}/sessions/{session_id}", token=tokens["access_token"])


def administer(method: str, suffix: str, body: Any = None) -> Callable[[WarmApi], PreparedRequest]:
    def prepare(warm: WarmApi) -> PreparedRequest:
        path = f"{USERS}{suffix.format(user=warm.shop.customer.id)}"
        return lambda: call(method, path, body, token=warm.admin.token)

    return prepare


def audit_log(query: str) -> Callable[[WarmApi], PreparedRequest]:
    def prepare(warm: WarmApi) -> PreparedRequest:
        for action in ("login", "logout"):
            audit.record(audit.entry(action, actor_id="ada", address=None, target=None))
        return lambda: call("GET", f"{AUDIT}{query}", token=warm.admin.token)

    return prepare


def as_admin(path: str) -> Callable[[WarmApi], PreparedRequest]:
    return lambda warm: lambda: call("GET", path, token=warm.admin.token)


def service_key(method: str, suffix: str = "", body: Any = None) -> Callable[[WarmApi], PreparedRequest]:
    def prepare(warm: WarmApi) -> PreparedRequest:
        key = a_key()
        return lambda: call(method, f"{SERVICE_KEYS}{suffix.format(id=key.id)}", body, token=warm.admin.token)

    return prepare


def create_order(warm: WarmApi, key: str | None = None) -> PreparedRequest:
    warm.order()  # the process has seen the offer
    return lambda: warm.shop.buy({warm.product: 1}, key=key)


def order_by_key(contact: dict[str, str] | None) -> Callable[[WarmApi], PreparedRequest]:
    """Returns an order of a service key for a contact, or for the account of the customer."""

    def prepare(warm: WarmApi) -> PreparedRequest:
        key = a_key("orders:create", "orders:read").text
        named = contact or {"id": warm.shop.customer.id}
        body = {"items": [{"product_id": warm.product, "quantity": 1}], "customer": named}

        def send() -> Answer:
            return call("POST", ORDERS, body, token=key)

        send()  # the process has seen the offer, and has leased requests of the key
        return send

    return prepare


def create_large_order(warm: WarmApi) -> PreparedRequest:
    cart = {warm.shop.product(5): 1 for _ in range(90)}
    for product in cart:
        order_service.OFFERS.learn(stock_of(product))
    return lambda: warm.shop.buy(cart)


def replay_order(warm: WarmApi) -> PreparedRequest:
    send = create_order(warm, key="k")
    send()
    return send


def quote(warm: WarmApi) -> PreparedRequest:
    return lambda: warm.shop.post("/api/v1/orders/quote", {"items": [{"product_id": warm.product, "quantity": 1}]})


def create_product(warm: WarmApi) -> PreparedRequest:
    body = {"sku": f"SKU-{next(numbers)}", "name": "Saw", "category": "Tools", "price": 5}
    return lambda: warm.shop.manage("POST", "products", body)


def replace_product(category: str) -> Callable[[WarmApi], PreparedRequest]:
    body = {"sku": "SKU-0", "name": "Saw", "category": category, "price": 6, "status": "active"}
    return lambda warm: lambda: warm.shop.manage("PUT", f"products/{warm.product}", body)


def update_product(category: str) -> Callable[[WarmApi], PreparedRequest]:
    return lambda warm: lambda: warm.shop.manage("PATCH", f"products/{warm.product}", {"category": category})


def set_shards(number: int) -> Callable[[WarmApi], PreparedRequest]:
    return lambda warm: lambda: warm.shop.reshard(warm.product, number)


def lower_shards(warm: WarmApi) -> PreparedRequest:
    assert warm.shop.reshard(warm.product, 2).status == 200
    return set_shards(1)(warm)


def adjust_stock(warm: WarmApi) -> PreparedRequest:
    return lambda: warm.shop.manage(
        "PATCH", f"products/{warm.product}/stock", {"adjustment": 1, "reason": "found"}, key="k"
    )


def count_stock(on_hand: int) -> Callable[[WarmApi], PreparedRequest]:
    return lambda warm: (
        lambda: warm.shop.manage(
            "PUT", f"products/{warm.product}/stock", {"on_hand": on_hand, "reason": "counted"}, key="k"
        )
    )


def change_stocks(number: int, **change: int) -> Callable[[WarmApi], PreparedRequest]:
    def prepare(warm: WarmApi) -> PreparedRequest:
        products = [warm.product, *(warm.shop.product() for _ in range(number - 1))]
        rows = [{"product_id": it, "reason": "counted", **change} for it in products]
        return lambda: warm.shop.manage("PATCH", "stock", {"items": rows}, key="k")

    return prepare


def list_movements(warm: WarmApi) -> PreparedRequest:
    with streamed() as records:
        adjust_stock(warm)()
    run_bookkeeper(records)
    return lambda: call("GET", f"{PRODUCTS}/{warm.product}/movements", token=warm.shop.manager.token)


def get_stats(warm: WarmApi) -> PreparedRequest:
    return lambda: call("GET", "/api/v1/admin/stats", token=warm.admin.token)


def report_inventory(warm: WarmApi) -> PreparedRequest:
    """Requests the report of a shop with a product that is out of stock."""
    with streamed() as records:
        adjust_stock(warm)()
        warm.shop.manage("PATCH", f"products/{warm.product}/stock", {"adjustment": -51, "reason": "lost"})
    run_bookkeeper(records)
    return lambda: call("GET", f"{REPORTS}/inventory", token=warm.shop.manager.token)


def report_products(warm: WarmApi) -> PreparedRequest:
    """Requests the report by product of a month in which a product was sold."""
    with streamed("orders") as records:
        warm.order()
    aggregate(order_events(records))
    month = f"from={clock.today() - timedelta(days=30)}&to={clock.today()}"
    return lambda: call("GET", f"{REPORTS}/sales?{month}&group_by=product", token=warm.shop.manager.token)


def stock_check(warm: WarmApi) -> PreparedRequest:
    find_drift(warm.product)
    return lambda: call("GET", CHECK, token=warm.admin.token)


def repair_stock(warm: WarmApi, *, dry_run: bool) -> PreparedRequest:
    find_drift(warm.product)
    body = {"product_id": warm.product, "dry_run": dry_run}
    return lambda: call("POST", f"{CHECK}/repair", body, token=warm.admin.token)


def feed(path: str) -> Callable[[WarmApi], PreparedRequest]:
    def prepare(warm: WarmApi) -> PreparedRequest:
        first, second = an_event(), an_event()
        feed_in(first, second, an_event("stock.low"), an_event())
        filled = path.format(first=first["id"])
        if "cursor=" in filled:
            page = call("GET", f"{FEED}?limit=1", token=warm.shop.manager.token)
            filled += page.json["next_cursor"]
        return lambda: call("GET", filled, token=warm.shop.manager.token)

    return prepare


def an_export(method: str, suffix: str, status: str) -> Callable[[WarmApi], PreparedRequest]:
    def prepare(warm: WarmApi) -> PreparedRequest:
        export = request_export(warm.shop.manager)
        update_item(export, [Export.status.set(status)])
        return lambda: call(method, f"{REPORTS}/exports{suffix.format(id=export.id)}", token=warm.shop.manager.token)

    return prepare


def an_import(method: str, suffix: str) -> Callable[[WarmApi], PreparedRequest]:
    def prepare(warm: WarmApi) -> PreparedRequest:
        it = uploaded(warm.shop.manager, "stock", "sku,on_hand\nSKU-1,1\n")
        return lambda: call(method, f"{IMPORTS}{suffix.format(id=it.id)}", token=warm.shop.manager.token)

    return prepare


def create_import(warm: WarmApi, key: str | None = None) -> PreparedRequest:
    headers = {"Idempotency-Key": key} if key else {}
    body = {"kind": "stock", "size": 52}
    return lambda: call("POST", IMPORTS, body, token=warm.shop.manager.token, headers=headers)


def replay_import(warm: WarmApi) -> PreparedRequest:
    send = create_import(warm, key="k")
    send()
    return send


def create_export(warm: WarmApi, key: str | None = None) -> PreparedRequest:
    headers = {"Idempotency-Key": key} if key else {}
    body = {"report": "orders"}
    return lambda: call("POST", f"{REPORTS}/exports", body, token=warm.shop.manager.token, headers=headers)


def replay_export(warm: WarmApi) -> PreparedRequest:
    send = create_export(warm, key="k")
    send()
    return send


def export_again(warm: WarmApi) -> PreparedRequest:
    def send() -> Answer:
        return call("GET", f"{REPORTS}/export/orders", token=warm.shop.manager.token)

    export = get_item(Export, Export.key(send().json["id"]))
    assert export
    update_item(export, [Export.status.set("done")])
    return send


def webhook(method: str, suffix: str = "", body: Any = None) -> Callable[[WarmApi], PreparedRequest]:
    def prepare(warm: WarmApi) -> PreparedRequest:
        subscription = subscribe()
        path = f"{WEBHOOKS}/{subscription.id}{suffix.format(delivery=a_delivery(subscription).id)}"
        return lambda: call(method, path, body, token=warm.admin.token)

    return prepare


def webhooks_at_all(method: str, body: Any = None) -> Callable[[WarmApi], PreparedRequest]:
    def prepare(warm: WarmApi) -> PreparedRequest:
        subscribe()
        return lambda: call(method, WEBHOOKS, body, token=warm.admin.token)

    return prepare


def scheduled(method: str, path: str = "") -> Callable[[WarmApi], PreparedRequest]:
    def prepare(warm: WarmApi) -> PreparedRequest:
        manager = addressed(warm.shop.manager, "manager@example.com")
        made = create_schedule(manager, "manager@example.com").json
        body = VALID_BODIES["create_schedule"] if method == "POST" else None
        return lambda: call(method, SCHEDULES + path.format(**made), body, token=manager.token)

    return prepare


def public(path: str) -> Callable[[WarmApi], PreparedRequest]:
    return lambda _: lambda: call("GET", path)


PRODUCTS, ORDERS, AUTH = "/api/v1/inventory/products", "/api/v1/orders", "/api/v1/auth"
USERS = "/api/v1/admin/users"
AUDIT = "/api/v1/admin/audit"
SERVICE_KEYS = "/api/v1/admin/keys"
CHECK = "/api/v1/admin/stock-check"
FEED = "/api/v1/events"
REPORTS = "/api/v1/reports"
IMPORTS = "/api/v1/imports"
YEAR = "from=2026-01-01&to=2026-12-31"
DOCS = ("/health", "/openapi.json", "/event-catalogue", "/.well-known/jwks.json", "/docs", "/docs/errors")
WEBHOOKS, WEBHOOK = "/api/v1/webhooks", "/api/v1/webhooks/<webhook_id>"

BUDGETS: list[tuple[str, str, int, Callable[[WarmApi], PreparedRequest]]] = [
    # auth
    (f"POST {AUTH}/register", "", 2, register),
    (f"POST {AUTH}/login", "", 4, log_in),
    (f"POST {AUTH}/login", "known device", 4, log_in_known_device),
    (f"POST {AUTH}/login", "known device, with cookies", 4, log_in_with_cookies),
    (f"POST {AUTH}/refresh", "", 2, refresh),
    (f"POST {AUTH}/refresh", "by cookie", 2, by_cookie("refresh")),
    (f"POST {AUTH}/logout", "", 2, log_out),
    (f"POST {AUTH}/logout", "by refresh token", 2, log_out_by_refresh_token),
    (f"POST {AUTH}/logout", "by cookie", 2, by_cookie("logout")),
    (f"GET {AUTH}/me", "", 1, own(f"{AUTH}/me")),
    (f"PATCH {AUTH}/me", "", 2, update_me),
    (f"GET {AUTH}/me/addresses", "", 2, own(f"{AUTH}/me/addresses")),
    (f"POST {AUTH}/me/addresses", "", 3, add_address),
    (f"GET {AUTH}/me/addresses/<address_id>", "", 2, on_address("GET")),
    (f"PATCH {AUTH}/me/addresses/<address_id>", "", 3, on_address("PATCH", {"city": "Paris"})),
    (f"DELETE {AUTH}/me/addresses/<address_id>", "", 3, on_address("DELETE")),
    (f"GET {AUTH}/sessions", "", 2, own(f"{AUTH}/sessions")),
    (f"DELETE {AUTH}/sessions/<session_id>", "", 2, end_session),
    (f"PUT {AUTH}/password", "", 4, change_password),
    (f"POST {AUTH}/password/forgot", "", 2, forgot_password("ada@example.com")),
    (f"POST {AUTH}/password/forgot", "unknown", 2, forgot_password("nobody@example.com")),
    (f"POST {AUTH}/password/forgot", "no address", 2, forgot_password("nobody")),
    (f"POST {AUTH}/password/reset", "", 3, reset_password),
    (f"POST {AUTH}/email/verify", "", 2, verify_email),
    (f"POST {AUTH}/email/verify", "of a change", 2, confirm_email),
    (f"POST {AUTH}/email/take-back", "", 2, take_back_email),
    (f"PUT {AUTH}/me/email", "", 4, change_email),
    ("GET /api/v1/shop", "", 1, own("/api/v1/shop")),
    # admin
    ("GET /api/v1/admin/search", "", 12, search_all),
    (f"GET {USERS}", "", 3, administer("GET", "")),
    (f"GET {USERS}", "filtered", 3, administer("GET", "?role=customer&status=active&q=a")),
    (f"GET {USERS}/<user_id>", "", 2, administer("GET", "/{user}")),
    (f"PATCH {USERS}/<user_id>/limits", "", 3, administer("PATCH", "/{user}/limits", {"open_orders": 5})),
    (f"PATCH {USERS}/<user_id>/role", "", 3, administer("PATCH", "/{user}/role", {"role": "admin"})),
    (f"PATCH {USERS}/<user_id>/status", "", 3, administer("PATCH", "/{user}/status", {"status": "disabled"})),
    (f"POST {USERS}/<user_id>/unlock", "", 3, administer("POST", "/{user}/unlock")),
    ("GET /api/v1/admin/requests", "", 2, as_admin("/api/v1/admin/requests")),
    (f"GET {AUDIT}", "", 3, audit_log("")),
    (f"GET {AUDIT}", "of an actor", 3, audit_log("?actor=ada&action=login&from=2026-01-01")),
    (f"GET {AUDIT}", "two actions", 4, audit_log("?action=login,logout")),
    (f"GET {SERVICE_KEYS}", "", 3, service_key("GET")),
    (f"POST {SERVICE_KEYS}", "", 2, service_key("POST", body=VALID_BODIES["create_service_key"])),
    (f"GET {SERVICE_KEYS}/<key_id>", "", 3, service_key("GET", "/{id}")),
    (f"PATCH {SERVICE_KEYS}/<key_id>", "", 4, service_key("PATCH", "/{id}", VALID_BODIES["update_service_key"])),
    (f"DELETE {SERVICE_KEYS}/<key_id>", "", 3, service_key("DELETE", "/{id}")),
    (f"POST {SERVICE_KEYS}/<key_id>/rotate", "", 3, service_key("POST", "/{id}/rotate")),
    # inventory: a list is the caller, a Query for each partition, a BatchGet for each 50 products
    (f"GET {PRODUCTS}", "", 3, own(PRODUCTS)),
    (f"GET {PRODUCTS}", "limit 50", 3, own(f"{PRODUCTS}?limit=50")),
    (f"GET {PRODUCTS}", "by price in a category", 3, own(f"{PRODUCTS}?category=Tools&min_price=1")),
    (f"GET {PRODUCTS}", "low stock", 3, get(f"{PRODUCTS}?low_stock=false")),
    (f"GET {PRODUCTS}", "two statuses", 4, get(f"{PRODUCTS}?status=active,archived")),
    (f"GET {PRODUCTS}", "without a token", 2, without_token(PRODUCTS)),
    (f"POST {PRODUCTS}", "", 2, create_product),
    (f"GET {PRODUCTS}/<product_id>", "", 2, get(f"{PRODUCTS}/{{product}}")),
    (f"GET {PRODUCTS}/<product_id>", "without a token", 1, without_token(f"{PRODUCTS}/{{product}}")),
    (f"PUT {PRODUCTS}/<product_id>", "", 3, replace_product("Tools")),
    (f"PUT {PRODUCTS}/<product_id>", "out of its category", 4, replace_product("Garden")),
    (f"PATCH {PRODUCTS}/<product_id>", "", 3, update_product("Tools")),
    (f"PATCH {PRODUCTS}/<product_id>", "out of its category", 4, update_product("Garden")),
    (f"PATCH {PRODUCTS}/<product_id>/stock", "", 3, adjust_stock),
    (f"PUT {PRODUCTS}/<product_id>/stock", "", 3, count_stock(4)),
    (f"PUT {PRODUCTS}/<product_id>/stock", "that agrees", 3, count_stock(50)),
    # the caller, a BatchGet before, a write for each row, and a BatchGet after adjustments
    ("PATCH /api/v1/inventory/stock", "10 counts", 12, change_stocks(10, on_hand=4)),
    ("PATCH /api/v1/inventory/stock", "10 adjustments", 13, change_stocks(10, adjustment=4)),
    (f"PUT {PRODUCTS}/<product_id>/shards", "the same number", 3, set_shards(1)),
    (f"PUT {PRODUCTS}/<product_id>/shards", "a second shard", 11, set_shards(2)),
    (f"PUT {PRODUCTS}/<product_id>/shards", "from two to one", 11, lower_shards),
    (f"GET {PRODUCTS}/<product_id>/movements", "", 2, list_movements),
    ("GET /api/v1/inventory/categories", "", 2, own("/api/v1/inventory/categories")),
    # orders: of a deployment with one shard
    (f"GET {ORDERS}", "own", 3, own(ORDERS)),
    (f"GET {ORDERS}", "own by status", 4, own(f"{ORDERS}?status=pending,cancelled")),
    (f"GET {ORDERS}", "all", 4, get(ORDERS)),
    (f"GET {ORDERS}", "all pending", 4, get(f"{ORDERS}?status=pending")),
    (f"GET {ORDERS}", "all pending and cancelled", 5, get(f"{ORDERS}?status=pending,cancelled")),
    (f"GET {ORDERS}", "of a customer", 4, get(f"{ORDERS}?customer_id={{customer}}")),
    *((f"GET {ORDERS}", f"by {name}", 4, search(name)) for name in ("number", "sku", "tracking")),
    (f"GET {ORDERS}", "by email", 6, search("email")),
    (f"GET {ORDERS}", "by q", 6, search("q")),
    (f"POST {ORDERS}", "", 2, create_order),
    (f"POST {ORDERS}", "with a key", 2, lambda warm: create_order(warm, key="k")),
    (f"POST {ORDERS}", "90 products", 2, create_large_order),
    (f"POST {ORDERS}", "replayed", 2, replay_order),
    (f"POST {ORDERS}", "for a contact, by a service key", 2, order_by_key({"email": "ada@example.org"})),
    (f"POST {ORDERS}", "for a customer, by a service key", 3, order_by_key(None)),
    (f"POST {ORDERS}/quote", "", 2, quote),
    (f"GET {ORDERS}/<order_id>", "", 2, on_order("GET", "")),
    (f"GET {ORDERS}/<order_id>", "manager", 3, on_order("GET", "", "manager")),
    (f"GET {ORDERS}/<order_id>/history", "", 2, on_order("GET", "/history")),
    (f"POST {ORDERS}/<order_id>/cancel", "", 3, on_order("POST", "/cancel")),
    (f"POST {ORDERS}/<order_id>/cancel", "manager", 4, moving("cancel")),
    (f"PATCH {ORDERS}/<order_id>", "own", 3, update_order("customer")),
    (f"PATCH {ORDERS}/<order_id>", "", 4, update_order("manager")),
    *((f"POST {ORDERS}/<order_id>/{name}", "", 4, moving(name)) for name in ("confirm", "ship", "deliver", "return")),
    (f"GET {CHECK}", "", 3, stock_check),
    (f"POST {CHECK}", "", 3, lambda warm: lambda: call("POST", CHECK, token=warm.admin.token)),
    (f"POST {CHECK}/repair", "", 6, lambda warm: repair_stock(warm, dry_run=False)),
    (f"POST {CHECK}/repair", "dry run", 5, lambda warm: repair_stock(warm, dry_run=True)),
    # reports
    (f"GET {REPORTS}/inventory", "", 5, report_inventory),
    (f"GET {REPORTS}/sales", "", 9, get(f"{REPORTS}/sales?{YEAR}")),
    (f"GET {REPORTS}/sales", "a year by category", 21, get(f"{REPORTS}/sales?{YEAR}&group_by=category")),
    (f"GET {REPORTS}/sales", "a month by product", 41, report_products),
    (f"GET {REPORTS}/export/orders", "", 2, get(f"{REPORTS}/export/orders?status=shipped")),
    (f"GET {REPORTS}/export/orders", "shared, done", 4, export_again),
    (f"POST {REPORTS}/exports", "", 2, create_export),
    (f"POST {REPORTS}/exports", "replayed", 2, replay_export),
    (f"GET {REPORTS}/exports", "", 3, an_export("GET", "", "queued")),
    (f"GET {REPORTS}/exports/<export_id>", "", 2, an_export("GET", "/{id}", "queued")),
    (f"GET {REPORTS}/exports/<export_id>", "done", 3, an_export("GET", "/{id}", "done")),
    (f"DELETE {REPORTS}/exports/<export_id>", "", 3, an_export("DELETE", "/{id}", "queued")),
    (f"POST {IMPORTS}", "", 2, create_import),
    (f"POST {IMPORTS}", "replayed", 2, replay_import),
    (f"POST {IMPORTS}/<import_id>/start", "", 4, an_import("POST", "/{id}/start")),
    (f"GET {IMPORTS}", "", 3, an_import("GET", "")),
    (f"GET {IMPORTS}/<import_id>", "", 2, an_import("GET", "/{id}")),
    (f"DELETE {IMPORTS}/<import_id>", "", 3, an_import("DELETE", "/{id}")),
    ("GET /api/v1/admin/stats", "", 11, get_stats),
    (f"POST {SCHEDULES}", "", 4, scheduled("POST")),
    (f"GET {SCHEDULES}", "", 3, scheduled("GET")),
    (f"DELETE {SCHEDULES}/<schedule_id>", "", 3, scheduled("DELETE", "/{id}")),
    # the feed
    (f"GET {FEED}", "", 3, feed(FEED)),
    (f"GET {FEED}", "after an event", 3, feed(f"{FEED}?after={{first}}")),
    (f"GET {FEED}", "after the latest", 3, feed(f"{FEED}?after=latest")),
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
def warm(
    customer: Person,
    manager: Person,
    person: Callable[..., Person],
    monkeypatch: pytest.MonkeyPatch,
    time_machine: Callable[[timedelta], None],
) -> WarmApi:
    """A warm process: keys, secrets and the product's offer are loaded, an account exists, and the audit log has this
    hour's readers of lists.
    """
    # In the next hour, the first read of a list makes one more call: no new hour may begin during a test.
    if clock.now().minute >= 50:
        time_machine(timedelta(minutes=15))
    # A process forgets its readers when it knows too many, as one that has run many tests does.
    monkeypatch.setattr(audit, "_LATEST", {})
    monkeypatch.setattr(passwords, "COST", 4)  # bcrypt's cost is not counted here
    shop = Shop(customer, manager)
    body = {"sku": "SKU-0", "name": "Hammer", "category": "Tools", "price": 10, "stock": 50}
    made = shop.manage("POST", "products", body)
    assert made.status == 201, made.text
    warm = WarmApi(shop, made.json["id"], person("admin"))
    account = {"email": warm.email, "password": PASSWORD, "first_name": "Ada"}
    registered = call("POST", f"{AUTH}/register", account, address="198.51.100.9")
    assert registered.status == 201, registered.text
    call("POST", f"{AUTH}/login", account | {"password": "wrong"}, address="198.51.100.9")
    warm.sign_in()
    known_readers(warm.admin, shop.manager)
    return warm
