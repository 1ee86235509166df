"""A shop for fault tests: products written directly into the tables, requests, and the check that no unit was lost."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import count, takewhile
from typing import Any

from inventory import handler as inventory
from oms.core import clock
from oms.core.actors import System
from oms.inventory.models import StockItem
from oms.inventory.schemas import CreateProductRequest
from oms.inventory.service import new_product
from oms.orders import service
from oms.orders.models import HistoryEntry, Order
from oms.orders.offers import OfferCache
from oms.orders.states import OPEN, OrderStatus
from orders import handler as orders
from sweeper import worker
from tests.support.database import table
from tests.support.invocation import Answer, Context, Person, invoke

# A manager's moves of an order, each with the moves that precede it.
BEFORE: dict[str, tuple[str, ...]] = {
    "confirm": (),
    "cancel": (),
    "ship": ("confirm",),
    "deliver": ("confirm", "ship"),
    "return": ("confirm", "ship", "deliver"),
}
BODIES = {"ship": {"carrier": "DHL", "tracking_number": "JD0140"}}


def new_process() -> None:
    """Clears the state that a process has from earlier requests, as a crash does."""
    service.OFFERS = OfferCache()


def orders_stored() -> list[Order]:
    return [Order.from_raw_data(item) for item in table("orders").items()]


def stock_of(product_id: str) -> StockItem:
    """Returns a product's shard 0, with the units of all its shards."""
    main, *others = shards_of(product_id)
    for shard in others:
        main.available += shard.available
        main.reserved += shard.reserved
    return main


def shards_of(product_id: str) -> list[StockItem]:
    """Returns a product's stored shards, also those that are not counted in shard 0 yet."""
    stored = (table("inventory").get(*StockItem.key(product_id, shard)) for shard in count())
    return [StockItem.from_raw_data(item) for item in takewhile(bool, stored)]


@dataclass
class Shop:
    """Products with a known number of units each, a customer and a manager."""

    customer: Person
    manager: Person
    units: dict[str, int] = field(default_factory=dict)
    # The number of adjustments of a product's stock; `units` includes them.
    adjusted: Counter[str] = field(default_factory=Counter)

    def product(
        self,
        units: int = 10,
        *,
        name: str = "Product",
        category: str = "Tools",
        price: str = "19.99",
        status: str = "active",
    ) -> str:
        product_id = clock.random_id()
        text = CreateProductRequest(sku=product_id, name=name, category=category, price=price, stock=units)
        product, stock = new_product(product_id, text, actor=System(), fingerprint="seed")
        product.status = stock.status = status
        for item in (product.place(), stock):
            table("inventory").put(item.serialize())
        self.units[product_id] = units
        return product_id

    def buy(self, quantities: dict[str, int], *, key: str | None = None, by: Person | None = None) -> Answer:
        items = [{"product_id": product_id, "quantity": quantity} for product_id, quantity in quantities.items()]
        return self.post("/api/v1/orders", {"items": items}, key=key, by=by)

    def post(self, path: str, body: Any = None, *, key: str | None = None, by: Person | None = None) -> Answer:
        return self._send(orders, "POST", path, body, key, by or self.customer)

    def move(self, path: str, name: str, *, key: str | None = None, by: Person | None = None) -> Answer:
        """Makes a move of the order at `path`, by the manager unless another user is given."""
        return self.post(f"{path}/{name}", BODIES.get(name), key=key, by=by or self.manager)

    def edit(self, path: str, body: Any, *, key: str | None = None, by: Person | None = None) -> Answer:
        """Changes fields of the order at `path`, by the manager unless another user is given."""
        return self._send(orders, "PATCH", path, body, key, by or self.manager)

    def ready_for(self, name: str, quantities: dict[str, int]) -> str:
        """Returns the path of a new order on which this move is possible."""
        placed = self.buy(quantities)
        assert placed.status == 201, placed.text
        path = f"/api/v1/orders/{placed.json['id']}"
        for earlier in BEFORE[name]:
            assert self.move(path, earlier).status == 200
        return path

    def get(self, path: str) -> Answer:
        return invoke(orders, "GET", path, token=self.customer.token)

    def manage(self, method: str, path: str, body: Any, *, key: str | None = None) -> Answer:
        return self._send(inventory, method, f"/api/v1/inventory/{path}", body, key, self.manager)

    def reprice(self, product_id: str, price: str, *, status: str = "active") -> None:
        shown = invoke(inventory, "GET", f"/api/v1/inventory/products/{product_id}", token=self.manager.token).json
        edited = {name: shown[name] for name in ("sku", "name", "category")} | {"price": price, "status": status}
        answer = self.manage("PUT", f"products/{product_id}", edited)
        assert answer.status == 200, answer.text

    def reshard(self, product_id: str, shards: int) -> Answer:
        return self.manage("PUT", f"products/{product_id}/shards", {"shards": shards})

    def sweep(self) -> Any:
        record = {"messageId": "1", "body": '{"shard": 0}', "eventSource": "aws:sqs"}
        return worker.lambda_handler({"Records": [record]}, Context(milliseconds_left=90_000))

    def _send(self, handler: Any, method: str, path: str, body: Any, key: str | None, by: Person) -> Answer:
        return invoke(
            handler, method, path, body, token=by.token, headers={"Idempotency-Key": key} if key is not None else None
        )

    def check_stock(self) -> list[Order]:
        """Asserts that no unit appeared or vanished, none is reserved twice, and no move was made partly or twice."""
        stored = orders_stored()
        reserved, gone, moves = Counter[str](), Counter[str](), Counter[str]()
        for order in stored:
            entries = order.history
            assert order.version == len(entries), "each version is one entry of the history"
            assert [entry.from_ for entry in entries] == [None, *(entry.to for entry in entries[:-1])]
            assert entries[-1].to == order.status
            assert order.total == sum(line.unit_price * line.quantity for line in order.lines) + order.shipping_cost
            is_gone = order.status in ("shipped", "delivered") or entries[-1].restocked is False
            for line in order.lines:
                reserved[line.product_id] += line.quantity if OrderStatus(order.status) in OPEN else 0
                gone[line.product_id] += line.quantity if is_gone else 0
                moves[line.product_id] += sum(_moves_stock(entry) for entry in entries)
        for product_id, units in self.units.items():
            stock = stock_of(product_id)
            assert stock.available >= 0
            assert stock.available + stock.reserved + gone[product_id] == units
            assert stock.reserved == reserved[product_id], "the reserved units are those of open orders"
            assert all(shard.available >= 0 and shard.reserved >= 0 for shard in shards_of(product_id))
            moved = moves[product_id] + self.adjusted[product_id]
            assert stock.is_sharded or stock.version == 1 + moved, "each move moved the stock once"
        return stored


def _moves_stock(entry: HistoryEntry) -> bool:
    if entry.changed is not None:
        return False  # an edit
    return bool(entry.restocked) or entry.to in ("pending", "cancelled", "expired", "shipped")
