"""Orders over the API in process: the bodies that tests post, and the resulting stock."""

from collections.abc import Callable
from typing import Any

from tests.support.gateway import call
from tests.support.invocation import Answer, Person

PRODUCTS, ORDERS = "/api/v1/inventory/products", "/api/v1/orders"
type Make = Callable[..., str]
type Place = Callable[..., Answer]


def post(buyer: Person, *items: tuple[str, int], headers: dict[str, str] | None = None, **fields: Any) -> Answer:
    lines = [{"product_id": product_id, "quantity": quantity} for product_id, quantity in items]
    return call("POST", ORDERS, {"items": lines} | fields, token=buyer.token, headers=headers)


def stock(product_id: str, manager: Person) -> tuple[int, int, int]:
    """(available, reserved, on hand)"""
    shown = call("GET", f"{PRODUCTS}/{product_id}", token=manager.token).json
    return shown["available"], shown["reserved"], shown["on_hand"]
