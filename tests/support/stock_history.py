"""Random histories of a small shop: stock items, their movements, and the orders and adjustments behind them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from oms.stock_ledger.effects import NOTHING, Fact, Line, Units, of_order
from oms.stock_ledger.reconciliation import BEGINNING, Account, Balance, Stored, Window, digest_of

PRODUCTS = ("A", "B", "C")
NEVER = "~"
"""A time after every time."""


@dataclass
class Shop:
    """The moments are numbered; each write of stock adds a movement, as the bookkeeper does.

    `skew` is by how much the clock of the machine is wrong that writes now.
    """

    moment: int = 0
    skew: int = 0
    opening: dict[str, int] = field(default_factory=dict)
    stored: dict[str, Stored] = field(default_factory=dict)
    lines: dict[str, list[Line]] = field(default_factory=dict)
    orders: dict[str, Any] = field(default_factory=dict)
    records: dict[str, Fact] = field(default_factory=dict)

    @classmethod
    def opened(cls, units: int = 20) -> "Shop":
        shop = cls()
        for product in PRODUCTS:
            shop.opening[product] = units
            shop.stored[product] = Stored(0, NOTHING, "", units)
            shop.lines[product] = []
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
        """A transition, with what it does to the stock for each unit."""
        self.moment += 1
        order = self.orders[order_id]
        entry: dict[str, Any] = {"to": {"S": to}, "at": {"S": self.now}, "actor_id": {"S": "ada"}}
        if restocked is not None:
            entry["restocked"] = {"BOOL": restocked}
        order["history"]["L"].append({"M": entry})
        if effect == NOTHING:
            return
        cause = f"order-{'created' if to == 'pending' else to}"
        for product, units in _quantities(order).items():
            moved = Units(effect.available * units, effect.reserved * units)
            self._write(product, order_id, len(order["history"]["L"]), cause, moved)

    def adjust(self, product: str, units: int, *, reserved: int = 0, cause: str = "adjusted") -> None:
        self.moment += 1
        ref = f"J{len(self.records)}"
        line = self._write(product, ref, 1, cause, Units(units, reserved))
        self.records[ref] = line.fact

    @property
    def now(self) -> str:
        return f"{max(0, self.moment + self.skew):06d}"

    def _write(self, product: str, ref: str, ref_version: int, cause: str, moved: Units) -> Line:
        before = self.stored[product]
        after = before.units.plus(moved)
        fact = Fact(f"stock#{product}#0", ref, ref_version, cause, "ada", self.now, *moved)
        line = Line(before.version + 1, fact, before.units, after)
        self.lines[product].append(line)
        self.stored[product] = Stored(line.version, after, self.now, before.opening)
        return line

    # ---- as a check sees it -----------------------------------------------------------------------------------------

    def account(self, product: str, base: Balance = BEGINNING, *, full: bool = True) -> Account:
        lines = [line for line in self.lines[product] if line.version > min(base.version, base.digest_version)]
        records = {ref: fact for ref, fact in self.records.items() if fact.stock == f"stock#{product}#0"}
        return Account(product, f"stock#{product}#0", self.stored[product], base, lines, records, full=full)

    def facts(self, product: str) -> Iterator[Fact]:
        for order in self.orders.values():
            yield from (fact for fact in of_order(order) if fact.stock == f"stock#{product}#0")

    def entered(self, product: str, window: Window) -> int:
        return digest_of(self.facts(product), window)


def _quantities(order: Any) -> dict[str, int]:
    return {
        line["M"]["product_id"]["S"]: int(line["M"]["drawn"]["L"][0]["M"]["quantity"]["N"])
        for line in order["lines"]["L"]
    }


def _n(number: int) -> dict[str, str]:
    return {"N": str(number)}


MOVES: dict[str, list[tuple[str, Units, bool | None]]] = {
    "pending": [("confirmed", NOTHING, None), ("cancelled", Units(1, -1), None), ("expired", Units(1, -1), None)],
    "confirmed": [("shipped", Units(0, -1), None), ("cancelled", Units(1, -1), None)],
    "shipped": [("delivered", NOTHING, None), ("returned", Units(1, 0), True), ("returned", NOTHING, False)],
    "delivered": [("returned", Units(1, 0), True), ("returned", NOTHING, False)],
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


def live(shop: Shop, history: list[Any]) -> Shop:
    """Plays a history; steps that make no sense as things are do nothing."""
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
