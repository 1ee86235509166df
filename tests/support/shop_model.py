"""A model of the shop's API, as simple as possible: no table, no condition, no retry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

HOLD = timedelta(minutes=2)

# Move → its source states, its target state, and the change for each reserved unit:
# (available, reserved).
MOVES: dict[str, tuple[tuple[str, ...], str, tuple[int, int]]] = {
    "confirm": (("pending",), "confirmed", (0, 0)),
    "cancel": (("pending", "confirmed"), "cancelled", (1, -1)),
    "ship": (("confirmed",), "shipped", (0, -1)),
    "deliver": (("shipped",), "delivered", (0, 0)),
    "return": (("shipped", "delivered"), "returned", (1, 0)),
    "expire": (("pending",), "expired", (1, -1)),
}


@dataclass(frozen=True)
class Expected:
    """An answer: its status, the problem's code, whether it is a replay, and further members that it must have."""

    status: int
    code: str | None = None
    replayed: bool = False
    members: Mapping[str, Any] = field(default_factory=dict)


NOT_FOUND = Expected(404, "not-found")
FORBIDDEN = Expected(403, "forbidden")
REUSED = Expected(422, "idempotency-key-reused")
SHORT = Expected(409, "insufficient-stock")


@dataclass
class ModelProduct:
    sku: str
    name: str
    price: int
    available: int
    status: str = "active"
    reserved: int = 0
    version: int = 1
    stock_version: int = 1
    offer: int = 1

    def shift(self, available: int, reserved: int) -> None:
        self.available += available
        self.reserved += reserved
        self.stock_version += 1


@dataclass
class ModelOrder:
    owner: str
    lines: list[tuple[str, int, int]]  # product id, quantity, unit price
    expires_at: datetime | None
    history: list[tuple[str | None, str, str]]  # from, to, who
    cancel_reason: str | None = None
    parcel: str | None = None

    @property
    def status(self) -> str:
        return self.history[-1][1]


