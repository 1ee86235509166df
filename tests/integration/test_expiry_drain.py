"""F26 on the local cloud: overdue holds are released while customers continue to buy."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import pytest

from local.system import LocalSystem
from tests.support.local_cloud.shop import (
    SWEEP,
    WAIT_SECONDS,
    all_items,
    at_once,
    create_product,
    order_of,
    statuses,
    stock_of,
    wait_until,
)

pytestmark = pytest.mark.full

HOLDS = 240
CLIENTS = 4
# A worker reads a page of holds at once: two workers end the holds of one page in any order.
PAGE = 100
DONE: dict[str, list[str]] = {"batchItemFailures": []}


@pytest.fixture
def hold_seconds(system: LocalSystem) -> Iterator[Callable[[int], None]]:
    """Sets the hold of new orders. The sweeper reads younger ones only if the setting is lower."""

    def set_hold(seconds: int) -> None:
        system.update_environment("Orders", OMS_HOLD_SECONDS=str(seconds))

    hold = system.environment("Orders")["OMS_HOLD_SECONDS"]
    shortest = system.environment("Expiry")["OMS_SHORTEST_HOLD_SECONDS"]
    yield set_hold
    system.update_environment("Orders", OMS_HOLD_SECONDS=hold)
    system.update_environment("Expiry", OMS_SHORTEST_HOLD_SECONDS=shortest)


@pytest.mark.bulk
def test_f26_orders_are_placed_while_overdue_holds_are_drained_oldest_first(
    system: LocalSystem, signed_in: Callable[[str], httpx.Client], hold_seconds: Callable[[int], None]
) -> None:
    manager, alice = signed_in("manager"), signed_in("alice")
    product = create_product(manager, stock=100_000)

    def buy() -> httpx.Response:
        return alice.post("/api/v1/orders", json=order_of((product, 1)))

    hold_seconds(1)
    overdue = [answer.json() for answer in at_once([buy] * HOLDS, clients=CLIENTS)]
    hold_seconds(1800)
    system.update_environment("Expiry", OMS_SHORTEST_HOLD_SECONDS="1")
    due = max(datetime.fromisoformat(it["expires_at"]) for it in overdue)
    wait_until(lambda: datetime.now(UTC), lambda now: now > due)
    drained = threading.Event()
    begun = threading.Barrier(CLIENTS + 1, timeout=WAIT_SECONDS)

    def continue_buying() -> list[httpx.Response]:
        bought = [buy()]
        begun.wait()
        while not drained.is_set():
            bought.append(buy())
        return [*bought, buy()]

    with ThreadPoolExecutor(CLIENTS) as pool:
        buyers = [pool.submit(continue_buying) for _ in range(CLIENTS)]
        begun.wait()
        try:
            at_once([lambda: system.invoke("Expiry", SWEEP)] * 2)
            swept_at = datetime.now(UTC)
            # A worker leaves a hold that keeps conflicting with buyers to the next sweep, and reports it.
            last = wait_until(lambda: system.invoke("Expiry", SWEEP), lambda answer: answer == DONE)
        finally:
            drained.set()
    bought = [answer for buyer in buyers for answer in buyer.result()]

    assert last == DONE
    assert statuses(bought) == {201: len(bought)}
    ended = {it["id"]: it for it in all_items(alice, "/api/v1/orders", status="expired")}
    places = sorted(overdue, key=lambda it: (it["created_at"], it["id"]))
    assert all(it["id"] in ended for it in places)
    times = [datetime.fromisoformat(ended[it["id"]]["updated_at"]) for it in places]
    times = [time for time in times if time < swept_at]
    assert len(times) > 2 * PAGE
    assert all(early < late for early, late in zip(times, times[PAGE * 2 :], strict=False)), "the oldest first"
    assert all(it.json()["id"] not in ended for it in bought)
    assert stock_of(manager, product) == (100_000 - len(bought), len(bought))
