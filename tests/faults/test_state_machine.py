"""F9: random operations on the API and on a model of it, compared at every step.

`STATE_MACHINE_SEED=… pytest tests/faults/test_state_machine.py` repeats a run: the seed is printed with a failure.
"""

import itertools
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from inventory import handler as inventory
from oms.core import clock
from oms.core.settings import settings as oms_settings
from oms.orders import expiry, service
from orders import handler as orders
from tests.support.aws_calls import Call, intercepted
from tests.support.database import table
from tests.support.examples import examples, first_seed
from tests.support.invocation import Answer, Person, invoke
from tests.support.shop import Shop, new_process, orders_stored, stock_of
from tests.support.shop_model import HOLD, MOVES, Expected, Model

SEED = first_seed("STATE_MACHINE_SEED")
REQUESTS = examples(10_000)

# Of one round.
LIMITS = settings(
    max_examples=30,
    stateful_step_count=40,
    database=None,
    suppress_health_check=list(HealthCheck),
)

KEYS = st.sampled_from([None, None, "k1", "k2", "k3"])
BUYERS = st.sampled_from(["alice", "alice", "bob", "manager"])
PICK = st.integers(0, 1000)


class OrderMachine(RuleBasedStateMachine):
    """The API in process. Each rule asks the model, then the API, and compares the answer and the stored state."""

    people: dict[str, Person]
    calls: list[Call]
    start: datetime
    now: datetime
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.again: list[Callable[[], None]] = []
        for name in ("orders", "inventory"):
            table(name).clear()
        self.calls.clear()
        new_process()
        self.shop = Shop(self.people["alice"], self.people["manager"])
        type(self).now = self.start
        for number in range(2):
            self.create_product(number, 10, None)

    def _send(
        self, function: Any, method: str, path: str, body: Any, who: str, key: str | None, **headers: str
    ) -> Answer:
        type(self).steps += 1
        type(self).now += timedelta(seconds=1)
        sent = headers | ({"Idempotency-Key": key} if key else {})
        return invoke(function, method, f"/api/v1/{path}", body, token=self.people[who].token, headers=sent)

    def _pick[T](self, among: dict[str, T], number: int) -> str:
        return list(among)[number % len(among)]

    def _repeatable(self, key: str | None, act: Callable[[], None], otherwise: Callable[[], None]) -> None:
        """Stores a request with a key, and the same with another body, for `repeat`."""
        act()
        if key is not None:
            self.again += [act, otherwise]

    # ---- products -------------------------------------------------------------------------------------------------

    @rule(number=st.integers(0, 4), stock=st.integers(0, 12), key=KEYS)
    def create_product(self, number: int, stock: int, key: str | None) -> None:
        def act(price: int = 5) -> None:
            sku = f"Sku-{number}" if price % 2 else f"sKU-{number}"
            body = {"sku": sku, "name": "Saw", "category": "Tools", "price": price, "stock": stock}
            expected, made = self.model.create_product(body, key)
            answer = self._send(inventory, "POST", "inventory/products", body, "manager", key)
            check(answer, expected)
            if expected == Expected(201):
                self.model.product_made(body, key, answer.json["id"])
            elif expected.replayed:
                assert answer.json["id"] == made

        self._repeatable(key, act, lambda: act(6))

    @rule(
        pick=PICK,
        price=st.integers(1, 3),
        archived=st.sampled_from([False, False, True]),
        match=st.sampled_from(["none", "none", "current", "stale"]),
    )
    def edit_product(self, pick: int, price: int, archived: bool, match: str) -> None:
        product_id = self._pick(self.model.products, pick)
        product = self.model.products[product_id]
        if_match = {"none": None, "current": product.version, "stale": product.version + 1}[match]
        status = "archived" if archived else "active"
        body = {"sku": product.sku, "name": product.name, "category": "Tools", "price": price, "status": status}
        headers = {} if if_match is None else {"If-Match": f'"{if_match}"'}

        expected = self.model.edit_product(product_id, body, if_match)
        answer = self._send(inventory, "PUT", f"inventory/products/{product_id}", body, "manager", None, **headers)

        check(answer, expected)
        if answer.status == 200:
            shown = answer.json["price"], answer.json["status"], answer.json["version"]
            assert shown == (f"{price}.00", status, product.version)
        self.check_stock(product_id)

    @rule(pick=PICK, adjustment=st.sampled_from([-9, -3, -1, 1, 4]), key=KEYS)
    def adjust_stock(self, pick: int, adjustment: int, key: str | None) -> None:
        product_id = self._pick(self.model.products, pick)

        def act(adjustment: int = adjustment) -> None:
            body = {"adjustment": adjustment, "reason": "counted"}
            expected = self.model.adjust(product_id, body, key)
            answer = self._send(inventory, "PATCH", f"inventory/products/{product_id}/stock", body, "manager", key)
            check(answer, expected)
            product = self.model.products[product_id]
            if answer.status == 200:
                assert (answer.json["available"], answer.json["reserved"]) == (product.available, product.reserved)
            self.check_stock(product_id)

        self._repeatable(key, act, lambda: act(adjustment + 20))

    @rule(pick=PICK, on_hand=st.integers(0, 14), key=KEYS, match=st.sampled_from(["none", "none", "current", "stale"]))
    def count_stock(self, pick: int, on_hand: int, key: str | None, match: str) -> None:
        product_id = self._pick(self.model.products, pick)
        version = self.model.products[product_id].stock_version
        body: dict[str, Any] = {"reason": "counted"}
        if match != "none":
            body["if_version"] = version + (match == "stale")

        def act(more: int = 0) -> None:
            sent = body | {"on_hand": on_hand + more}
            expected = self.model.count(product_id, sent, key)
            answer = self._send(inventory, "PUT", f"inventory/products/{product_id}/stock", sent, "manager", key)
            check(answer, expected)
            product = self.model.products[product_id]
            if answer.status == 200:
                shown = answer.json["available"], answer.json["reserved"], answer.json["stock_version"]
                assert shown == (product.available, product.reserved, product.stock_version)
            self.check_stock(product_id)

        self._repeatable(key, act, lambda: act(20))

    # ---- orders ---------------------------------------------------------------------------------------------------

    @rule(
        who=BUYERS,
        lines=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 4)), min_size=1, max_size=3),
        key=KEYS,
    )
    def place_order(self, who: str, lines: list[tuple[int, int]], key: str | None) -> None:
        known = list(self.model.products)
        cart = [("nothing" if pick == 40 else known[pick % len(known)], quantity) for pick, quantity in lines]

        def act(more: int = 0) -> None:
            asked = [(product_id, quantity + more) for product_id, quantity in cart]
            expected, made = self.model.place(who, asked, key)
            items = [{"product_id": product_id, "quantity": quantity} for product_id, quantity in asked]
            answer = self._send(orders, "POST", "orders", {"items": items}, who, key)
            check(answer, expected)
            if expected == Expected(201):
                made = answer.json["id"]
                assert made not in self.model.orders
                self.model.order_made(who, asked, key, made, self.now)
            if answer.status == 201:
                self.check_order(answer.json, str(made))
            for product_id in {product_id for product_id, _ in asked} & self.model.products.keys():
                self.check_stock(product_id)

        self._repeatable(key, act, lambda: act(1))

    @precondition(lambda self: self.model.orders)
    @rule(
        pick=PICK,
        name=st.sampled_from(["confirm", "confirm", "cancel", "ship", "ship", "deliver", "return"]),
        who=st.sampled_from(["manager", "manager", "manager", "manager", "alice", "bob"]),
        variant=st.booleans(),
        key=KEYS,
    )
    def move(self, pick: int, name: str, who: str, variant: bool, key: str | None) -> None:
        order_id = self._pick(self.model.orders, pick)

        def act(variant: bool = variant) -> None:
            body = body_of(name, variant)
            expected = self.model.move(who, order_id, name, body, key)
            answer = self._send(orders, "POST", f"orders/{order_id}/{name}", body, who, key)
            check(answer, expected)
            if answer.status == 200:
                self.check_order(answer.json, order_id)
            for product_id, _, _ in self.model.orders[order_id].lines:
                self.check_stock(product_id)

        self._repeatable(key, act, lambda: act(not variant))

    @precondition(lambda self: self.model.orders)
    @rule(pick=PICK, last=st.booleans(), variant=st.booleans(), key=KEYS)
    def lead_on(self, pick: int, last: bool, variant: bool, key: str | None) -> None:
        """Makes a possible move, since few random ones are possible."""
        order = self.model.orders[self._pick(self.model.orders, pick)]
        legal = [name for name, (sources, _, _) in MOVES.items() if order.status in sources and name != "expire"]
        if legal:
            self.move(pick, legal[-1 if last else 0], "manager", variant, key)

    @precondition(lambda self: self.again)
    @rule(pick=PICK)
    def repeat(self, pick: int) -> None:
        self.again[pick % len(self.again)]()

    @rule(seconds=st.sampled_from([20, 60, 100]))
    def let_holds_end(self, seconds: int) -> None:
        type(self).steps += 1
        type(self).now += timedelta(seconds=seconds)
        due = self.model.expire(self.now)

        assert self.shop.sweep() == {"batchItemFailures": []}

        for order_id in due:
            for product_id, _, _ in self.model.orders[order_id].lines:
                self.check_stock(product_id)

    # ---- comparing ------------------------------------------------------------------------------------------------

    def check_order(self, shown: Any, order_id: str) -> None:
        order = self.model.orders[order_id]
        assert shown["id"] == order_id
        assert (shown["status"], shown["version"]) == (order.status, len(order.history))
        assert shown["customer_id"] == self.people[order.owner].id
        lines = [(it["product_id"], it["quantity"], it["unit_price"]) for it in shown["items"]]
        assert lines == [(it, quantity, f"{price / 100:.2f}") for it, quantity, price in order.lines]
        assert shown["total"] == f"{sum(quantity * price for _, quantity, price in order.lines) / 100:.2f}"
        assert shown["expires_at"] == (clock.timestamp(order.expires_at) if order.expires_at else None)
        assert shown["cancel_reason"] == order.cancel_reason
        assert (shown["shipment"] or {}).get("tracking_number") == order.parcel

    def check_stock(self, product_id: str) -> None:
        stock, product = stock_of(product_id), self.model.products[product_id]
        assert (stock.available, stock.reserved) == (product.available, product.reserved)
        assert (stock.version, stock.offer) == (product.stock_version, product.offer)
        assert (stock.price, stock.status) == (product.price, product.status)

    @invariant()
    def all_is_as_the_model_says_at_intervals(self) -> None:
        if self.steps % 20 == 0:
            self.check_all()

    def teardown(self) -> None:
        self.check_all()

    def check_all(self) -> None:
        names = {person.id: name for name, person in self.people.items()} | {"system": "system"}
        stored = {it.id: it for it in orders_stored()}
        assert stored.keys() == self.model.orders.keys()
        for order_id, order in self.model.orders.items():
            history = [(it.from_, it.to, names[it.actor_id]) for it in stored[order_id].history]
            assert history == order.history
            assert stored[order_id].status_shard == f"{order.status}#0"
            assert stored[order_id].customer_status == f"{stored[order_id].customer_id}#{order.status}"
        for product_id in self.model.products:
            self.check_stock(product_id)


