"""The table of states against the contract's sentence, which is written out here once more, by hand."""

import pytest

from oms.orders import states
from oms.orders.states import OPEN, Move, Status

LEGAL = {
    ("pending", "confirmed"),
    ("pending", "cancelled"),
    ("pending", "expired"),
    ("confirmed", "cancelled"),
}
MOVES = [value for value in vars(states).values() if isinstance(value, Move)]


def test_the_moves_are_exactly_the_legal_ones() -> None:
    assert {(str(source), str(move.target)) for move in MOVES for source in move.sources} == LEGAL


@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.name)
def test_a_move_that_ends_a_hold_gives_the_units_back(move: Move) -> None:
    assert move.sources <= OPEN
    assert move.releases == (move.target not in OPEN)


def test_open_orders_are_those_that_hold_stock() -> None:
    assert {"pending", "confirmed"} == OPEN


def test_the_states_are_the_contracts() -> None:
    assert [str(status) for status in Status] == [
        "pending",
        "confirmed",
        "shipped",
        "delivered",
        "returned",
        "cancelled",
        "expired",
    ]
