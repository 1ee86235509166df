"""The table of states, compared with the contract's rules, which are written here by hand."""

from itertools import product

import pytest

from oms.orders import states
from oms.orders.states import MOVES, OPEN, Move, OrderStatus, StockEffect, stock_effect
from tests.support.order_states import LEGAL


def test_the_moves_are_exactly_the_legal_ones() -> None:
    assert {(str(source), str(move.target)) for move in MOVES for source in move.sources} == LEGAL


def test_no_move_is_left_out_of_the_list() -> None:
    assert {move.name for move in MOVES} == {it.name for it in vars(states).values() if isinstance(it, Move)}


def test_open_orders_are_those_that_hold_stock() -> None:
    assert {"pending", "confirmed"} == OPEN


@pytest.mark.parametrize("restocked", [True, False])
@pytest.mark.parametrize(("source", "target"), sorted(LEGAL))
def test_reserved_units_are_those_of_open_orders(source: str, target: str, restocked: bool) -> None:
    before, after = (int(OrderStatus(status) in OPEN) for status in (source, target))

    assert stock_effect(OrderStatus(target), restocked=restocked).reserved == after - before


def paths() -> list[list[str]]:
    """Yields every legal path from the first state to a final one."""
    ways, ended = [["pending"]], []
    while ways:
        way = ways.pop()
        ended.append(way)
        ways += [[*way, target] for source, target in sorted(LEGAL) if source == way[-1]]
    return ended


@pytest.mark.parametrize(("way", "restocked"), list(product(paths(), [True, False])), ids=str)
def test_an_order_takes_a_unit_once_and_gives_it_back_at_most_once(way: list[str], restocked: bool) -> None:
    effects = [stock_effect(OrderStatus(status), restocked=restocked) for status in way]

    available, reserved = sum(it.available for it in effects), sum(it.reserved for it in effects)

    gave_back = way[-1] in ("cancelled", "expired") or (way[-1] == "returned" and restocked)
    assert available == (0 if gave_back else -1)
    assert reserved == (1 if way[-1] in OPEN else 0)


def test_a_move_without_an_effect_leaves_the_stock_alone() -> None:
    assert not stock_effect(OrderStatus.CONFIRMED)
    assert not stock_effect(OrderStatus.DELIVERED)
    assert not stock_effect(OrderStatus.RETURNED, restocked=False)
    assert stock_effect(OrderStatus.SHIPPED) == StockEffect(reserved=-1)


def test_the_states_are_the_contracts() -> None:
    assert [str(status) for status in OrderStatus] == [
        "pending",
        "confirmed",
        "shipped",
        "delivered",
        "returned",
        "cancelled",
        "expired",
    ]
