"""Concurrent moves of one order."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import httpx
import pytest

from local.system import LocalSystem
from tests.support.local_cloud.queues import resource, wait_until_at_rest
from tests.support.local_cloud.shop import (
    SWEEP,
    at_once,
    check_movements,
    create_product,
    order_of,
    read,
    stock_of,
    wait_until,
)
from tests.support.order_states import LEGAL

LINES = ((0, 3), (1, 2))
BODIES = {"ship": {"carrier": "DHL", "tracking_number": "JD0140"}}
# The number of moves that an order has made, of confirm, ship and deliver.
STATES = ("pending", "confirmed", "shipped", "delivered")
# The moves of a race: the user, the move, and its target state.
MOVES = (
    ("manager", "confirm", "confirmed"),
    ("manager", "ship", "shipped"),
    ("manager", "deliver", "delivered"),
    ("manager", "return", "returned"),
    ("manager", "cancel", "cancelled"),
    ("alice", "cancel", "cancelled"),
    ("sweeper", "expire", "expired"),
)
# The change of (available, reserved) for each unit when an order enters a state.
EFFECT = {
    "pending": (-1, 1),
    "confirmed": (0, 0),
    "shipped": (0, -1),
    "delivered": (0, 0),
    "returned": (1, 0),
    "cancelled": (1, -1),
    "expired": (1, -1),
}

type Sweep = Callable[[], object]


@pytest.fixture
def sweep(system: LocalSystem) -> Iterator[Sweep]:
    """Runs the worker of the sweeper at a future time at which every hold is due, for this worker only.

    It runs only when called: the schedule is disabled meanwhile.
    """
    events, rule = system.client("events"), resource(system, "ExpiryEveryMinute")
    events.disable_rule(Name=rule)
    wait_until_at_rest(system, "ExpiryQueue")
    system.update_environment("Expiry", OMS_CLOCK_OFFSET="3600")
    yield lambda: system.invoke("Expiry", SWEEP)
    system.update_environment("Expiry", OMS_CLOCK_OFFSET=None)
    events.enable_rule(Name=rule)


class Race:
    """Orders of the same two products, each with all moves at the same time, and their expected stock."""

    def __init__(self, manager: httpx.Client, alice: httpx.Client, sweep: Sweep) -> None:
        self._people = {"manager": manager, "alice": alice}
        self._sweep = sweep
        self._products = [create_product(manager, stock=1000) for _ in LINES]
        self._moved_units = [0, 0]
        self._movements = 1

    def order_in(self, state: str) -> str:
        """Returns the path of a new order in this state."""
        lines = [(self._products[at], units) for at, units in LINES]
        placed = self._people["alice"].post("/api/v1/orders", json=order_of(*lines))
        assert placed.status_code == 201, placed.text
        path = f"/api/v1/orders/{placed.json()['id']}"
        for move in ("confirm", "ship", "deliver")[: STATES.index(state)]:
            assert self._move(path, "manager", move).status_code == 200
        return path

    def moves(self, path: str) -> list[Callable[[], int]]:
        """Returns all of them, as calls that give a status; that of the sweep is 0."""
        return [partial(self._status, path, who, move) for who, move, _ in MOVES]

    def _status(self, path: str, who: str, move: str) -> int:
        if who == "sweeper":
            self._sweep()
            return 0
        return self._move(path, who, move).status_code

    def _move(self, path: str, who: str, move: str) -> httpx.Response:
        return self._people[who].post(f"{path}/{move}", json=BODIES.get(move))

    def check(self, path: str, state: str, codes: Sequence[int]) -> list[str]:
        """Asserts that the moves left one legal path from `state`, with its stock; returns the states of the path."""
        entries = read(self._people["alice"], f"{path}/history")["items"]
        steps = [(entry["from"], str(entry["to"])) for entry in entries]
        assert steps[0] == (None, "pending")
        assert set(steps[1:]) <= LEGAL
        assert [source for source, _ in steps[1:]] == [target for _, target in steps[:-1]]
        added = [target for _, target in steps[STATES.index(state) + 1 :]]
        assert set(codes) <= {0, 200, 409}
        assert codes.count(200) == len(added) - added.count("expired"), (
            "each 200 is one transition, and each transition one 200"
        )
        for _, target in steps:
            self._moved_units = [sum(it) for it in zip(self._moved_units, EFFECT[target], strict=True)]
            self._movements += EFFECT[target] != (0, 0)
        available, reserved = self._moved_units
        for at, units in LINES:
            left = stock_of(self._people["manager"], self._products[at])
            assert left == (1000 + units * available, units * reserved)
        return added

    def check_stock(self) -> None:
        for product in self._products:
            movements = check_movements(self._people["manager"], product, self._movements)
            assert len({(it["cause"], it["ref"]) for it in movements}) == self._movements, "no transition has two"


@pytest.fixture
def race(signed_in: Callable[[str], httpx.Client], sweep: Sweep) -> Race:
    return Race(signed_in("manager"), signed_in("alice"), sweep)


@pytest.mark.alone
def test_f07_each_move_wins_where_it_goes_first_and_the_others_meet_the_new_state(race: Race) -> None:
    for number, (_, _, target) in enumerate(MOVES):
        (*_, state) = [source for source, end in sorted(LEGAL) if end == target]
        path = race.order_in(state)
        first, *others = race.moves(path)[number:] + race.moves(path)[:number]

        codes = [first(), *at_once(others)]

        assert race.check(path, state, codes)[0] == target
    race.check_stock()


@pytest.mark.alone
@pytest.mark.parametrize("rounds", [8, pytest.param(56, marks=[pytest.mark.full, pytest.mark.bulk])])
def test_f07_all_moves_at_once_leave_one_legal_path_in_each_round(race: Race, rounds: int) -> None:
    for number in range(rounds):
        state, at = STATES[number % 4], number % len(MOVES)
        path = race.order_in(state)

        codes = at_once(race.moves(path)[at:] + race.moves(path)[:at])

        race.check(path, state, codes)
    race.check_stock()


@pytest.mark.alone
def test_a_hold_that_is_due_is_ended_by_the_scheduled_sweep(
    system: LocalSystem, signed_in: Callable[[str], httpx.Client], sweep: Callable[[], object]
) -> None:
    """The sweeper's message goes through the real queue, without a direct call of the worker."""
    manager, alice = signed_in("manager"), signed_in("alice")
    product = create_product(manager, stock=5)
    order = alice.post("/api/v1/orders", json=order_of((product, 5))).json()
    assert order["expires_at"] is not None

    system.invoke("Sweeper", {})

    ended = wait_until(lambda: alice.get(f"/api/v1/orders/{order['id']}").json(), lambda it: it["status"] != "pending")
    assert (ended["status"], ended["expires_at"]) == ("expired", None)
    assert stock_of(manager, product) == (5, 0)
    history = alice.get(f"/api/v1/orders/{order['id']}/history").json()["items"]
    assert (history[-1]["actor_id"], history[-1]["actor_role"]) == ("system", "system")
