"""Every mix of cancellation reasons that an order's transaction can get, and the designed answer to each.

A mix is more than a list of codes: the items in the table agree with its reasons, so that an attempt whose transaction
is carried out gets the same reasons.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oms.inventory.models import StockItem
from oms.orders import service
from tests.support.aws_calls import Call, Plan, intercepted
from tests.support.database import table
from tests.support.faults import Reason, cancelled, timed_out
from tests.support.invocation import Answer
from tests.support.shop import Shop, new_process, stock_of

PUTS = ("none", "same", "other", "conflict", "throttled")
LINES = ("none", "unknown", "inactive", "stale", "short", "conflict", "throttled")
_PASSING = {"conflict": "TransactionConflict", "throttled": "ThrottlingError"}
QUANTITY = 3


@dataclass(frozen=True)
class Mix:
    """Reasons for the order's put and for each line, at the first transaction or at all of them (`persistent`).

    `stored`: an order created earlier under this key by the "same" request or an "other" one; without a key, by an
    earlier attempt of this request whose answer was lost. With `repeated`, each product is in the request twice.
    """

    put: str
    lines: tuple[str, ...]
    keyed: bool
    persistent: bool
    stored: str | None = None
    repeated: bool = False


def stored_before(put: str, *, keyed: bool) -> Sequence[str | None]:
    """Returns the orders that the table may have when the put gets this reason (or none).

    Even if the reason is not an existing order, an equal request may commit before the next read. Without a key no
    other request has the id.
    """
    if put == "same":
        return ["same"]
    if put == "other":
        return ["other"] if keyed else []
    if keyed:
        return [None, "same", "other"]
    return [None] if put == "none" else [None, "same"]


def mixes(puts: Sequence[str], lines: Sequence[tuple[str, ...]], *, keyed: bool, persistent: bool) -> Iterator[Mix]:
    for put in puts:
        for stored in stored_before(put, keyed=keyed):
            yield from (Mix(put, combination, keyed, persistent, stored) for combination in lines)


@dataclass(frozen=True)
class Expected:
    status: int
    code: str | None = None
    positions: tuple[int, ...] = ()
    """Of the lines that the rejection names."""


def designed(mix: Mix) -> Expected:
    """Returns the answer by the design alone: an order that exists, then the order's own reason, then those of the
    lines.
    """
    if mix.stored == "same":
        return Expected(201)
    if mix.stored == "other":
        return Expected(422, "idempotency-key-reused")
    if mix.persistent and mix.put in _PASSING:
        return Expected(503, "unavailable")
    not_on_sale = tuple(n for n, line in enumerate(mix.lines) if line in ("unknown", "inactive"))
    if not_on_sale:
        return Expected(422, "unknown-product", not_on_sale)
    short = tuple(n for n, line in enumerate(mix.lines) if line == "short")
    if short:
        return Expected(409, "insufficient-stock", short)
    if mix.persistent and set(mix.lines) & {"stale", *_PASSING}:
        return Expected(503, "unavailable")
    return Expected(201)


@dataclass
class OrderRequest:
    """A request for an order, whose transactions get the reasons of a mix."""

    shop: Shop
    mix: Mix
    products: list[str] = field(default_factory=list)
    stored_id: str | None = None

    def send(self) -> Answer:
        for name in ("orders", "inventory"):
            table(name).clear()
        self.shop.units.clear()
        new_process()
        self.products = [self.shop.product(10) for _ in self.mix.lines]
        for product in self.products:
            service.OFFERS.learn(stock_of(product))
        if self.mix.keyed and self.mix.stored:
            quantity = QUANTITY if self.mix.stored == "same" else 1
            self.stored_id = self._post(quantity).json["id"]
        if self.mix.keyed:
            self._befall()
        with intercepted(self._plan()):
            return self._post(QUANTITY)

    def requested(self) -> int:
        return QUANTITY + 1 if self.mix.repeated else QUANTITY

    def _post(self, quantity: int) -> Answer:
        items = [{"product_id": product, "quantity": quantity} for product in self.products]
        if self.mix.repeated:
            items += [{"product_id": product, "quantity": 1} for product in self.products]
        return self.shop.post("/api/v1/orders", {"items": items}, key="k" if self.mix.keyed else None)

    def _plan(self) -> Plan:
        loses_first = not self.mix.keyed and self.mix.stored is not None
        seen = 0

        def plan(call: Call) -> Any:
            nonlocal seen
            if call.operation != "TransactWriteItems":
                return call.send()
            seen += 1
            if not self.mix.keyed and seen == 1:
                if loses_first:
                    call.send()
                    self.stored_id = call.parameters["TransactItems"][0]["Put"]["Item"]["id"]["S"]
                self._befall()
                if loses_first:
                    raise timed_out(call)
            first = 2 if loses_first else 1
            reasons = self._reasons()
            if (seen == first or self.mix.persistent) and any(reason.code != "None" for reason in reasons):
                raise cancelled(reasons)
            return call.send()

        return plan

    def _befall(self) -> None:
        """Changes the products so that the lines' reasons are true."""
        for product, line in zip(self.products, self.mix.lines, strict=True):
            stock = stock_of(product)
            if line == "unknown":
                stock.delete()
                continue
            if line == "inactive":
                stock.status, stock.offer = "archived", stock.offer + 1
            elif line == "stale":
                stock.price, stock.offer = stock.price + 100, stock.offer + 1
            elif line == "short":
                stock.available = self.requested() - 1
            table("inventory").put(stock.serialize())

    def _reasons(self) -> list[Reason]:
        return [self._put_reason(), *map(self._line_reason, self.products, self.mix.lines)]

    def _put_reason(self) -> Reason:
        if self.mix.put in ("same", "other"):
            (item,) = table("orders").items()
            return Reason("ConditionalCheckFailed", item)
        return Reason(_PASSING.get(self.mix.put, "None"))

    def _line_reason(self, product: str, line: str) -> Reason:
        if line == "none" or line in _PASSING:
            return Reason(_PASSING.get(line, "None"))
        return Reason("ConditionalCheckFailed", None if line == "unknown" else _image(stock_of(product)))


def _image(stock: StockItem) -> Mapping[str, Any]:
    image: Mapping[str, Any] = stock.serialize()
    return image
