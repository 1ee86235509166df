"""F22: three of ten calls are throttled. All guarantees are kept, and no request retries without end.

`THROTTLING_SEED=… pytest tests/faults/test_throttling.py` repeats a run: the seed is printed with a failure.
"""

import itertools
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from oms.identity import passwords
from oms.identity.models import User
from tests.support.accounts import account, log_in
from tests.support.aws_calls import Call, Plan, intercepted
from tests.support.examples import examples, first_seed
from tests.support.faults import failing, reason_at
from tests.support.gateway import call as http
from tests.support.invocation import Answer
from tests.support.shop import Shop, orders_stored, stock_of

__all__ = ["account"]

SEED = first_seed("THROTTLING_SEED")
ATTEMPTS = 7

THROTTLED = (
    failing("ProvisionedThroughputExceededException"),
    failing("ThrottlingException"),
    failing("RequestLimitExceeded"),
)
IN_TRANSACTION = (reason_at(0, "ThrottlingError"), reason_at(-1, "ProvisionedThroughputExceeded"))


def throttled(random: Random, share: float, refused: list[str]) -> Plan:
    """Lets this share of DynamoDB's calls fail without an effect, with one of its errors; records their operations."""

    def plan(call: Call) -> Any:
        if call.service != "dynamodb" or random.random() >= share:
            return call.send()
        refused.append(call.operation)
        ways = THROTTLED + (IN_TRANSACTION if call.operation == "TransactWriteItems" else ())
        raise random.choice(ways)(call)

    return plan


class Customers:
    """Clients that repeat a request after a 503, with the same key, until they get an answer."""

    def __init__(self, shop: Shop, random: Random, share: float) -> None:
        self.shop, self.random = shop, random
        self.seen: Counter[int] = Counter()
        self.refused: list[str] = []
        self.plan = throttled(random, share, self.refused)

    def ask(self, request: Callable[[], Answer], *allowed: int, writes: int = 1) -> Answer:
        for _ in range(50):
            self.refused.clear()
            with intercepted(self.plan) as calls:
                answer = request()
            check_attempts(calls, writes)
            self.seen[answer.status] += 1
            assert answer.status in (503, *allowed), answer.text
            if answer.status != 503:
                return answer
            assert answer.json["code"] == "unavailable"
            # One attempt may have failed because of an outdated offer.
            assert len(self.refused) >= ATTEMPTS - 1, "no write ends before its seventh attempt"
            assert int(answer.headers["Retry-After"]) >= 1
        raise AssertionError("no answer in fifty requests")


def check_attempts(calls: list[Call], writes: int = 1) -> None:
    """Checks that each write of a request is tried at most seven times, and so are the reads of an attempt."""
    assert sum(call.writes for call in calls) <= ATTEMPTS * writes
    assert len(calls) <= ATTEMPTS * (ATTEMPTS + 3) * writes


def one_life(customers: Customers, products: list[str], number: int) -> None:
    """Moves an order from its creation to a random end, each step with its own key."""
    shop, random, key = customers.shop, customers.random, f"round-{number}"
    cart = dict.fromkeys(random.sample(products, k=random.randint(1, 2)), random.randint(1, 3))
    placed = customers.ask(lambda: shop.buy(cart, key=key), 201, 409)
    if placed.status == 409:
        assert placed.json["code"] == "insufficient-stock"
        return
    path = f"/api/v1/orders/{placed.json['id']}"
    for move in random.choice((["cancel"], ["confirm", "cancel"], ["confirm", "ship", "deliver", "return"], [])):
        moved = customers.ask(lambda move=move: shop.move(path, move, key=key), 200)
        again = customers.ask(lambda move=move: shop.move(path, move, key=key), 200)
        assert again.json["version"] == moved.json["version"], "a move with a key is made once"
    repeated = customers.ask(lambda: shop.buy(cart, key=key), 201)
    assert repeated.json["id"] == placed.json["id"]
    assert repeated.headers["Idempotency-Replayed"] == "true"


def statuses() -> set[str]:
    """Returns the statuses of all stored orders."""
    return {order.status for order in orders_stored()}


def manage(customers: Customers, product: str, number: int) -> None:
    """Adjusts stock, and edits a product."""
    shop, key = customers.shop, f"delivery-{number}"
    body = {"adjustment": 5, "reason": "delivery"}
    for _ in range(2):
        customers.ask(lambda: shop.manage("PATCH", f"products/{product}/stock", body, key=key), 200)
    edited = {"sku": product, "name": f"Saw {number}", "category": "Tools", "price": number + 1, "status": "active"}
    customers.ask(lambda: shop.manage("PUT", f"products/{product}", edited), 200)


@pytest.fixture
def random(capsys: pytest.CaptureFixture[str]) -> Random:
    with capsys.disabled():
        print(f" THROTTLING_SEED={SEED}", end=" ")
    return Random(SEED)


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
@pytest.mark.parametrize(("share", "rounds"), [(0.3, 150), (0.6, 50)])
def test_f22_with_many_calls_throttled_the_stock_adds_up(
    shop: Shop, no_sleep: list[float], random: Random, share: float, rounds: int
) -> None:
    customers = Customers(shop, random, share)
    products = [shop.product(rounds // 3) for _ in range(3)]

    for number in itertools.count():
        # It continues until every case has occurred.
        if number >= examples(rounds) and (share < 0.5 or customers.seen[503]) and "returned" in statuses():
            break
        one_life(customers, products, number)
        if number % 5 == 0:
            product = random.choice(products)
            manage(customers, product, number)
            shop.units[product] += 5
            shop.adjusted[product] += 1

    stored = shop.check_stock()
    assert len({order.history[0].key for order in stored}) == len(stored), "one order for each key"
    assert max(no_sleep) <= 1.0


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_f22_holds_end_though_the_sweeper_is_throttled(
    shop: Shop, no_sleep: list[float], random: Random, time_machine: Callable[[timedelta], None]
) -> None:
    product = shop.product(40)
    for _ in range(40):
        assert shop.buy({product: 1}).status == 201
    time_machine(timedelta(minutes=31))

    while "pending" in statuses():
        with intercepted(throttled(random, 0.6, [])) as calls:
            shop.sweep()
        tried = Counter(repr(it.parameters["TransactItems"][0]["Update"]["Key"]) for it in calls if it.writes)
        assert max(tried.values(), default=0) <= ATTEMPTS

    assert {order.status for order in shop.check_stock()} == {"expired"}
    assert stock_of(product).available == 40


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_f22_sessions_live_on_though_sign_in_and_refresh_are_throttled(
    shop: Shop,
    account: Callable[..., User],
    no_sleep: list[float],
    random: Random,
    time_machine: Callable[[timedelta], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passwords, "COST", 4)
    account("ada@example.com")
    customers = Customers(shop, random, 0.3)

    for _ in range(20):
        signed_in = customers.ask(lambda: log_in("ada@example.com"), 200, writes=4).json
        for _ in range(5):
            token = signed_in["refresh_token"]
            refreshed = customers.ask(lambda token=token: refresh(token), 200)
            signed_in = refreshed.json
            me = customers.ask(lambda token=signed_in["access_token"]: http("GET", "/api/v1/auth/me", token=token), 200)
            assert me.json["email"] == "ada@example.com"
        time_machine(timedelta(seconds=61))


def refresh(token: str) -> Answer:
    return http("POST", "/api/v1/auth/refresh", {"refresh_token": token})
