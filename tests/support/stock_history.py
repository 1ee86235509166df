"""Random histories of a small shop: stock items, their movements, and the orders and adjustments that cause them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from oms.stock_ledger.effects import NO_UNITS, ParsedMovement, RecordedEffect, Units, effects_from_order
from oms.stock_ledger.reconciliation import ZERO_BALANCE, Balance, ExcludedWindow, ProductLedger, StoredStock, digest_of

PRODUCTS = ("A", "B", "C")
NEVER = "~"
"""A time after all others."""


@dataclass
class Shop:
    """The times are numbers. Each write of stock adds a movement, as the bookkeeper does.

    `skew` is the error of the clock of the machine that writes.
    """

    moment: int = 0
    skew: int = 0
    opening: dict[str, int] = field(default_factory=dict)
    stored: dict[str, StoredStock] = field(default_factory=dict)
    movements: dict[str, list[ParsedMovement]] = field(default_factory=dict)
    orders: dict[str, Any] = field(default_factory=dict)
    adjustments: dict[str, RecordedEffect] = field(default_factory=dict)

    @classmethod
    def opened(cls, units: int = 20) -> "Shop":
        shop = cls()
        for product in PRODUCTS:
            shop.opening[product] = units
            shop.stored[product] = StoredStock(0, NO_UNITS, "", units)
            shop.movements[product] = []
            shop._write(product, product, 1, "product-created", Units(units, 0))
        return shop

    def order(self, quantities: dict[str, int]) -> str:
        order_id = f"O{len(self.orders)}"
        lines = [
            {"M": {"product_id": {"S": product}, "drawn": {"L": [{"M": {"shard": {"N": "0"}, "quantity": _n(units)}}]}}}
            for product, units in quantities.items()
        ]
        self.orders[order_id] = {"id": {"S": order_id}, "lines": {"L": lines}, "history": {"L": []}}
        self.enter(order_id, "pending", Units(-1, 1))
        return order_id

    def enter(self, order_id: str, to: str, effect: Units, *, restocked: bool | None = None) -> None:
        """A transition, with its effect on the stock for each unit."""
        self.moment += 1
        order = self.orders[order_id]
        entry: dict[str, Any] = {"to": {"S": to}, "at": {"S": self.now}, "actor_id": {"S": "ada"}}
        if restocked is not None:
            entry["restocked"] = {"BOOL": restocked}
        order["history"]["L"].append({"M": entry})
        if effect == NO_UNITS:
            return
        cause = f"order-{'created' if to == 'pending' else to}"
        for product, units in _quantities(order).items():
            moved = Units(effect.available * units, effect.reserved * units)
            self._write(product, order_id, len(order["history"]["L"]), cause, moved)

    def adjust(self, product: str, units: int, *, reserved: int = 0, cause: str = "adjusted") -> None:
        self.moment += 1
        ref = f"J{len(self.adjustments)}"
        movement = self._write(product, ref, 1, cause, Units(units, reserved))
        self.adjustments[ref] = movement.effect

    @property
    def now(self) -> str:
        return f"{max(0, self.moment + self.skew):06d}"

    def _write(self, product: str, ref: str, ref_version: int, cause: str, moved: Units) -> ParsedMovement:
        before = self.stored[product]
        after = before.units.plus(moved)
        effect = RecordedEffect(f"stock#{product}#0", ref, ref_version, cause, "ada", self.now, *moved)
        movement = ParsedMovement(before.version + 1, effect, before.units, after)
        self.movements[product].append(movement)
        self.stored[product] = StoredStock(movement.version, after, self.now, before.opening)
        return movement

    # ---- as a check sees it -----------------------------------------------------------------------------------------

    def ledger(self, product: str, base: Balance = ZERO_BALANCE, *, full: bool = True) -> ProductLedger:
        stock, since = f"stock#{product}#0", min(base.version, base.digest_version)
        movements = [movement for movement in self.movements[product] if movement.version > since]
        adjustments = {ref: effect for ref, effect in self.adjustments.items() if effect.stock == stock}
        return ProductLedger(product, stock, self.stored[product], base, movements, adjustments, full=full)

    def order_effects(self, product: str) -> Iterator[RecordedEffect]:
        for order in self.orders.values():
            yield from (effect for effect in effects_from_order(order) if effect.stock == f"stock#{product}#0")

    def order_digest(self, product: str, window: ExcludedWindow) -> int:
        return digest_of(self.order_effects(product), window)


def _quantities(order: Any) -> dict[str, int]:
    return {
        line["M"]["product_id"]["S"]: int(line["M"]["drawn"]["L"][0]["M"]["quantity"]["N"])
        for line in order["lines"]["L"]
    }


def _n(number: int) -> dict[str, str]:
    return {"N": str(number)}


MOVES: dict[str, list[tuple[str, Units, bool | None]]] = {
    "pending": [("confirmed", NO_UNITS, None), ("cancelled", Units(1, -1), None), ("expired", Units(1, -1), None)],
    "confirmed": [("shipped", Units(0, -1), None), ("cancelled", Units(1, -1), None)],
    "shipped": [("delivered", NO_UNITS, None), ("returned", Units(1, 0), True), ("returned", NO_UNITS, False)],
    "delivered": [("returned", Units(1, 0), True), ("returned", NO_UNITS, False)],
}

steps = st.lists(
    st.one_of(
        st.tuples(st.just("order"), st.dictionaries(st.sampled_from(PRODUCTS), st.integers(1, 3), min_size=1)),
        st.tuples(st.just("move"), st.integers(0, 50)),
        st.tuples(st.just("skew"), st.integers(-3, 3)),
        st.tuples(st.just("adjust"), st.tuples(st.sampled_from(PRODUCTS), st.integers(-5, 9).filter(bool))),
    ),
    max_size=25,
)


def play(shop: Shop, history: list[Any]) -> Shop:
    """Plays a history. Steps that are impossible in the current state do nothing."""
    for what, how in history:
        if what == "order":
            shop.order(how)
        elif what == "skew":
            shop.skew = how
        elif what == "adjust":
            shop.adjust(*how)
        else:
            movable = [it for it in shop.orders.values() if it["history"]["L"][-1]["M"]["to"]["S"] in MOVES]
            if movable:
                order = movable[how % len(movable)]
                ways = MOVES[order["history"]["L"][-1]["M"]["to"]["S"]]
                to, effect, restocked = ways[how % len(ways)]
                shop.enter(order["id"]["S"], to, effect, restocked=restocked)
    return shop
