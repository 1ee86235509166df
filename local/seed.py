"""Seeds the demo data: accounts, a service key, products 1 to 40, and orders in several states.

The services create orders and accounts, as for requests. Only the products' ids and the key's text are set by this
module, since requests cannot set them.
"""

from datetime import timedelta

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
from oms.service_keys.schemas import CreateServiceKeyRequest
from oms.service_keys.scopes import SCOPES
from oms.service_keys.tokens import KeyToken

LOW_STOCK_THRESHOLD = 5
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
# (customer, {product id: quantity}, shipping cost, final state), oldest first
ORDERS: tuple[tuple[str, dict[str, int], str, str], ...] = (
    ("alice@demo.example", {"29": 1, "30": 2}, "9.90", "expired"),
    ("bob@demo.example", {"15": 1}, "6.90", "cancelled"),
    ("alice@demo.example", {"4": 1, "2": 3}, "4.90", "confirmed"),
    ("bob@demo.example", {"8": 2, "9": 1, "13": 1}, "4.90", "confirmed"),
    ("alice@demo.example", {"22": 5, "28": 2}, "3.90", "cancelled"),
    ("bob@demo.example", {"35": 1, "36": 1, "39": 4}, "6.90", "pending"),
    ("alice@demo.example", {"1": 2, "2": 1}, "10.00", "pending"),
)


def seed() -> dict[str, User]:
    """Seeds everything, and returns the accounts by e-mail address."""
    users = {email: _account(email) for email in demo.ACCOUNTS}
    _service_key(users["admin@demo.example"])
    manager = users["manager@demo.example"]
    product_id = 0
    for category, products in demo.CATALOGUE.items():
        for product in products:
            product_id += 1
            _product(str(product_id), category, product, manager)
    for customer, quantities, shipping_cost, state in ORDERS:
        _order(users[customer], manager, quantities, shipping_cost, state)
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


def _service_key(admin: User) -> None:
    token = KeyToken.parse(demo.SERVICE_KEY)
    if token is None or token.stage != settings().stage:
        raise ValueError("The key of the demo shop is for another stage.")
    request = CreateServiceKeyRequest.model_validate({"name": "Demo", "scopes": list(SCOPES)})
    service_keys.put_new_key(token, request, by=service_keys.By.user(admin, "127.0.0.1"))


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


def _order(customer: User, manager: User, quantities: dict[str, int], shipping_cost: str, state: str) -> None:
    request = CreateOrderRequest.model_validate(
        {
            "items": [{"product_id": product_id, "quantity": units} for product_id, units in quantities.items()],
            "shipping_cost": _amount(shipping_cost),
            "shipping_address": ADDRESSES[customer.email],
        }
    )
    order = orders.place_order(request, actor=customer, account=customer, key=None).value
    if state == "confirmed":
        moves.confirm_order(order.id, MoveRequest(manager, EmptyRequest()))
    elif state == "cancelled":
        moves.cancel_order(
            order.id,
            MoveRequest(customer, CancelRequest(reason="Ordered by mistake"), visibility=Visibility.of(customer)),
        )
    elif state == "expired":
        moves.expire_order(order.id, now=clock.now() + settings().hold + timedelta(seconds=1))


if __name__ == "__main__":
    seed()
