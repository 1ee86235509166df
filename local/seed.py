"""Seeds the demo data: accounts, a service key, products 1 to 40, and orders in several states.

The services create orders and accounts, as for requests. Only the products' ids and the key's text are set by this
module, since requests cannot set them.
"""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from local import demo
from oms.core import clock
from oms.core.schemas import EmptyRequest
from oms.core.settings import settings
from oms.identity import service as identity
from oms.identity.models import User
from oms.inventory import service as inventory
from oms.inventory.schemas import CreateProductRequest
from oms.orders import moves
from oms.orders import service as orders
from oms.orders.moves import MoveRequest
from oms.orders.schemas import CancelRequest, CreateOrderRequest
from oms.orders.visibility import Visibility
from oms.service_keys import service as service_keys
from oms.service_keys.access import ServiceCaller
from oms.service_keys.schemas import CreateServiceKeyRequest
from oms.service_keys.scopes import SCOPES
from oms.service_keys.tokens import KeyToken

LOW_STOCK_THRESHOLD = 5
DANAS_ADDRESS = {
    "name": "Dana Roux",
    "line1": "7 Rue du Midi",
    "postal_code": "1000",
    "city": "Brussels",
    "country": "BE",
}
ADDRESSES = {
    "alice@demo.example": {
        "name": "Alice Moreau",
        "line1": "12 Rue des Lilas",
        "postal_code": "69003",
        "city": "Lyon",
        "country": "FR",
    },
    "bob@demo.example": {
        "name": "Bob Tanaka",
        "line1": "Kantstraße 48",
        "postal_code": "10625",
        "city": "Berlin",
        "country": "DE",
    },
}


class DemoOrder(NamedTuple):
    """An order of the demo shop: the account that places it, or None for the service key, and the final state.

    `quantities` are units by product id; `more` are further fields of the request.
    """

    account: str | None
    quantities: Mapping[str, int]
    shipping_cost: str
    state: Literal["pending", "confirmed", "cancelled", "expired"]
    more: Mapping[str, object] = MappingProxyType({})


# Oldest first.
ORDERS = (
    DemoOrder("alice@demo.example", {"29": 1, "30": 2}, "9.90", "expired"),
    DemoOrder("bob@demo.example", {"15": 1}, "6.90", "cancelled"),
    DemoOrder("alice@demo.example", {"4": 1, "2": 3}, "4.90", "confirmed"),
    DemoOrder("bob@demo.example", {"8": 2, "9": 1, "13": 1}, "4.90", "confirmed"),
    # From a marketplace, for a person without an account.
    DemoOrder(
        None,
        {"19": 1, "20": 1},
        "5.90",
        "confirmed",
        {
            "customer": {"email": "dana@demo.example", "name": "Dana Roux", "phone": "+32 2 555 0142", "locale": "fr"},
            "external_ref": {"channel": "marketplace", "id": "MP-2026-10421"},
            "shipping_address": DANAS_ADDRESS,
            "metadata": {"marketplace_shop": "Brussels"},
            "tags": ["gift", "marketplace"],
        },
    ),
    DemoOrder("alice@demo.example", {"22": 5, "28": 2}, "3.90", "cancelled"),
    # From the ordering system of a company, for its account.
    DemoOrder(
        None,
        {"1": 24, "3": 12},
        "0",
        "pending",
        {
            "customer": {"id": "bob@demo.example"},
            "external_ref": {"channel": "erp", "id": "4500017788"},
            "shipping_address": ADDRESSES["bob@demo.example"] | {"company": "Tanaka Kaffeebar GmbH"},
            "billing_address": ADDRESSES["bob@demo.example"] | {"company": "Tanaka Kaffeebar GmbH"},
            "purchase_order": "PO-2026-0117",
            "metadata": {"cost_centre": "4711"},
            "tags": ["wholesale"],
        },
    ),
    DemoOrder("bob@demo.example", {"35": 1, "36": 1, "39": 4}, "6.90", "pending"),
    DemoOrder("alice@demo.example", {"1": 2, "2": 1}, "10.00", "pending"),
)


def seed() -> dict[str, User]:
    """Seeds everything, and returns the accounts by e-mail address."""
    users = {email: _account(email) for email in demo.ACCOUNTS}
    key = _service_key(users["admin@demo.example"])
    manager = users["manager@demo.example"]
    product_id = 0
    for category, products in demo.CATALOGUE.items():
        for product in products:
            product_id += 1
            _product(str(product_id), category, product, manager)
    for order in ORDERS:
        _order(order, users, key)
    return users


def _account(email: str) -> User:
    role, first_name, last_name = demo.ACCOUNTS[email]
    return identity.create_user(
        email=email,
        password=demo.PASSWORD,
        first_name=first_name,
        last_name=last_name,
        role=role,
        email_verified=True,
    )


def _service_key(admin: User) -> ServiceCaller:
    """Creates the demo shop's key, and returns it as the sender of orders."""
    token = KeyToken.parse(demo.SERVICE_KEY)
    if token is None or token.stage != settings().stage:
        raise ValueError("The key of the demo shop is for another stage.")
    request = CreateServiceKeyRequest.model_validate({"name": "Demo", "scopes": list(SCOPES)})
    service_keys.put_new_key(token, request, by=service_keys.By.user(admin, "127.0.0.1"))
    return ServiceCaller(token.id, frozenset(SCOPES), request.rate_limit, ())


def _product(product_id: str, category: str, product: demo.DemoProduct, manager: User) -> None:
    request = CreateProductRequest.model_validate(
        {
            "sku": product.sku,
            "name": product.name,
            "category": category,
            "price": _amount(product.price),
            "stock": product.stock,
            "low_stock_threshold": LOW_STOCK_THRESHOLD,
        }
    )
    stocked = inventory.new_product(product_id, request, actor=manager, fingerprint="seed")
    # The same write as in create_product, with another id.
    inventory.put_new_product(*stocked)


def _amount(text: str) -> str:
    """Converts an amount of the demo data, in euros, to the stage's currency."""
    return demo.amount_in(settings().currency, settings().currency_digits, text)


def _order(demo_order: DemoOrder, users: Mapping[str, User], key: ServiceCaller) -> None:
    account = users[demo_order.account] if demo_order.account else None
    actor = account or key
    request = CreateOrderRequest.model_validate(
        {
            "items": [
                {"product_id": product_id, "quantity": units} for product_id, units in demo_order.quantities.items()
            ],
            "shipping_cost": _amount(demo_order.shipping_cost),
            "shipping_address": ADDRESSES.get(demo_order.account or ""),
            **demo_order.more,
            "customer": _customer(demo_order.more.get("customer"), users),
        }
    )
    order = orders.place_order(request, actor=actor, account=account, key=None).value
    if demo_order.state == "confirmed":
        moves.confirm_order(order.id, MoveRequest(users["manager@demo.example"], EmptyRequest()))
    elif demo_order.state == "cancelled" and account:
        moves.cancel_order(
            order.id,
            MoveRequest(account, CancelRequest(reason="Ordered by mistake"), visibility=Visibility.of(account)),
        )
    elif demo_order.state == "expired":
        moves.expire_order(order.id, now=clock.now() + settings().hold + timedelta(seconds=1))


def _customer(customer: Any, users: Mapping[str, User]) -> Any:
    """Returns the customer of a request: an account is named by its e-mail address, since its id is random."""
    return {"id": users[customer["id"]].id} if customer and "id" in customer else customer


if __name__ == "__main__":
    seed()
