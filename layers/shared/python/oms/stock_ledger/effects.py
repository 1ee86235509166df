"""Effects on stock that orders, adjustments and movements record, in one form, so that they can be compared.

The functions read raw DynamoDB items: a check reads millions, and a damaged item may lack any attribute.
"""

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

from oms.inventory.models import StockItem
from oms.orders.states import OrderStatus, stock_effect

type RawItem = Mapping[str, Any]

DIGEST_MODULUS = 1 << 64
"""The modulus of sums of digests. The order of the addends does not matter, and parts can be added at any time."""

UNREADABLE_ERRORS = (KeyError, TypeError, ValueError, AttributeError)
"""The errors that a damaged item may cause."""


class Units(NamedTuple):
    available: int
    reserved: int

    def plus(self, other: "Units") -> "Units":
        return Units(self.available + other.available, self.reserved + other.reserved)

    def minus(self, other: "Units") -> "Units":
        return Units(self.available - other.available, self.reserved - other.reserved)


NO_UNITS = Units(0, 0)


class RecordedEffect(NamedTuple):
    """One change of a stock item: the added units, the time, the cause and the actor.

    `stock` is the stock item's partition key, and `ref` the id of the order, adjustment or product. A movement and its
    cause agree if they record equal effects.
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
    def is_from_order(self) -> bool:
        return self.cause.startswith("order-")

    @property
    def digest(self) -> int:
        """A hash of the effect, of 64 bits."""
        text = "\0".join(map(str, self))
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())


class ParsedMovement(NamedTuple):
    """A movement in the form that checks use: its effect, and the units before and after it."""

    version: int
    effect: RecordedEffect
    before: Units
    after: Units


def effects_from_order(order: RawItem) -> Iterator[RecordedEffect]:
    """Yields the effect of each transition of an order on each stock item from which the order has units."""
    allocated: dict[str, int] = {}
    for line in order["lines"]["L"]:
        product_id = line["M"]["product_id"]["S"]
        for allocation in line["M"]["drawn"]["L"]:
            stock, _ = StockItem.key(product_id, int(allocation["M"]["shard"]["N"]))
            allocated[stock] = allocated.get(stock, 0) + int(allocation["M"]["quantity"]["N"])
    for number, item in enumerate(order["history"]["L"], 1):
        entry = item["M"]
        if "changed" in entry:
            continue  # an edit, which changes no stock
        status = OrderStatus(entry["to"]["S"])
        per_unit = stock_effect(status, restocked=bool(entry.get("restocked", {}).get("BOOL")))
        if not per_unit:
            continue
        name = "created" if status is OrderStatus.PENDING else status
        for stock, units in allocated.items():
            yield RecordedEffect(
                stock=stock,
                ref=order["id"]["S"],
                ref_version=number,
                cause=f"order-{name}",
                actor=entry["actor_id"]["S"],
                at=entry["at"]["S"],
                available=per_unit.available * units,
                reserved=per_unit.reserved * units,
            )


def effects_from_adjustment(item: RawItem) -> list[RecordedEffect]:
    """Returns the effect of an adjustment, a repair or a change of shards on each changed stock item.

    Only a repair changes reserved units, and has one part. Raises ValueError if the parts do not add up.
    """
    is_repair, total = "reserved" in item, int(item["adjustment"]["N"])
    parts = {0: total}
    if "parts" in item:
        listed = [part["M"] for part in item["parts"]["L"]]
        parts = {int(part["shard"]["N"]): int(part["units"]["N"]) for part in listed}
        if sum(parts.values()) != total or len(parts) != len(listed):
            raise ValueError("the parts of an adjustment do not add up to its units")
    return [
        RecordedEffect(
            stock=StockItem.key(item["product_id"]["S"], shard)[0],
            ref=item["id"]["S"],
            ref_version=1,
            cause=item["cause"]["S"] if "cause" in item else "repaired" if is_repair else "adjusted",
            actor=item["actor"]["S"],
            at=item["at"]["S"],
            available=units,
            reserved=int(item["reserved"]["N"]) if is_repair else 0,
        )
        for shard, units in parts.items()
    ]


def parse_movement(item: RawItem) -> ParsedMovement:
    before = Units(int(item["available_before"]["N"]), int(item["reserved_before"]["N"]))
    after = Units(int(item["available_after"]["N"]), int(item["reserved_after"]["N"]))
    effect = RecordedEffect(
        stock=item["pk"]["S"],
        ref=item["ref"]["S"],
        ref_version=int(item["ref_version"]["N"]),
        cause=item["cause"]["S"],
        actor=item["actor"]["S"],
        at=item["at"]["S"],
        available=after.available - before.available,
        reserved=after.reserved - before.reserved,
    )
    return ParsedMovement(int(item["version"]["N"]), effect, before, after)
