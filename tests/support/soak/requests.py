"""Requests of every operation of the document, with the ids of items that earlier requests of the soak have created."""

import random
import re
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.support.operations import DOCUMENT, VALID_BODIES

PASSWORD = "three quiet lighthouses"
# Without a body of its own, an operation that is not listed here is requested with weight 1.
WEIGHTS = {
    "create_order": 30,
    "quote_order": 3,
    "confirm_order": 12,
    "ship_order": 9,
    "deliver_order": 9,
    "return_order": 4,
    "cancel_order": 5,
    "get_order": 6,
    "list_orders": 6,
    "list_products": 6,
    "get_product": 4,
    "adjust_stock": 5,
    "count_stock": 2,
    "change_stocks": 2,
    "update_product": 2,
    "create_product": 2,
    "list_events": 2,
    "register": 2,
    "log_in": 4,
    "create_webhook": 2,
    "delete_webhook": 2,
    "list_deliveries": 2,
    "set_shards": 2,
}
# The status that an order must have for a move. One in five moves is of any order, and is mostly refused.
_STATUS_BEFORE = {
    "confirm_order": "pending",
    "ship_order": "confirmed",
    "deliver_order": "shipped",
    "return_order": "delivered",
}
_PARCEL = {"carrier": "DHL", "tracking_number": "JD0140"}


@dataclass(frozen=True)
class Request:
    """One request. `idempotent`: it may be repeated with its key, after a response that leaves the result unknown."""

    operation: str
    role: str
    method: str
    path: str
    body: Any
    key: str | None
    token: str | None = None

    @property
    def idempotent(self) -> bool:
        return self.method in ("GET", "PUT", "DELETE") or self.key is not None


class Known:
    """The newest ids of each kind, which the clients share, and what they have done.

    `orders` has all orders of the clients, `earlier_orders` those of the demo data. `units` has the units of each
    product: those of its creation, and of all adjustments and counts.
    """

    def __init__(self) -> None:
        self._ids: dict[str, deque[Any]] = defaultdict(lambda: deque(maxlen=300))
        self._lock = threading.Lock()
        self.orders: set[str] = set()
        self.earlier_orders: set[str] = set()
        self.units: Counter[str] = Counter()

    def add(self, kind: str, *values: Any) -> None:
        with self._lock:
            self._ids[kind].extend(values)

    def add_units(self, product: str, units: int) -> None:
        with self._lock:
            self.units[product] += units

    def any(self, kind: str, chance: random.Random) -> Any:
        with self._lock:
            return chance.choice(self._ids[kind]) if self._ids[kind] else None

    def take(self, kind: str) -> Any:
        with self._lock:
            return self._ids[kind].popleft() if self._ids[kind] else None


@dataclass(frozen=True)
class Session:
    """The session of an account of the soak, which its requests may end."""

    email: str
    access: str
    refresh: str


