"""All moves meet on one order."""

import time
from collections import Counter
from collections.abc import Callable
from functools import partial

import httpx
import pytest

from local.system import LocalSystem
from tests.support.local_cloud.shop import SWEEP, at_once, check_book, create_product, order_of, stock_of, wait_until
from tests.support.order_states import LEGAL

# Each move goes ahead of the others from each state to begin with, once in time and once in place alone.
ROUNDS = 60
AHEAD = 0.1
LINES = ((0, 3), (1, 2))
MOVES = ("confirm", "ship", "deliver", "return", "cancel")
BODIES = {"ship": {"carrier": "DHL", "tracking_number": "JD0140"}}
# What entering a state does to (available, reserved), for each unit.
EFFECT = {
    "pending": (-1, 1),
    "confirmed": (0, 0),
    "shipped": (0, -1),
    "delivered": (0, 0),
    "returned": (1, 0),
    "cancelled": (1, -1),
    "expired": (1, -1),
}


@pytest.fixture
def sweep(system: LocalSystem) -> object:
    """Runs the worker of the sweeper in a future in which every hold is due, for it alone."""
    system.update_environment("Expiry", OMS_CLOCK_OFFSET="3600")

    def run() -> object:
        return system.invoke("Expiry", SWEEP)

    run()
    yield run
    system.update_environment("Expiry", OMS_CLOCK_OFFSET=None)


def _moves(http: httpx.Client, path: str, *names: str) -> list[Callable[[], httpx.Response]]:
    """Requests for these moves of the order at `path`, or for all."""
    return [partial(http.post, f"{path}/{name}", json=BODIES.get(name)) for name in names or MOVES]


def _after(seconds: float, move: Callable[[], object]) -> object:
    time.sleep(seconds)
    return move()


def _check_path(entries: list[dict[str, str | None]], begun: int) -> list[str]:
    """That the history is one legal path from the first state; the states that the round has added."""
    path = [(entry["from"], str(entry["to"])) for entry in entries]
    assert path[0] == (None, "pending")
    assert set(path[1:]) <= LEGAL
    assert [source for source, _ in path[1:]] == [target for _, target in path[:-1]]
    return [target for _, target in path[begun:]]


@pytest.mark.bulk
@pytest.mark.timeout(600)
def test_f07_all_moves_at_once_leave_one_legal_path_in_each_of_sixty_rounds(
    signed_in: Callable[[str], httpx.Client], sweep: Callable[[], object]
) -> None:
    manager, alice = signed_in("manager"), signed_in("alice")
    products = [create_product(manager, stock=1000) for _ in LINES]
    movements, won = 1, Counter[str]()
    moved_units = [0, 0]

    for number in range(ROUNDS):
        order = alice.post("/api/v1/orders", json=order_of(*((products[at], units) for at, units in LINES))).json()
        path = f"/api/v1/orders/{order['id']}"
        # The scheduled sweep, for which every hold is due as well, may be first to end the order: the round is then
        # played on an expired one.
        begun = [make().status_code for make in _moves(manager, path, "confirm", "ship", "deliver")[: number % 4]]
        assert set(begun) <= {200, 409}
        moves = [*_moves(manager, path), *_moves(alice, path, "cancel"), sweep]
        first, *others = moves[number // 4 % 7 :] + moves[: number // 4 % 7]
        wait = AHEAD if number // 28 % 2 else 0.0
        answers = at_once([first, *(partial(_after, wait, it) for it in others)])

        codes = [answer.status_code for answer in answers if isinstance(answer, httpx.Response)]
        entries = alice.get(f"{path}/history").json()["items"]
        added = _check_path(entries, begun=1 + begun.count(200))
        assert set(codes) <= {200, 409}
        assert codes.count(200) == len(added) - added.count("expired"), "each 200 is one entry, and each entry one 200"
        won.update(added)
        for state in [str(entry["to"]) for entry in entries]:
            moved_units = [sum(it) for it in zip(moved_units, EFFECT[state], strict=True)]
            movements += EFFECT[state] != (0, 0)
        available, reserved = moved_units
        for at, units in LINES:
            assert stock_of(manager, products[at]) == (1000 + units * available, units * reserved)

    assert won.keys() == {"confirmed", "shipped", "delivered", "returned", "cancelled", "expired"}, f"no race: {won}"
    for product in products:
        book = check_book(manager, product, movements)
        assert len({(it["cause"], it["ref"]) for it in book}) == movements, "no transition is in the book twice"


@pytest.mark.alone
def test_a_hold_that_is_due_is_ended_by_the_scheduled_sweep(
    system: LocalSystem, signed_in: Callable[[str], httpx.Client], sweep: Callable[[], object]
) -> None:
    """The sweeper's message through the real queue, not a call of the worker."""
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
