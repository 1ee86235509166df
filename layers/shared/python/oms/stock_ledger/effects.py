"""What is said about a movement of stock, by its cause and by the stock book: both sides in one form, to be compared.

Raw items are read here, as DynamoDB writes them: a check reads millions, and what was tampered with may lack anything.
"""

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

from oms.inventory.models import StockItem
from oms.orders.states import OrderStatus, stock_effect

type RawItem = Mapping[str, Any]

WRAP = 1 << 64
"""Digests are added up modulo this, so that order does not matter and parts can be added at any time."""

UNREADABLE = (KeyError, TypeError, ValueError, AttributeError)
"""What reading an item that somebody has damaged may raise."""


class Units(NamedTuple):
    available: int
    reserved: int

    def plus(self, other: "Units") -> "Units":
        return Units(self.available + other.available, self.reserved + other.reserved)

    def minus(self, other: "Units") -> "Units":
        return Units(self.available - other.available, self.reserved - other.reserved)


NOTHING = Units(0, 0)


class Fact(NamedTuple):
    """By how much the stock item with the partition key `stock` moved, when, why and by whom.

    An order's history, an adjustment and a movement of the book agree when they state the same fact.
    """

    stock: str
    ref: str
    ref_version: int
    cause: str
    actor: str
    at: str
    available: int
    reserved: int

    @property
    def key(self) -> tuple[str, int]:
        return self.ref, self.ref_version

    @property
    def units(self) -> Units:
        return Units(self.available, self.reserved)

    @property
    def of_order(self) -> bool:
        return self.cause.startswith("order-")

    @property
    def digest(self) -> int:
        text = "\0".join(map(str, self))
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())


class Line(NamedTuple):
    """A movement of the book."""

    version: int
    fact: Fact
    before: Units
    after: Units


def of_order(order: RawItem) -> Iterator[Fact]:
    """How each transition of an order's history moved each stock item that it was drawn from."""
    drawn: dict[str, int] = {}
    for line in order["lines"]["L"]:
        product_id = line["M"]["product_id"]["S"]
        for draw in line["M"]["drawn"]["L"]:
            stock, _ = StockItem.key(product_id, int(draw["M"]["shard"]["N"]))
            drawn[stock] = drawn.get(stock, 0) + int(draw["M"]["quantity"]["N"])
    for number, item in enumerate(order["history"]["L"], 1):
        entry = item["M"]
        status = OrderStatus(entry["to"]["S"])
        effect = stock_effect(status, restocked=bool(entry.get("restocked", {}).get("BOOL")))
        if not effect:
            continue
        name = "created" if status is OrderStatus.PENDING else status
        for stock, units in drawn.items():
            yield Fact(
                stock=stock,
                ref=order["id"]["S"],
                ref_version=number,
                cause=f"order-{name}",
                actor=entry["actor_id"]["S"],
                at=entry["at"]["S"],
                available=effect.available * units,
                reserved=effect.reserved * units,
            )


def of_adjustment(item: RawItem) -> Fact:
    """An adjustment by hand, or a repair, which moves what is reserved as well."""
    repair = "reserved" in item
    return Fact(
        stock=StockItem.key(item["product_id"]["S"])[0],
        ref=item["id"]["S"],
        ref_version=1,
        cause="repaired" if repair else "adjusted",
        actor=item["actor"]["S"],
        at=item["at"]["S"],
        available=int(item["adjustment"]["N"]),
        reserved=int(item["reserved"]["N"]) if repair else 0,
    )


def line_of(item: RawItem) -> Line:
    before = Units(int(item["available_before"]["N"]), int(item["reserved_before"]["N"]))
    after = Units(int(item["available_after"]["N"]), int(item["reserved_after"]["N"]))
    return Line(
        version=int(item["version"]["N"]),
        fact=Fact(
            stock=item["pk"]["S"],
            ref=item["ref"]["S"],
            ref_version=int(item["ref_version"]["N"]),
            cause=item["cause"]["S"],
            actor=item["actor"]["S"],
            at=item["at"]["S"],
            available=after.available - before.available,
            reserved=after.reserved - before.reserved,
        ),
        before=before,
        after=after,
    )
