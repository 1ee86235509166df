"""F1, F7, F8 and F10 in one thread: another request is served between an operation's read and its write."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from inventory import handler as inventory
from oms.core import clock
from oms.core.errors import InvalidTransitionError, OrderClosedError, StaleVersionError
from oms.core.idempotency import IdempotentResult
from oms.core.schemas import EmptyRequest
from oms.core.versions import ExpectedVersion
from oms.orders import edits, moves, service
from oms.orders.content_schemas import UpdateOrderRequest
from oms.orders.models import Order
from oms.orders.moves import MoveRequest
from oms.orders.schemas import CancelRequest, CreateOrderRequest, ReturnRequest, ShipRequest
from oms.orders.states import OPEN, OrderStatus
from oms.orders.visibility import Visibility
from tests.support.aws_calls import Call, Plan, intercepted
from tests.support.faults import reason_at, refuse
from tests.support.invocation import Person, invoke
from tests.support.open_order_counts import user_of
from tests.support.order_states import LEGAL
from tests.support.shop import Shop, stock_of

type Move = Callable[[Person, str], object]


def confirm(manager: Person, order_id: str) -> object:
    return moves.confirm_order(order_id, MoveRequest(manager, EmptyRequest()))


def cancel(manager: Person, order_id: str) -> object:
    return moves.cancel_order(order_id, MoveRequest(manager, CancelRequest()))


def ship(manager: Person, order_id: str) -> object:
    return moves.ship_order(order_id, MoveRequest(manager, ShipRequest(carrier="DHL", tracking_number="1")))


def deliver(manager: Person, order_id: str) -> object:
    return moves.deliver_order(order_id, MoveRequest(manager, EmptyRequest()))


def give_back(manager: Person, order_id: str) -> object:
    return moves.return_order(order_id, MoveRequest(manager, ReturnRequest()))


def expire(_: Person, order_id: str) -> object:
    return moves.expire_order(order_id, now=clock.now() + timedelta(minutes=31))


MOVES: dict[str, tuple[Move, OrderStatus]] = {
    "confirm": (confirm, OrderStatus.CONFIRMED),
    "cancel": (cancel, OrderStatus.CANCELLED),
    "expire": (expire, OrderStatus.EXPIRED),
    "ship": (ship, OrderStatus.SHIPPED),
    "deliver": (deliver, OrderStatus.DELIVERED),
    "return": (give_back, OrderStatus.RETURNED),
}


def just_before_the_write(act: Callable[[], object]) -> Plan:
    """Another request runs between the operation's read and its first write."""
    waiting = True

    def plan(call: Call) -> Any:
        nonlocal waiting
        if call.writes and waiting:
            waiting = False
            act()
        return call.send()

    return plan


def pairs() -> list[tuple[str, str, str]]:
    """Yields (a state, a possible move, a possible move): the second runs between the first's read and write."""
    return [
        (source, late, early)
        for source in ("pending", "confirmed", "shipped", "delivered")
        for late, early in product(MOVES, repeat=2)
        if {(source, MOVES[late][1]), (source, MOVES[early][1])} <= LEGAL
    ]


@pytest.mark.parametrize(("source", "late", "early"), pairs())
def test_f07_a_move_that_came_between_leaves_one_legal_path(
    shop: Shop, no_sleep: list[float], source: str, late: str, early: str
) -> None:
    bought = shop.product(5)
    order_id = shop.buy({bought: 2}).json["id"]
    way = {"confirmed": [confirm], "shipped": [confirm, ship], "delivered": [confirm, ship, deliver]}
    for step in way.get(source, []):
        step(shop.manager, order_id)
    (make, made_state), (interfere, state) = MOVES[late], MOVES[early]

    with intercepted(just_before_the_write(lambda: interfere(shop.manager, order_id))):
        try:
            make(shop.manager, order_id)
        except InvalidTransitionError:
            path = [source, state]
        else:
            path = [source, state, made_state]

    (order,) = shop.check_stock()
    assert [entry.to for entry in order.history][-len(path) :] == path
    assert (len(path) == 3) == ((str(state), str(made_state)) in LEGAL), (
        "the later move is made if it is still possible"
    )


def edit(manager: Person, order_id: str, **fields: Any) -> object:
    return edits.update_order(order_id, MoveRequest(manager, UpdateOrderRequest(**fields)))


@pytest.mark.parametrize("name", ["confirm", "cancel", "expire", "ship"])
def test_f07_a_move_keeps_an_edit_that_came_between(shop: Shop, no_sleep: list[float], name: str) -> None:
    order_id = shop.ready_for("cancel" if name == "expire" else name, {shop.product(5): 2}).rpartition("/")[2]
    move, target = MOVES[name]

    with intercepted(just_before_the_write(lambda: edit(shop.manager, order_id, note="x", tags=["gift"]))):
        move(shop.manager, order_id)

    (order,) = shop.check_stock()
    assert (order.status, order.note, order.tags) == (target, "x", ["gift"])
    assert [entry.changed for entry in order.history][-2:] == [["note", "tags"], None]


@pytest.mark.parametrize("name", ["confirm", "cancel", "expire", "ship"])
def test_f07_an_edit_keeps_a_move_that_came_between(shop: Shop, no_sleep: list[float], name: str) -> None:
    order_id = shop.ready_for("cancel" if name == "expire" else name, {shop.product(5): 2}).rpartition("/")[2]
    move, target = MOVES[name]

    outcome = nullcontext() if target in OPEN else pytest.raises(OrderClosedError)
    with intercepted(just_before_the_write(lambda: move(shop.manager, order_id))), outcome:
        edit(shop.manager, order_id, note="x")

    (order,) = shop.check_stock()
    assert (order.status, order.note) == (target, "x" if target in OPEN else None)