class Model:
    """`sent` has the requests with a key: (user, operation, key) → the body and the id of the created resource."""

    def __init__(self) -> None:
        self.products: dict[str, ModelProduct] = {}
        self.orders: dict[str, ModelOrder] = {}
        self.sent: dict[tuple[str, str, str], tuple[Any, str]] = {}

    def _earlier(self, who: str, what: str, key: str | None, body: Any) -> tuple[Expected, str] | None:
        if key is None or (who, what, key) not in self.sent:
            return None
        stored, made = self.sent[who, what, key]
        creates = what in ("create order", "create product")
        return (Expected(201 if creates else 200, replayed=True) if stored == body else REUSED), made

    def _remember(self, who: str, what: str, key: str | None, body: Any, made: str) -> None:
        if key is not None:
            self.sent[who, what, key] = body, made

    # Each returns the expected answer, and for a replay the id of the resource. A successful one is then `made`.

    def create_product(self, body: Mapping[str, Any], key: str | None) -> tuple[Expected, str | None]:
        if earlier := self._earlier("manager", "create product", key, body):
            return earlier
        if any(it.sku.casefold() == body["sku"].casefold() for it in self.products.values()):
            return Expected(409, "sku-taken"), None
        return Expected(201), None

    def product_made(self, body: Mapping[str, Any], key: str | None, product_id: str) -> None:
        self.products[product_id] = ModelProduct(body["sku"], body["name"], body["price"] * 100, body["stock"])
        self._remember("manager", "create product", key, body, product_id)

    def edit_product(self, product_id: str, body: Mapping[str, Any], if_match: int | None) -> Expected:
        product = self.products[product_id]
        if if_match not in (None, product.version):
            return Expected(412, "stale-version")
        edited = body["name"], body["price"] * 100, body["status"]
        product.offer += edited != (product.name, product.price, product.status)
        product.name, product.price, product.status = edited
        product.version += 1
        return Expected(200)

    def adjust(self, product_id: str, body: Mapping[str, Any], key: str | None) -> Expected:
        what = f"adjust {product_id}"
        if earlier := self._earlier("manager", what, key, body):
            return earlier[0]
        if self.products[product_id].available + body["adjustment"] < 0:
            return SHORT
        self.products[product_id].shift(body["adjustment"], 0)
        self._remember("manager", what, key, body, product_id)
        return Expected(200)

    def count(self, product_id: str, body: Mapping[str, Any], key: str | None) -> Expected:
        what, product = f"count {product_id}", self.products[product_id]
        if earlier := self._earlier("manager", what, key, body):
            return earlier[0]
        if body.get("if_version", product.stock_version) != product.stock_version:
            return Expected(409, "stock-changed")
        if body["on_hand"] < product.reserved:
            return Expected(409, "stock-reserved")
        if body["on_hand"] != product.available + product.reserved:
            product.shift(body["on_hand"] - product.available - product.reserved, 0)
        self._remember("manager", what, key, body, product_id)
        return Expected(200)

    def place(self, who: str, cart: Sequence[tuple[str, int]], key: str | None) -> tuple[Expected, str | None]:
        if earlier := self._earlier(who, "create order", key, cart):
            return earlier
        wanted: dict[str, int] = {}
        for product_id, quantity in cart:
            wanted[product_id] = wanted.get(product_id, 0) + quantity
        if any(it not in self.products or self.products[it].status != "active" for it in wanted):
            return Expected(422, "unknown-product"), None
        short = [
            {"product_id": it, "requested": quantity, "available": self.products[it].available}
            for it, quantity in wanted.items()
            if quantity > self.products[it].available
        ]
        if short:
            return Expected(409, "insufficient-stock", members={"shortfalls": short}), None
        return Expected(201), None

    def order_made(
        self, who: str, cart: Sequence[tuple[str, int]], key: str | None, order_id: str, now: datetime
    ) -> None:
        wanted: dict[str, int] = {}
        for product_id, quantity in cart:
            wanted[product_id] = wanted.get(product_id, 0) + quantity
        for product_id, quantity in wanted.items():
            self.products[product_id].shift(-quantity, quantity)
        lines = [(it, quantity, self.products[it].price) for it, quantity in wanted.items()]
        self.orders[order_id] = ModelOrder(who, lines, now + HOLD, [(None, "pending", who)])
        self._remember(who, "create order", key, cart, order_id)

    def move(self, who: str, order_id: str, name: str, body: Mapping[str, Any] | None, key: str | None) -> Expected:
        order = self.orders[order_id]
        if who != "manager" and name != "cancel":
            return FORBIDDEN
        if who not in ("manager", order.owner):
            return NOT_FOUND
        what = f"{name} {order_id}"
        if earlier := self._earlier(who, what, key, body):
            return earlier[0]
        sources, target, _ = MOVES[name]
        if order.status not in sources:
            return Expected(409, "invalid-transition", members={"from": order.status, "to": target})
        self._enter(order, name, who, body or {})
        self._remember(who, what, key, body, order_id)
        return Expected(200)

    def expire(self, now: datetime) -> list[str]:
        due = [it for it, order in self.orders.items() if order.expires_at is not None and order.expires_at <= now]
        for order_id in due:
            self._enter(self.orders[order_id], "expire", "system", {})
        return due

    def _enter(self, order: ModelOrder, name: str, who: str, body: Mapping[str, Any]) -> None:
        _, target, (available, reserved) = MOVES[name]
        order.history.append((order.status, target, who))
        order.expires_at = None
        if name == "cancel":
            order.cancel_reason = body.get("reason")
        if name == "ship":
            order.parcel = body["tracking_number"]
        if body.get("restock") is False or (available, reserved) == (0, 0):
            return
        for product_id, quantity, _ in order.lines:
            self.products[product_id].shift(available * quantity, reserved * quantity)
