"""Snapshots of a product's shards: what an order reads and waits for before it is refused, and before it draws."""

from collections.abc import Callable
from typing import Any

import pytest

from oms.core import clock
from oms.inventory import shard_snapshots
from oms.inventory.models import ShardSnapshot
from oms.orders import service as order_service
from tests.support.aws_calls import Call, Plan, intercepted
from tests.support.database import table
from tests.support.faults import failing, timed_out
from tests.support.gateway import assert_problem
from tests.support.invocation import Answer, Person
from tests.support.shop import Shop, new_process, shards_of

SHARDS = 4
SHORT = {"levels": [], "shards": SHARDS, "status": "active", "versions": "", "settled": True, "certain": 0}


@pytest.fixture
def shop(customer: Person, manager: Person, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop in which a product with four shards has one item for snapshots."""
    monkeypatch.setattr(shard_snapshots, "_SHARDS_PER_ITEM", SHARDS)
    new_process()
    return Shop(customer, manager)


@pytest.fixture
def product(shop: Shop) -> str:
    """A product with four shards and one unit, which the process knows."""
    product = shop.product(2)
    assert shop.reshard(product, SHARDS).status == 200
    assert shop.buy({product: 1}).status == 201
    return product


def sell_out(shop: Shop, product: str) -> str:
    """Sells the last unit. Returns the path of its order."""
    answer = shop.buy({product: 1})
    assert answer.status == 201
    return f"/api/v1/orders/{answer.json['id']}"


def stored(product: str) -> ShardSnapshot | None:
    item = table("inventory").get(*ShardSnapshot.key(product, 0))
    return ShardSnapshot.from_raw_data(item) if item else None


def store(product: str, *, started: int, number: int, content: Any) -> None:
    pk, sk = ShardSnapshot.key(product, 0)
    item = ShardSnapshot(pk, sk, started=started, number=number, content=content)
    table("inventory").put(item.serialize())


def is_short(answer: Answer, product: str) -> bool:
    shortfall = {"product_id": product, "requested": 1, "available": 0}
    return (answer.status, answer.json.get("shortfalls")) == (409, [shortfall])


def reads_of_shards(made: list[Call]) -> int:
    """Returns the number of reads of all shards."""
    read = [it.parameters["RequestItems"] for it in made if it.operation == "BatchGetItem"]
    return sum(len(it["inventory"]["Keys"]) == SHARDS for it in read if "inventory" in it)


def at_first_pause(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> list[float]:
    """Calls `act` when an order waits for the first time. Returns the list of all pauses."""
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            act()

    monkeypatch.setattr(clock, "sleep", sleep)
    return pauses


def is_of_snapshot(call: Call, operation: str) -> bool:
    return call.operation == operation and "snapshot#" in str(call.parameters)


def throttled(matches: Callable[[Call], bool], *, after: Callable[[], object] = lambda: None) -> Plan:
    """Throttles the calls that match, and calls `after` when it throttles the first."""
    refused: list[Call] = []

    def plan(call: Call) -> Any:
        if not matches(call):
            return call.send()
        refused.append(call)
        if len(refused) == 1:
            after()
        raise failing("ThrottlingException")(call)

    return plan


@pytest.mark.usefixtures("no_sleep")
def test_each_refusal_is_by_a_new_snapshot_which_one_read_settles_while_no_shard_changes(
    shop: Shop, product: str
) -> None:
    sell_out(shop, product)

    reads = []
    for _ in range(3):
        with intercepted() as made:
            assert is_short(shop.buy({product: 1}), product)
        reads.append(reads_of_shards(made))

    assert reads == [2, 1, 1]
    latest = stored(product)
    assert latest
    assert latest.started == latest.number >= 3
    shop.check_stock()


@pytest.mark.usefixtures("no_sleep")
def test_a_unit_that_returns_is_sold_although_the_stored_snapshot_is_short(shop: Shop, product: str) -> None:
    order = sell_out(shop, product)
    assert is_short(shop.buy({product: 1}), product)
    assert shop.move(order, "cancel").status == 200

    assert shop.buy({product: 1}).status == 201
    assert is_short(shop.buy({product: 1}), product)
    shop.check_stock()


@pytest.mark.usefixtures("no_sleep")
def test_an_order_draws_by_a_stored_snapshot_of_any_age(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    product = shop.product(SHARDS)
    assert shop.reshard(product, SHARDS).status == 200
    order_service.OFFERS.of([product])
    store(product, started=7, number=7, content=SHORT | {"levels": [[3, 1]], "settled": False})
    first, *others = shards_of(product)
    table("inventory").change(first.pk, first.sk, available={"N": "0"})
    monkeypatch.setattr("oms.orders.drawing.random.choice", lambda candidates: candidates[0])

    with intercepted() as made:
        answer = shop.buy({product: 1})

    assert answer.status == 201
    assert reads_of_shards(made) == 0
    assert [shard.available for shard in shards_of(product)] == [0, *(it.available for it in others[:-1]), 0]


@pytest.mark.usefixtures("no_sleep")
def test_a25_the_share_of_an_unverified_buyer_is_not_of_an_old_snapshot(
    shop: Shop, person: Callable[..., Person]
) -> None:
    """A quarter of 40 units is 10. In the old snapshot, the first shard had 400."""
    product = shop.product(40)
    assert shop.reshard(product, SHARDS).status == 200
    for shard, units in zip(shards_of(product), (37, 1, 1, 1), strict=True):
        table("inventory").change(shard.pk, shard.sk, available={"N": str(units)})
    store(product, started=7, number=7, content=SHORT | {"levels": [[0, 400]]})

    answer = shop.buy({product: 11}, by=person("customer", email_verified=False))

    refused = assert_problem(answer, 409, "order-limit-exceeded")
    assert refused["limits"] == [{"product_id": product, "requested": 11, "allowed": 10}]


def test_an_order_that_waits_for_the_snapshot_of_another_reads_no_shard(
    shop: Shop, product: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another order begins a snapshot just before this one can, and stores it while this one waits."""
    sell_out(shop, product)
    store(product, started=1, number=1, content=SHORT)
    pauses = at_first_pause(monkeypatch, lambda: store(product, started=2, number=2, content=SHORT))

    def plan(call: Call) -> Any:
        if call.operation == "PutItem" and "snapshot" in str(call.parameters):
            store(product, started=2, number=1, content=SHORT)
        return call.send()

    with intercepted(plan) as made:
        assert is_short(shop.buy({product: 1}), product)

    assert len(pauses) == 1
    assert reads_of_shards(made) == 0


def test_f01_a_snapshot_that_was_begun_before_the_order_does_not_refuse_it(
    shop: Shop, product: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another order had read empty shards before a unit returned, and stores its snapshot after that."""
    path = sell_out(shop, product)
    for _ in range(2):
        assert is_short(shop.buy({product: 1}), product)
    assert shop.move(path, "cancel").status == 200
    store(product, started=5, number=4, content=SHORT)
    full = next(shard.shard for shard in shards_of(product) if shard.available)
    choices = iter([(full + 1) % SHARDS])
    monkeypatch.setattr("oms.orders.drawing.random.choice", lambda candidates: next(choices, candidates[0]))
    pauses = at_first_pause(monkeypatch, lambda: store(product, started=5, number=5, content=SHORT))

    with intercepted() as made:
        answer = shop.buy({product: 1})

    assert pauses, "the order waited for the snapshot in progress"
    assert answer.status == 201
    assert reads_of_shards(made) == 1, "and took the next one"
    shop.check_stock()


def test_f02_a_snapshot_whose_order_crashed_is_replaced_after_half_a_second(
    shop: Shop, product: str, no_sleep: list[float]
) -> None:
    sell_out(shop, product)
    store(product, started=5, number=4, content=SHORT)
    no_sleep.clear()

    assert is_short(shop.buy({product: 1}), product)

    assert 0.5 < sum(no_sleep) < 0.6
    latest = stored(product)
    assert latest
    assert (latest.started, latest.number) == (6, 6)


def test_f05_an_order_whose_snapshot_cannot_be_stored_is_decided_by_it(
    shop: Shop, product: str, no_sleep: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting orders begin the next snapshot after half a second, so the order does not try for longer."""
    sell_out(shop, product)
    store(product, started=1, number=1, content=SHORT)
    no_sleep.clear()
    monkeypatch.setattr(clock, "monotonic", lambda: sum(no_sleep))

    def is_store(call: Call) -> bool:
        return is_of_snapshot(call, "PutItem") and call.parameters["Item"]["number"] == {"N": "2"}

    with intercepted(throttled(is_store)):
        answer = shop.buy({product: 1})

    assert is_short(answer, product)
    assert sum(no_sleep) <= 0.5


@pytest.mark.usefixtures("no_sleep")
@pytest.mark.parametrize("operation", ["GetItem", "PutItem"])
def test_f05_an_order_reads_all_shards_itself_while_the_item_for_snapshots_is_throttled(
    shop: Shop, product: str, operation: str
) -> None:
    sell_out(shop, product)

    with intercepted(throttled(lambda call: is_of_snapshot(call, operation))) as made:
        answer = shop.buy({product: 1})

    assert is_short(answer, product)
    assert reads_of_shards(made) == 2


@pytest.mark.usefixtures("no_sleep")
def test_f05_an_order_whose_reads_of_shards_are_throttled_is_decided_by_a_newer_snapshot(
    shop: Shop, product: str
) -> None:
    """Another order takes the next snapshot while the reads of this one are throttled."""
    sell_out(shop, product)
    store(product, started=1, number=1, content=SHORT)

    def other() -> None:
        store(product, started=3, number=3, content=SHORT)

    with intercepted(throttled(lambda call: reads_of_shards([call]) > 0, after=other)):
        assert is_short(shop.buy({product: 1}), product)


@pytest.mark.usefixtures("no_sleep")
def test_f05_an_order_is_not_decided_without_a_newer_snapshot(shop: Shop, product: str) -> None:
    sell_out(shop, product)
    store(product, started=1, number=1, content=SHORT)

    with intercepted(throttled(lambda call: reads_of_shards([call]) > 0)):
        assert_problem(shop.buy({product: 1}), 503, "unavailable")


def test_f03_an_order_that_begins_a_snapshot_and_loses_the_response_takes_it_without_waiting(
    shop: Shop, product: str, no_sleep: list[float]
) -> None:
    sell_out(shop, product)
    store(product, started=1, number=1, content=SHORT)
    no_sleep.clear()
    begins = iter([True])

    def plan(call: Call) -> Any:
        answer = call.send()
        if is_of_snapshot(call, "PutItem") and next(begins, False):
            raise timed_out(call)
        return answer

    with intercepted(plan) as made:
        assert is_short(shop.buy({product: 1}), product)

    assert reads_of_shards(made) > 0
    assert len(no_sleep) == 1, "the pause before the retry"
    latest = stored(product)
    assert latest
    assert (latest.started, latest.number) == (2, 2)


@pytest.mark.usefixtures("no_sleep")
def test_f01_the_snapshot_of_an_order_that_was_taken_for_dead_is_not_stored(shop: Shop, product: str) -> None:
    """The other order takes the next snapshot while this one has read the shards and not stored its own."""
    sell_out(shop, product)
    assert is_short(shop.buy({product: 1}), product)
    before = stored(product)
    nested: list[Answer] = []
    first = iter([True])

    def plan(call: Call) -> Any:
        answer = call.send()
        if call.operation == "BatchGetItem" and reads_of_shards([call]) and next(first, False):
            nested.append(shop.buy({product: 1}))
        return answer

    with intercepted(plan):
        answer = shop.buy({product: 1})

    assert is_short(nested[0], product)
    assert is_short(answer, product)
    latest = stored(product)
    assert before
    assert latest
    assert (latest.started, latest.number) == (before.started + 2, before.started + 2)


@pytest.mark.usefixtures("no_sleep")
def test_a_product_with_few_shards_has_no_snapshots(shop: Shop, product: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_snapshots, "_SHARDS_PER_ITEM", SHARDS + 1)
    sell_out(shop, product)
    before = table("inventory").get(*ShardSnapshot.key(product, 0))

    with intercepted() as made:
        assert is_short(shop.buy({product: 1}), product)

    assert reads_of_shards(made) == 2
    assert table("inventory").get(*ShardSnapshot.key(product, 0)) == before