def body_of(move: str, variant: bool) -> dict[str, Any] | None:
    bodies: dict[str, tuple[Any, Any]] = {
        "ship": tuple({"carrier": "DHL", "tracking_number": number} for number in ("JD01", "JD02")),
        "return": ({}, {"restock": False}),
        "cancel": ({}, {"reason": "no longer wanted"}),
    }
    return bodies[move][variant] if move in bodies else None


def check(answer: Answer, expected: Expected) -> None:
    assert answer.status == expected.status, answer.text
    assert ("Idempotency-Replayed" in answer.headers) == expected.replayed, answer.text
    if expected.code is not None:
        assert answer.json["code"] == expected.code
    assert {name: answer.json[name] for name in expected.members} == expected.members


@pytest.fixture
def quiet() -> Iterator[None]:
    """Disables the log, since ten thousand steps log too much."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_f09_ten_thousand_steps_are_as_the_model_says(
    person: Callable[..., Person], quiet: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    OrderMachine.people = {"alice": person("customer"), "bob": person("customer"), "manager": person("manager")}
    OrderMachine.steps = 0
    # Whole seconds, after the tokens were issued.
    OrderMachine.start = clock.now().replace(microsecond=0) + timedelta(seconds=1)
    short = replace(oms_settings(), hold=HOLD, shortest_hold=HOLD)
    monkeypatch.setattr(service, "settings", lambda: short)
    monkeypatch.setattr(expiry, "settings", lambda: short)
    monkeypatch.setattr(clock, "now", lambda: OrderMachine.now)

    try:
        with intercepted() as calls:
            OrderMachine.calls = calls
            # The number of requests in a round depends on its seed.
            for number in itertools.count(SEED):
                run_state_machine_as_test(seed(number)(OrderMachine), settings=LIMITS)
                if OrderMachine.steps >= REQUESTS:
                    break
    finally:
        with capsys.disabled():
            print(f" STATE_MACHINE_SEED={SEED}: {OrderMachine.steps} steps", end=" ")