def test_f07_two_edits_lose_nothing_of_each_other(shop: Shop, no_sleep: list[float]) -> None:
    order_id = shop.buy({shop.product(5): 2}).json["id"]

    with intercepted(just_before_the_write(lambda: edit(shop.manager, order_id, metadata={"a": "1"}, tags=["a"]))):
        edit(shop.manager, order_id, metadata={"b": "2"}, note="x")

    (order,) = shop.check_stock()
    assert (order.metadata, order.tags, order.note, order.version) == ({"a": "1", "b": "2"}, ["a"], "x", 3)


def test_f07_of_two_edits_with_one_version_one_is_refused(shop: Shop, no_sleep: list[float]) -> None:
    order_id = shop.buy({shop.product(5): 2}).json["id"]
    late = MoveRequest(shop.manager, UpdateOrderRequest(note="x"), expected_version=ExpectedVersion(frozenset(['"1"'])))

    with (
        intercepted(just_before_the_write(lambda: edit(shop.manager, order_id, note="y"))),
        pytest.raises(StaleVersionError),
    ):
        edits.update_order(order_id, late)

    assert [order.note for order in shop.check_stock()] == ["y"]


def test_f08_the_same_edit_with_the_same_key_between_read_and_write_is_one(shop: Shop, no_sleep: list[float]) -> None:
    order_id = shop.buy({shop.product(5): 2}).json["id"]

    def edit_with_key() -> IdempotentResult[Order]:
        return edits.update_order(order_id, MoveRequest(shop.manager, UpdateOrderRequest(note="x"), key="k"))

    with intercepted(just_before_the_write(edit_with_key)):
        second = edit_with_key()

    assert (second.replayed, second.value.note, second.value.version) == (True, "x", 2)


def test_f08_the_same_move_with_the_same_key_between_read_and_write_is_one(shop: Shop, no_sleep: list[float]) -> None:
    bought = shop.product(5)
    order_id = shop.buy({bought: 2}).json["id"]

    def cancel_with_key() -> IdempotentResult[Order]:
        asked = MoveRequest(shop.customer, CancelRequest(), visibility=Visibility.of(shop.customer), key="k")
        return moves.cancel_order(order_id, asked)

    with intercepted(just_before_the_write(cancel_with_key)):
        second = cancel_with_key()

    assert (second.replayed, second.value.status, second.value.version) == (True, "cancelled", 2)
    assert stock_of(bought).available == 5
    shop.check_stock()


def test_f01_units_sold_between_the_offer_and_the_order_are_not_sold_again(shop: Shop, no_sleep: list[float]) -> None:
    bought = shop.product(2)
    one_unit = CreateOrderRequest.model_validate({"items": [{"product_id": bought, "quantity": 1}]})

    buyer = user_of(shop.manager)

    with intercepted(
        just_before_the_write(lambda: service.place_order(one_unit, actor=buyer, account=buyer, key=None))
    ):
        answer = shop.buy({bought: 2})

    assert (answer.status, answer.json["code"]) == (409, "insufficient-stock")
    assert answer.json["shortfalls"] == [{"product_id": bought, "requested": 2, "available": 1}]
    assert len(shop.check_stock()) == 1


@pytest.mark.parametrize("line", [1, 2])
def test_f10_carts_in_opposite_orders_make_progress_and_reserve_nothing_by_half(
    shop: Shop, no_sleep: list[float], line: int
) -> None:
    one, two = shop.product(2), shop.product(2)

    with intercepted(refuse("TransactWriteItems", reason_at(line, "TransactionConflict"), times=3)):
        answers = [shop.buy({one: 1, two: 1}), shop.buy({two: 1, one: 1}), shop.buy({two: 1, one: 1})]

    assert [it.status for it in answers] == [201, 201, 409]
    assert (stock_of(one).available, stock_of(two).available) == (0, 0)
    assert len(shop.check_stock()) == 2


def test_f12_an_edit_that_read_the_stock_item_before_another_edit_raises_the_offer(
    shop: Shop, no_sleep: list[float]
) -> None:
    """One BatchGet reads the product after an edit to 25.00, and its stock item as of before it, at 20.00."""
    bought = shop.product(5, price="20.00")
    assert shop.buy({bought: 1}).json["total"] == "20.00"
    old_stock = stock_of(bought).serialize()
    shop.reprice(bought, "25.00")
    assert shop.buy({bought: 1}).json["total"] == "25.00"
    shown = invoke(inventory, "GET", f"/api/v1/inventory/products/{bought}", token=shop.manager.token).json
    edited = {name: shown[name] for name in ("sku", "name", "category", "status")} | {"price": "20.00"}

    def torn(call: Call) -> Any:
        answer = call.send()
        if call.operation == "BatchGetItem" and "inventory" in answer["Responses"]:
            items = answer["Responses"]["inventory"]
            answer["Responses"]["inventory"] = [old_stock if it["pk"] == old_stock["pk"] else it for it in items]
        return answer

    with intercepted(torn):
        assert shop.manage("PUT", f"products/{bought}", edited).status == 200

    assert stock_of(bought).offer == 3
    assert shop.buy({bought: 1}).json["total"] == "20.00", "a warm process has cached 25.00, and reads again"
