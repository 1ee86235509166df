"""A shop that has grown: many copies of the items that one order, product, user, event … left in the tables.

The copies are of the same customer and product as far as a list shows them: the worst case of its route.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from oms.core import clock
from oms.events.envelope import event_id
from oms.feed.models import FeedRow, Head, Marker
from oms.inventory.models import Product, SkuClaim, StockItem
from oms.orders.models import customer_status, status_shard
from oms.stock_ledger.models import Movement
from tests.support.database import DATABASE, table

type Raw = dict[str, Any]
type Changes = Callable[[int], dict[str, str]]

# Of ten orders, in turn. The first of them are the newest.
STATUSES = ("delivered", "confirmed", "cancelled", "shipped", "returned", *["delivered"] * 5)
# Products, users, exports and readings of the audit log are fewer than orders.
ORDERS_PER_PRODUCT = 10


@dataclass
class Spent:
    """The DynamoDB calls of a context and the units that they consumed, those of indexes included."""

    calls: int = 0
    units: float = 0
    operations: list[str] = field(default_factory=list)


@contextmanager
def metered() -> Iterator[Spent]:
    """Counts the calls and units of this context. A refused transaction counts as a call without units."""
    spent, execute = Spent(), DATABASE.execute

    def counted(operation: str, request: Any) -> Any:
        spent.calls += 1
        spent.operations.append(operation)
        answer = execute(operation, {**request, "ReturnConsumedCapacity": "TOTAL"})
        consumed = answer["ConsumedCapacity"]
        spent.units += sum(it["CapacityUnits"] for it in (consumed if isinstance(consumed, list) else [consumed]))
        return answer

    vars(DATABASE)["execute"] = counted
    try:
        yield spent
    finally:
        del vars(DATABASE)["execute"]


def copy_of(item: Raw, changes: Changes) -> Callable[[int], Raw]:
    """Returns a function that builds the copy with a number: the raw item with other texts, without empty ones."""

    def build(number: int) -> Raw:
        copy = dict(item)
        for name, text in changes(number).items():
            if text:
                copy[name] = {"S": text}
            else:
                copy.pop(name, None)
        return copy

    return build


def grow(orders: int, *, order: str, product: str, subscription: str) -> None:
    """Fills the tables with copies of the items of this order, product and subscription, and of one user.

    Copies are built when they are read, and their times depend on the clock, so it must not move.
    """
    assert clock.now() == clock.now()
    _grow_orders(orders, order)
    _grow_movements(orders, product)
    _grow_products(orders // ORDERS_PER_PRODUCT, product)
    _grow_users(orders // ORDERS_PER_PRODUCT)
    _grow_audit_log(orders)
    _grow_feed(orders)
    _grow_reports(orders, order)
    _grow_deliveries(orders, subscription)


def _id(kind: str, place: int) -> str:
    return f"{kind}{place:019d}"


def _at(place: int) -> str:
    """Returns the time of a copy, one a minute, the newest first and older than the tests' own items."""
    return clock.timestamp(clock.now() - timedelta(minutes=place + 60))


def _grow_orders(number: int, order: str) -> None:
    customer = _the("orders", order)["customer_id"]["S"]

    def changes(place: int) -> dict[str, str]:
        order_id, at, status = _id("O", place), _at(place), STATUSES[place % len(STATUSES)]
        return {
            "id": order_id,
            "number": order_id,
            "status": status,
            "created_at": at,
            "created_key": f"{at}#{order_id}",
            "open_shard": status_shard(status, 0),
            "customer_status": customer_status(customer, status),
        }

    table("orders").load(number, copy_of(_the("orders", order), changes))
    _grow_terms(number, order)


def _grow_terms(number: int, order: str) -> None:
    """Adds terms of each kind: all orders have the SKU and the tracking number of this one."""
    created_key = _the("orders", order)["created_key"]["S"]
    for term in [it for it in table("search").items() if it["sk"]["S"] == created_key]:
        table("search").load(number, copy_of(term, lambda place: {"sk": f"{_at(place)}#{_id('O', place)}"}))


