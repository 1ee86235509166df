"""F1, F7, F12: random operations on a product with several shards, each with another one in the middle of its calls."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oms.core import clock, pseudonyms
from oms.core.actors import Actor
from oms.core.errors import InsufficientStockError, InvalidTransitionError, StockReservedError
from oms.core.schemas import EmptyRequest
from oms.core.versions import ExpectedVersion
from oms.inventory import adjustments, counts, resharding, shard_snapshots
from oms.inventory import service as products
from oms.inventory.schemas import UpdateProductRequest
from oms.inventory.stock_schemas import AdjustStockRequest, CountStockRequest
from oms.orders import moves, service
from oms.orders.moves import MoveRequest
from oms.orders.schemas import CancelRequest, CreateOrderRequest, ReturnRequest, ShipRequest
from tests.support.aws_calls import intercepted
from tests.support.database import DATABASE
from tests.support.examples import examples
from tests.support.faults import between
from tests.support.ledger_shop import LedgerShop
from tests.support.open_order_counts import user_of
from tests.support.shop import new_process, shards_of, stock_of
from tests.support.stock_sums import assert_summed_up

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

ANY_VERSION = ExpectedVersion()
# With few units, orders are refused often.
UNITS = (5, 24)


@dataclass
class Sale:
    """One product, and the operations on it."""

    product: str
    manager: Actor
    buyer: Any
    orders: list[str] = field(default_factory=list)
    # The available units of all shards and their prices, before each operation and now. While an edit copies its price
    # to the shards, some sell at the old one.
    seen: list[tuple[int, set[int]]] = field(default_factory=list)
    # The reserved units at the same moments.
    reserved: list[int] = field(default_factory=list)
    # The units on hand before and after the operation that ran in the middle of the last one, and its name.
    meanwhile: tuple[int, int, str] | None = None

    def note(self) -> None:
        shards = shards_of(self.product)
        self.reserved.append(sum(shard.reserved for shard in shards))
        self.seen.append((sum(shard.available for shard in shards), {shard.price for shard in shards}))

    def buy(self, quantity: int) -> None:
        request = CreateOrderRequest.model_validate({"items": [{"product_id": self.product, "quantity": quantity}]})
        started = len(self.seen) - 1
        try:
            order = service.place_order(request, actor=self.buyer, account=self.buyer, key=None).value
        except InsufficientStockError as error:
            (short,) = error.extra["shortfalls"]
            assert short["available"] in {available for available, _ in self.seen[started:]}
            assert short["available"] < quantity
        else:
            self.orders.append(order.id)
            assert order.lines[0].unit_price in set().union(*(prices for _, prices in self.seen[started:]))

    def move(self, number: int) -> None:
        """Makes one or two possible moves of an order: all of them return units to sale, except for shipping."""
        if not self.orders:
            return
        order_id = self.orders[number % len(self.orders)]
        move = MoveRequest(self.manager, EmptyRequest())
        try:
            if number % 7 == 6:
                moves.expire_order(order_id, now=clock.now() + timedelta(hours=1))
            elif number % 3 == 0:
                moves.cancel_order(order_id, MoveRequest(self.manager, CancelRequest()))
            elif number % 3 == 1:
                moves.confirm_order(order_id, move)
                moves.ship_order(order_id, MoveRequest(self.manager, ShipRequest(carrier="DHL", tracking_number="1")))
            else:
                moves.return_order(order_id, MoveRequest(self.manager, ReturnRequest()))
        except InvalidTransitionError:
            pass

    def adjust(self, units: int) -> None:
        started = len(self.seen) - 1
        request = AdjustStockRequest(adjustment=units, reason="counted")
        try:
            adjustments.adjust_stock(self.product, request, actor=self.manager, key=None)
        except InsufficientStockError:
            assert min(available for available, _ in self.seen[started:]) + units < 0

    def count(self, on_hand: int) -> None:
        """Counts. An operation in the middle came before the count, or its change of the units on hand after it."""
        started = len(self.reserved) - 1
        request = CountStockRequest(on_hand=on_hand, reason="counted")
        try:
            counts.count_stock(self.product, request, actor=self.manager, key=None)
        except StockReservedError:
            assert max(self.reserved[started:]) > on_hand
        else:
            possible = {on_hand}
            if self.meanwhile:
                before, after, name = self.meanwhile
                possible.add(after if name == "count" else on_hand + after - before)
            assert self.on_hand() in possible

    def on_hand(self) -> int:
        return sum(shard.available + shard.reserved for shard in shards_of(self.product))

    def reshard(self, count: int) -> None:
        resharding.set_shards(self.product, count, actor=self.manager, expected_version=ANY_VERSION)

    def reprice(self, price: int) -> None:
        request = UpdateProductRequest.model_validate({"price": price})
        products.update_product(
            self.product, request, actor=self.manager, address="198.51.100.1", expected_version=ANY_VERSION
        )

    def begin_process(self, _: int) -> None:
        new_process()


@dataclass(frozen=True)
class Act:
    """An operation with its argument, and another in the middle: just before or after one of its AWS calls."""

    name: str
    argument: int
    number: int = 0
    after: bool = False
    other: "Act | None" = None

    def run(self, sale: Sale) -> None:
        sale.note()
        sale.meanwhile = None
        if self.other is None:
            self._run(sale)
        else:
            other = self.other

            def interfere() -> None:
                before = sale.on_hand()
                other.run(sale)
                sale.note()
                sale.meanwhile = before, sale.on_hand(), other.name

            with intercepted(between(self.number, interfere, after=self.after)):
                self._run(sale)

    def _run(self, sale: Sale) -> None:
        getattr(sale, self.name)(self.argument)


def acts(other: st.SearchStrategy[Any]) -> st.SearchStrategy[Act]:
    def of(name: str, arguments: st.SearchStrategy[int]) -> st.SearchStrategy[Act]:
        return st.builds(Act, st.just(name), arguments, st.integers(1, 12), st.booleans(), other)

    return st.one_of(
        of("buy", st.integers(1, 12)),
        of("move", st.integers(0, 30)),
        of("adjust", st.integers(-15, 15).filter(bool)),
        of("count", st.integers(0, 30)),
        of("reshard", st.integers(1, 6)),
        of("reprice", st.integers(1, 9)),
        of("begin_process", st.just(0)),
    )


@pytest.mark.timeout(600)
def test_f01_every_unit_is_accounted_for_with_any_operation_in_between(
    ledger_shop: LedgerShop, person: Callable[..., Any], no_sleep: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In half of the examples, two shards are enough for stored snapshots."""
    shop = ledger_shop.shop
    pseudonyms.KEYS.get()  # before any plan, as `_keys_are_loaded` does
    buyer = user_of(shop.manager)
    state = DATABASE.state()

    @settings(
        max_examples=examples(100),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.differing_executors],
    )
    @given(
        st.integers(1, 5),
        st.sampled_from([2, 16]),
        st.sampled_from(UNITS),
        st.lists(acts(st.none() | acts(st.none())), min_size=1, max_size=8),
        st.randoms(),
    )
    def run(shards: int, shards_per_item: int, units: int, planned: Sequence[Act], _: random.Random) -> None:
        monkeypatch.setattr(shard_snapshots, "_SHARDS_PER_ITEM", shards_per_item)
        DATABASE.become(state)
        ledger_shop.records.clear()
        ledger_shop.processed = 0
        ledger_shop.products.clear()
        new_process()
        sale = Sale(ledger_shop.create(units), shop.manager, buyer)
        sale.reshard(shards)
        for act in planned:
            act.run(sale)
            assert all(shard.available >= 0 and shard.reserved >= 0 for shard in shards_of(sale.product))
        assert len({(shard.offer, shard.price) for shard in shards_of(sale.product)}) == 1
        sell_the_rest(sale)
        ledger_shop.run_bookkeeper()
        assert_summed_up()
        check = ledger_shop.check(full=True)
        assert (check.drifted, check.unsettled) == (0, 0), ledger_shop.drifts()

    run()


def sell_the_rest(sale: Sale) -> None:
    """All units that are left can be sold, and no more."""
    left, orders = stock_of(sale.product).available, len(sale.orders)
    for quantity in (left, 1):
        if quantity:
            sale.note()
            sale.buy(quantity)
    assert len(sale.orders) == orders + bool(left)
    assert stock_of(sale.product).available == 0
