"""The goods of the simulations: products, users and orders in the tables, and the events and records of orders.

One of each is made by the real code; the others are copies with other ids.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from benchmarks.capacity.simulation import DATABASE, START, unlimited
from benchmarks.stored import new_user
from oms.core import clock
from oms.core.actors import System
from oms.core.schemas import EmptyRequest
from oms.core.settings import settings
from oms.events.envelope import TIME_LENGTH
from oms.inventory.models import StockItem
from oms.inventory.schemas import CreateProductRequest
from oms.inventory.service import new_product
from oms.orders import moves, service
from oms.orders.models import Order
from oms.orders.moves import MoveRequest
from oms.orders.schemas import CreateOrderRequest, ShipRequest
from oms.publishing import registry
from tests.support.dynamodb.streams import Record
from tests.support.dynamodb.tables import Change

CATEGORIES = 10
_LINES = 2
_ADDRESS = {
    "name": "Ada Lovelace",
    "line1": "12 Analytical Street",
    "city": "London",
    "postal_code": "N1",
    "country": "GB",
}
_SHIPMENT = ShipRequest(carrier="DHL", tracking_number="JD014600003877823421")


@dataclass(frozen=True)
class Buyer:
    """A customer with a verified address."""

    id: str
    role: str = "customer"
    open_orders: int = 0
    open_orders_limit: int | None = None
    email_verified: bool = True


MANAGER = Buyer("manager", role="manager")


def product_id(number: int) -> str:
    return f"P{number:019d}"


def user_id(number: int) -> str:
    return f"U{number:019d}"


def stock_products(number: int, *, units: int = 10**9, reserved: int = 0) -> None:
    """Stores that many products on sale."""
    for index in range(number):
        name = product_id(index)
        text = CreateProductRequest(
            sku=name, name=f"Product {index}", category=f"Category {index % CATEGORIES}", price=1999, stock=1
        )
        product, stock = new_product(name, text, actor=System(), fingerprint="goods")
        stock.available, stock.reserved = units, reserved
        for item in (product.place(), stock):
            DATABASE.table("inventory").put(item.serialize())


class SoldStock:
    """The stock of the first product, of which each order takes one unit and nothing returns."""

    def __init__(self, units: int) -> None:
        self._units = units

    def note(self, change: Change) -> None:
        """Checks a change of any item: no shard has a negative number of units."""
        if change.table == "inventory" and change.new and "available" in change.new.item:
            for name in ("available", "reserved"):
                assert int(change.new.item[name]["N"]) >= 0, f"oversold: {change.new.item}"

    def check_sold_out(self) -> None:
        """Checks a refusal for short stock: no shard has a unit. A unit that is left now was left all the time."""
        assert self._sum("available") == 0, "an order was refused as short while units were left"

    def check_sum(self) -> None:
        """Checks that the units that are gone are those of the stored orders."""
        sold = len(DATABASE.table("orders").rows)
        assert self._sum("reserved") == sold == self._units - self._sum("available"), f"{sold} orders stored"

    def _sum(self, name: str) -> int:
        prefix = StockItem.key(product_id(0))[0].removesuffix("0")
        rows = DATABASE.table("inventory").rows.values()
        return sum(int(row.item[name]["N"]) for row in rows if row.item["pk"]["S"].startswith(prefix))


def register_users(number: int) -> None:
    """Stores that many customers."""
    for index in range(number):
        DATABASE.table("identity").put(new_user(user_id(index), "customer", START).serialize())


def order_of(*products: int) -> CreateOrderRequest:
    """Returns a request for one unit of each product."""
    items = [{"product_id": product_id(it), "quantity": 1} for it in products]
    return CreateOrderRequest.model_validate({"items": items, "shipping_address": _ADDRESS})


def lifecycle(products: tuple[int, ...], number: int) -> Iterator[Order]:
    """Creates, confirms, ships and delivers an order, and yields it after each of the four requests."""
    buyer = Buyer(user_id(number))
    order = service.place_order(order_of(*products), actor=buyer, account=buyer, key=f"key-{number}").value
    yield order
    yield moves.confirm_order(order.id, MoveRequest(MANAGER, EmptyRequest())).value
    yield moves.ship_order(order.id, MoveRequest(MANAGER, _SHIPMENT)).value
    yield moves.deliver_order(order.id, MoveRequest(MANAGER, EmptyRequest())).value


@cache
def _held_order() -> dict[str, Any]:
    state = DATABASE.state()
    stock_products(_LINES)
    with unlimited():
        buyer = Buyer(user_id(0))
        order = service.place_order(order_of(*range(_LINES)), actor=buyer, account=buyer, key="key").value
    DATABASE.become(state)
    return order.serialize()


def held_order(number: int, products: tuple[int, ...], ended: datetime) -> dict[str, Any]:
    """Returns the item of a pending order of these two products, whose hold ended at that time."""
    item = deepcopy(_held_order())
    placed = clock.timestamp(ended - settings().hold)
    item["id"] = {"S": f"O{number:019d}"}
    item["created_at"] = item["updated_at"] = {"S": placed}
    item["created_key"] = {"S": f"{placed}#{item['id']['S']}"}
    item["expires_at"] = {"S": clock.timestamp(ended)}
    for line, product in zip(item["lines"]["L"], products, strict=True):
        line["M"]["product_id"] = {"S": product_id(product)}
    return item


@cache
def _pattern() -> tuple[list[Record], list[dict[str, Any]]]:
    """Returns the stock records and the events of one order of two products, from creation to delivery."""
    state = DATABASE.state()
    stock_products(_LINES)
    mark = DATABASE.snapshot()
    with unlimited():
        list(lifecycle(tuple(range(_LINES)), 0))
    records = DATABASE.records(mark)
    events = [
        json.loads(event.text()) for event in registry.events_from_records(records) if event.type.startswith("order.")
    ]
    stock = [record for record in records if record["dynamodb"]["Keys"].get("sk", {}).get("S") == StockItem.key("")[1]]
    DATABASE.become(state)
    return stock, events


def events_of(number: int, products: tuple[int, ...], user: int) -> Iterator[str]:
    """Yields the four events of an order of these two products, as JSON."""
    for place, pattern in enumerate(deepcopy(_pattern()[1])):
        event, data = pattern, pattern["data"]
        event["id"] = event["id"][:TIME_LENGTH] + clock.encoded(4 * number + place, 16)
        data["id"], data["customer_id"] = f"O{number:019d}", user_id(user)
        for line, product in zip(data["items"], products, strict=True):
            line["product_id"] = product_id(product)
            line["category"] = f"Category {product % CATEGORIES}"
        yield json.dumps(event)


def stock_records_of(versions: dict[int, int], products: tuple[int, ...]) -> Iterator[Record]:
    """Yields the four records of the stock items of such an order: reserved twice, then shipped twice.

    `versions` has the version of each product's stock item so far.
    """
    for place, record in enumerate(deepcopy(_pattern()[0])):
        product = products[place % _LINES]
        versions[product] = versions.get(product, 1) + 1
        change = record["dynamodb"]
        change["Keys"]["pk"] = {"S": StockItem.key(product_id(product))[0]}
        for image, version in (("OldImage", versions[product] - 1), ("NewImage", versions[product])):
            change[image] |= {
                "pk": change["Keys"]["pk"],
                "product_id": {"S": product_id(product)},
                "version": {"N": str(version)},
            }
        yield record