def _grow_products(number: int, product: str) -> None:
    def named(place: int) -> dict[str, str]:
        return {"sku": f"SKU-{place}-copy", "name": f"Hammer {place}"}

    def products(place: int) -> dict[str, str]:
        product_id, at = _id("P", place), _at(place)
        keys = {
            "pk": Product.key(product_id)[0],
            "id": product_id,
            "created_at": at,
            "name_key": f"hammer {place}\0{product_id}",
            "sku_key": f"sku-{place}-copy\0{product_id}",
            "price_key": f"{place + 1000:013d}#{product_id}",
            "created_key": f"{at}#{product_id}",
        }
        return keys | named(place)

    def stocks(place: int) -> dict[str, str]:
        product_id = _id("P", place)
        return {"pk": StockItem.key(product_id)[0], "product_id": product_id} | named(place)

    def claims(place: int) -> dict[str, str]:
        return {"pk": SkuClaim.key(named(place)["sku"])[0], "product_id": _id("P", place)}

    claim = _the("inventory", *SkuClaim.key(_the("inventory", *Product.key(product))["sku"]["S"]))
    table("inventory").load(number, copy_of(_the("inventory", *Product.key(product)), products))
    table("inventory").load(number, copy_of(_the("inventory", *StockItem.key(product)), stocks))
    table("inventory").load(number, copy_of(claim, claims))


def _grow_movements(number: int, product: str) -> None:
    partition = StockItem.key(product)[0]
    # The versions of the shop's own movements are below a hundred.
    movement = next(
        it for it in table("inventory").items() if it["pk"]["S"] == partition and "movement" in it["sk"]["S"]
    )

    def changes(place: int) -> dict[str, str]:
        return {"sk": Movement.sort_key(100 + place), "at": _at(number - place)}

    table("inventory").load(number, copy_of(movement, changes))


def _grow_users(number: int) -> None:
    def changes(place: int) -> dict[str, str]:
        user_id = _id("U", place)
        email = f"user{place}@example.com"
        return {"pk": f"user#{user_id}", "id": user_id, "email": email, "email_folded": email, "email_key": email}

    user = next(it for it in table("identity").items() if it.get("role") == {"S": "customer"} and "email" in it)
    table("identity").load(number, copy_of(user, changes))


def _grow_audit_log(number: int) -> None:
    actions = ("login", "logout")
    entries = [it for it in table("audit").items() if it.get("kind") == {"S": "entry"}]

    def changes(place: int) -> dict[str, str]:
        at, key = _at(place), _id("A", place)
        own = {"pk": f"day#{at[:10]}", "sk": f"{at}#{key}", "at": at, "id": key}
        return own | {"action": actions[place % 2], "actor_id": "ada"}

    table("audit").load(number, copy_of(entries[0], changes))


def _grow_feed(number: int) -> None:
    """Adds rows before the existing ones, which move to the end of the log."""
    events = table("events")
    rows = [it for it in events.items() if it["kind"] == {"S": "row"}]
    head = events.get(*Head.key())
    assert head
    last = int(head["position"]["N"])

    def at_position(place: int) -> dict[str, str]:
        pk, sk = FeedRow.key(last + 1 + place)
        return {"pk": pk, "sk": sk, "event_id": event_id("order.created", _at(0), "copy", place)}

    def marked(place: int) -> dict[str, str]:
        return {"pk": Marker.key(at_position(place)["event_id"])[0]}

    marker = next(it for it in events.items() if it["kind"] == {"S": "marker"})
    events.load(number, copy_of(rows[0], at_position))
    events.load(number, copy_of(marker, marked))
    events.change(*Head.key(), position={"N": str(last + number)})


def _grow_reports(number: int, order: str) -> None:
    reports = table("reports").items()
    applied = next(it for it in reports if order in it["pk"]["S"])
    export = next(it for it in reports if it["kind"] == {"S": "export"})

    def exports(place: int) -> dict[str, str]:
        export_id, at = _id("E", place), _at(place)
        return {"pk": f"export#{export_id}", "id": export_id, "created_at": at, "created_key": f"{at}#{export_id}"}

    def contributors(place: int) -> dict[str, str]:
        return {"pk": applied["pk"]["S"].replace(order, _id("O", place))}

    table("reports").load(number, copy_of(applied, contributors))
    table("reports").load(number // ORDERS_PER_PRODUCT, copy_of(export, exports))


def _grow_deliveries(number: int, subscription: str) -> None:
    def changes(place: int) -> dict[str, str]:
        delivery_id, at = f"{_at(place)}#{place:09d}", _at(place)
        return {"sk": f"delivery#{delivery_id}", "id": delivery_id, "created_at": at, "event_id": _id("V", place)}

    # The largest, since their sizes differ by event and their order is that of random ids.
    delivery = max(
        (
            it
            for it in table("webhooks").items()
            if it["kind"] == {"S": "delivery"} and it["pk"]["S"].endswith(subscription)
        ),
        key=lambda it: len(str(it)),
    )
    table("webhooks").load(number, copy_of(delivery, changes))


def _the(name: str, *key: str) -> Raw:
    item = table(name).get(*key)
    assert item, key
    return item
