"""Confirm, cancel and expiry meet on one order."""

import time
from collections.abc import Callable

import httpx
import pytest

from local.system import LocalSystem
from tests.integration.shop import at_once, create_product, order_of, stock_of

ROUNDS = 100
LINES = ((0, 3), (1, 2))


@pytest.fixture
def sweep(system: LocalSystem) -> object:
    """Runs the worker of the sweeper in a future in which every hold is due, for it alone."""
    system.update_environment("Expiry", OMS_CLOCK_OFFSET="3600")
    record = {
        "messageId": "1",
        "receiptHandle": "1",
        "body": '{"shard": 0}',
        "attributes": {},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:000000000000:expiry",
        "awsRegion": "eu-central-1",
    }

    def run() -> object:
        return system.invoke("Expiry", {"Records": [record]})

    run()
    yield run
    system.update_environment("Expiry", OMS_CLOCK_OFFSET=None)


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_f07_one_of_confirm_cancel_and_expiry_wins_each_of_a_hundred_rounds(
    signed_in: Callable[[str], httpx.Client], sweep: Callable[[], object]
) -> None:
    manager, alice = signed_in("manager"), signed_in("alice")
    products = [create_product(manager, stock=1000) for _ in LINES]
    winners: dict[str, int] = {"confirmed": 0, "cancelled": 0, "expired": 0}
    held = [0 for _ in LINES]

    for number in range(ROUNDS):
        order = alice.post("/api/v1/orders", json=order_of(*((products[at], units) for at, units in LINES))).json()
        path = f"/api/v1/orders/{order['id']}"
        moves = [
            lambda path=path: manager.post(f"{path}/confirm"),
            # Confirmed orders may be cancelled as well: the version keeps this to the pending one.
            lambda path=path: alice.post(f"{path}/cancel", headers={"If-Match": '"1"'}),
            sweep,
        ]
        answers = at_once(moves[number % 3 :] + moves[: number % 3])

        codes = [answer.status_code for answer in answers if isinstance(answer, httpx.Response)]
        final = alice.get(path).json()
        winners[final["status"]] += 1
        entries = alice.get(f"{path}/history").json()["items"]
        assert [(entry["from"], entry["to"]) for entry in entries] == [(None, "pending"), ("pending", final["status"])]
        assert codes.count(200) == (0 if final["status"] == "expired" else 1)
        assert set(codes) <= {200, 409, 412}
        for at, units in LINES:
            held[at] += units if final["status"] == "confirmed" else 0
            assert stock_of(manager, products[at]) == (1000 - held[at], held[at])

    assert sum(winners.values()) == ROUNDS
    assert sum(count > 0 for count in winners.values()) >= 2, f"the moves did not race: {winners}"


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

    ended = _wait_until(lambda: alice.get(f"/api/v1/orders/{order['id']}").json(), lambda it: it["status"] != "pending")
    assert (ended["status"], ended["expires_at"]) == ("expired", None)
    assert stock_of(manager, product) == (5, 0)
    history = alice.get(f"/api/v1/orders/{order['id']}/history").json()["items"]
    assert (history[-1]["actor_id"], history[-1]["actor_role"]) == ("system", "system")


def _wait_until[T](look: Callable[[], T], is_there: Callable[[T], bool], seconds: float = 30) -> T:
    end = time.monotonic() + seconds
    while True:
        seen = look()
        if is_there(seen) or time.monotonic() > end:
            return seen
        time.sleep(0.2)