class Requests:
    """Draws requests. `hook` is the URL of a subscriber on loopback."""

    def __init__(self, known: Known, hook: str) -> None:
        self.known = known
        self._hook = hook
        self.operations = {
            operation["operationId"]: (method.upper(), path, operation)
            for path, methods in DOCUMENT["paths"].items()
            for method, operation in methods.items()
        }

    def draw(self, chance: random.Random) -> Request:
        names = list(self.operations)
        return self.of(chance.choices(names, [WEIGHTS.get(name, 1) for name in names])[0], chance)

    def of(self, name: str, chance: random.Random) -> Request:
        method, path, operation = self.operations[name]
        token, session_id, body = None, "none", self._body(name, chance)
        if name in ("change_password", "end_session"):
            session = self.known.take("session")
            if session is None:
                # Wrong passwords would end the session of a demo account.
                return self.of("register", chance)
            token = session.access
            session_id = session.refresh.split(".")[1]
        ids = {"session_id": session_id, "delivery_id": "none"}
        if name == "delete_webhook":
            # Each event would be delivered to many webhooks if a request often named one that is already deleted.
            ids["webhook_id"] = self.known.take("webhook") or "none"
        elif name == "replay_delivery":
            ids["webhook_id"], ids["delivery_id"] = self.known.any("delivery", chance) or ("none", "none")

        if name == "replace_product" and (product := self.known.any("named product", chance)):
            ids["product_id"], body["sku"] = product
        if chance.random() < 0.8 and name in _STATUS_BEFORE:
            ids["order_id"] = self.known.take(f"{_STATUS_BEFORE[name]} order") or ""

        def value(match: re.Match[str]) -> str:
            return ids.get(match[1]) or str(self.known.any(match[1].removesuffix("_id"), chance) or "none")

        parameters = [it.get("$ref", "") for it in operation.get("parameters", ())]
        key = uuid4().hex if any("IdempotencyKey" in it for it in parameters) else None
        return Request(name, operation["x-role"], method, re.sub(r"\{(\w+)\}", value, path), body, key, token)

    def _body(self, name: str, chance: random.Random) -> Any:
        own = self._bodies.get(name)
        return own(self, chance) if own else VALID_BODIES.get(name)

    def _items(self, chance: random.Random) -> Any:
        products = {self.known.any("product", chance) for _ in range(chance.randint(1, 3))}
        return {"items": [{"product_id": str(it), "quantity": chance.randint(1, 3)} for it in products]}

    def _stock_rows(self, chance: random.Random) -> Any:
        changes = [{"on_hand": 100}, {"on_hand": 300}, {"adjustment": 20}, {"adjustment": -5}]
        products = {str(self.known.any("product", chance)) for _ in range(chance.randint(1, 10))}
        rows = [{"product_id": it, "reason": "counted"} | chance.choice(changes) for it in sorted(products)]
        return {"items": rows}

    def _product(self, chance: random.Random) -> Any:
        unique = uuid4().hex[:12]
        price, category = chance.randint(1, 5000) / 100, f"Soak {chance.randint(1, 5)}"
        return {"sku": f"SOAK-{unique}", "name": f"Soak {unique}", "category": category, "price": f"{price:.2f}"}

    def _email(self, chance: random.Random) -> str:
        return str(self.known.any("email", chance) or "nobody@example.com")

    def _refresh_token(self, _: random.Random) -> Any:
        session = self.known.take("session")
        return {"refresh_token": session.refresh if session else "none"}

    def _change_password(self, _: random.Random) -> Any:
        return {"current_password": PASSWORD, "new_password": f"{PASSWORD} {uuid4().hex[:6]}"}

    def _replay(self, _: random.Random) -> Any:
        today = datetime.now(UTC).date()
        return {"from": f"{today}", "to": f"{today + timedelta(days=1)}", "only_failed": True}

    _bodies: Mapping[str, Callable[["Requests", random.Random], Any]] = {
        "create_order": _items,
        "quote_order": _items,
        "ship_order": lambda *_: _PARCEL,
        "create_product": lambda self, chance: self._product(chance) | {"stock": chance.choice((0, 20, 500))},
        "replace_product": lambda self, chance: self._product(chance) | {"status": "active"},
        "update_product": lambda _, chance: {"price": f"{chance.randint(1, 5000) / 100:.2f}"},
        "set_shards": lambda _, chance: {"shards": chance.randint(1, 5)},
        "adjust_stock": lambda _, chance: {"adjustment": chance.choice((-1, 1, 5, 50)), "reason": "counted"},
        "count_stock": lambda _, chance: {"on_hand": chance.choice((30, 100, 500)), "reason": "counted"},
        "change_stocks": _stock_rows,
        "register": lambda *_: {"email": f"soak-{uuid4().hex}@example.com", "password": PASSWORD, "first_name": "Lu"},
        "log_in": lambda self, chance: {"email": self._email(chance), "password": PASSWORD},
        "forgot_password": lambda self, chance: {"email": self._email(chance)},
        "refresh": _refresh_token,
        "log_out": _refresh_token,
        "change_password": _change_password,
        "repair_stock": lambda self, chance: {"product_id": str(self.known.any("product", chance))},
        "create_webhook": lambda self, _: {"url": f"{self._hook}/spare", "events": ["product.*"]},
        "update_webhook": lambda _, chance: {"status": chance.choice(("paused", "active"))},
        "replay_webhook": _replay,
        "create_schedule": lambda *_: VALID_BODIES["create_schedule"] | {"recipients": ["manager@demo.example"]},
        "create_export": lambda _, chance: {"report": chance.choice(("orders", "inventory", "sales"))},
        "create_import": lambda _, chance: VALID_BODIES["create_import"] | {"dry_run": chance.random() < 0.5},
    }


# The kind of id that a successful operation returns.
_CREATED = {
    "create_order": "order",
    "create_product": "product",
    "create_webhook": "webhook",
    "create_service_key": "key",
    "create_schedule": "schedule",
    "create_export": "export",
    "export_orders": "export",
    "create_import": "import",
    "register": "user",
}


def learn(known: Known, request: Request, status: int, content: Any) -> None:
    """Adds the ids, units and sessions of a response."""
    if status >= 300 or not isinstance(content, dict):
        return
    if kind := _CREATED.get(request.operation):
        known.add(kind, content["id"])
    if request.operation.endswith("_order") and "status" in content:
        known.add(f"{content['status']} order", content["id"])
    if request.operation == "create_order":
        known.orders.add(content["id"])
    elif request.operation == "create_product":
        known.add("named product", (content["id"], content["sku"]))
        known.add_units(content["id"], request.body["stock"])
    elif request.operation in ("adjust_stock", "count_stock"):
        known.add_units(content["product_id"], content["adjustment"])
    elif request.operation == "change_stocks":
        for outcome in content["items"]:
            known.add_units(outcome["product_id"], outcome["adjustment"] or 0)
    elif request.operation == "register":
        known.add("email", request.body["email"])
    elif request.operation in ("log_in", "refresh"):
        email = request.body.get("email", "")
        known.add("session", Session(email, content["access_token"], content["refresh_token"]))
    elif request.operation == "list_events":
        known.add("event", *(event["id"] for event in content["items"][:20]))
    elif request.operation == "list_deliveries":
        webhook = request.path.split("/")[4]
        known.add("delivery", *((webhook, it["id"]) for it in content["items"][:20]))
