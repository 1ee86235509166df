"""F13, F14: late, repeated or reordered changes of stock leave the sums equal to the stock items."""

import random
from collections.abc import Callable, Iterator
from itertools import batched
from typing import Any

import pytest

from oms.core import clock
from oms.events import streams
from oms.inventory.models import Cause, StockItem
from oms.reports import stock_sums, sums
from tests.support.aws_calls import Call, intercepted
from tests.support.database import table
from tests.support.faults import conflicted, crashes, failing, lose_answer, refuse
from tests.support.shop import Shop
from tests.support.stock_sums import assert_summed_up, raw_items, totals_kept, totals_of_the_stock
from tests.support.streams import Record, record, run_bookkeeper, streamed

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

CHANGES = 3000
PRODUCTS = 60


def new_stock(chance: random.Random) -> StockItem:
    product_id = clock.random_id()
    return StockItem(
        *StockItem.key(product_id),
        product_id=product_id,
        sku=product_id,
        name="Saw",
        category="Tools",
        price=chance.randrange(10_000),
        status="active",
        offer=1,
        available=(units := chance.choice((0, 3, 50))),
        reserved=0,
        opening=units,
        low_stock_threshold=chance.choice((None, 0, 5)),
        version=1,
        last=Cause(cause="product-created", actor="somebody", ref="x", ref_version=1, at="2026-01-01T00:00:00.000Z"),
    )


def change(stock: StockItem, chance: random.Random) -> None:
    """Makes one write as the system does: units are moved, or the product is edited."""
    if chance.random() < 0.75:
        units = chance.randint(-stock.available, 8) if chance.random() < 0.8 else -stock.available
        held = chance.randint(-stock.reserved, 4) if chance.random() < 0.5 else 0
        stock.available += units
        stock.reserved += held
        stock.version += 1
        return
    edited = {
        "price": chance.randrange(10_000),
        "status": chance.choice(("active", "active", "archived")),
        "low_stock_threshold": chance.choice((None, 0, 5, 20)),
    }
    stock.offer += any(getattr(stock, name) != edited[name] for name in ("price", "status"))
    for name, value in edited.items():
        setattr(stock, name, value)
    stock.edits += 1


def a_busy_year(chance: random.Random) -> Iterator[Record]:
    """Returns the stream of thousands of changes. The table has the resulting stock items."""
    stocks = [new_stock(chance) for _ in range(PRODUCTS)]
    for stock in stocks:
        yield record(None, stock.serialize())
    for _ in range(CHANGES):
        stock = chance.choice(stocks)
        before = stock.serialize()
        change(stock, chance)
        yield record(before, stock.serialize())
    for stock in stocks:
        table("inventory").put(stock.serialize())


def test_after_thousands_of_changes_the_sums_are_those_of_the_stock_items(cloud: None) -> None:
    chance = random.Random(7)
    records = list(a_busy_year(chance))

    for batch in batched(records, 100, strict=False):
        run_bookkeeper(batch)

    assert_summed_up()
    assert all(totals_kept().values()), "the year has every kind of change"


def test_f14_doubled_reordered_and_late_changes_give_the_same_sums(cloud: None) -> None:
    chance = random.Random(8)
    records = list(a_busy_year(chance))
    arriving = records + chance.sample(records, len(records) // 4)
    chance.shuffle(arriving)

    while arriving:
        size = chance.choice((1, 10, 100))
        run_bookkeeper(arriving[:size])
        del arriving[:size]

    assert_summed_up()


@pytest.fixture
def spread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt draws from as many shards as its batch has contributions."""
    monkeypatch.setattr(sums, "_CONTRIBUTIONS_PER_SHARD", 1)


@pytest.fixture
def traded(shop: Shop) -> list[Record]:
    """The stream of products that were sold, returned, edited and archived."""
    with streamed() as records:
        for number in range(4):
            made = shop.manage(
                "POST",
                "products",
                {"sku": f"S-{number}", "name": "Saw", "category": "Tools", "price": 5, "stock": 10}
                | {"low_stock_threshold": 4},
            )
            product = made.json["id"]
            path = f"/api/v1/orders/{shop.buy({product: 7 + number}).json['id']}"
            if number % 2:
                shop.move(path, "cancel")
        shop.reprice(product, "7.50", status="archived")
    return records


def test_the_sums_follow_the_changes_by_the_api(traded: list[Record]) -> None:
    run_bookkeeper(traded)

    assert_summed_up()
    assert totals_kept() == {"products": 3, "on_hand": 30, "reserved": 16, "value": 15_000, "low": 2, "out": 0}


@pytest.mark.usefixtures("spread")
def test_f13_a_crash_anywhere_and_the_batch_again_leave_the_same_sums(traded: list[Record]) -> None:
    def forget() -> None:
        table("reports").clear()
        for line in raw_items("inventory", "movement"):
            table("inventory").delete(line["pk"]["S"], line["sk"]["S"])

    whole, points = totals_of_the_stock(), 0
    changes = [it["dynamodb"] for it in traded]
    moved = sum(it["NewImage"]["version"] != it.get("OldImage", {}).get("version") for it in changes)
    for name, _ in crashes(forget, lambda _: run_bookkeeper(traded)):
        points += 1
        run_bookkeeper(traded)
        run_bookkeeper(traded)
        assert totals_kept() == whole, name

    assert points == 2 * (moved + 2), "the writes of the ledger, a read and a transaction"


@pytest.mark.parametrize("failure", [conflicted, failing("ThrottlingException")])
def test_conflicts_with_another_bookkeeper_pass(
    traded: list[Record], no_sleep: list[float], failure: Callable[[Call], Exception]
) -> None:
    with intercepted(refuse("TransactWriteItems", failure, times=3)):
        run_bookkeeper(traded)

    assert_summed_up()
    assert len(no_sleep) == 3


@pytest.mark.usefixtures("spread")
def test_a_lost_answer_adds_nothing_twice(traded: list[Record], no_sleep: list[float]) -> None:
    with intercepted(lose_answer("TransactWriteItems")):
        run_bookkeeper(traded)

    assert_summed_up()
    assert len(no_sleep) == 1


@pytest.mark.usefixtures("spread")
def test_a_batch_that_another_bookkeeper_carries_out_meanwhile_is_added_once(
    traded: list[Record], no_sleep: list[float]
) -> None:
    waiting = [traded[:5]]

    def plan(call: Call) -> Any:
        if call.operation == "TransactWriteItems" and waiting:
            run_bookkeeper(waiting.pop())
        return call.send()

    with intercepted(plan):
        run_bookkeeper(traded)

    assert_summed_up()


def test_a_batch_of_any_items_is_written_in_one_transaction(traded: list[Record]) -> None:
    with intercepted() as calls:
        run_bookkeeper(traded)
    with intercepted() as again:
        run_bookkeeper(traded)

    of_the_sums = [it.operation for it in calls if it.operation != "PutItem"]
    assert of_the_sums == ["BatchGetItem", "TransactWriteItems"]
    assert [it.operation for it in again if it.operation != "PutItem"] == ["BatchGetItem"]


def test_changes_that_cancel_each_other_out_are_a_change_of_their_sum(
    cloud: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a check that reads one contribution before, and the other after them, would miss the change."""
    monkeypatch.setattr("random.randrange", lambda _: 0)  # both batches draw this shard
    chance = random.Random(1)
    one, other = (new_stock(chance) for _ in range(2))
    for stock in (one, other):
        stock.available, stock.reserved, stock.low_stock_threshold = 50, 5, None
    run_bookkeeper([record(None, it.serialize()) for it in (one, other)])
    (before,) = raw_items("reports", "sum")

    moved = []
    for stock, units in ((one, 1), (other, -1)):
        was = stock.serialize()
        stock.reserved += units
        stock.available -= units
        stock.version += 1
        moved.append(record(was, stock.serialize()))
    run_bookkeeper(moved)

    (after,) = raw_items("reports", "sum")
    assert after == before | {"changes": {"N": str(int(before["changes"]["N"]) + 1)}}


@pytest.fixture
def aside(monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """The quarantined records."""
    found: list[Record] = []
    monkeypatch.setattr(streams.queues, "send", lambda _, message: found.append(message["record"]))
    return found


def test_f15_a_record_that_cannot_be_added_up_is_quarantined_and_holds_up_no_other(
    shop: Shop, aside: list[Record]
) -> None:
    with streamed() as records:
        for _ in range(3):
            shop.manage("POST", "products", {"sku": clock.random_id(), "name": "A", "category": "A", "price": 1})
    broken = records[1]["dynamodb"]["Keys"]["pk"]["S"]
    table("reports").put(
        {"pk": {"S": broken}, "sk": {"S": "applied#0"}, "kind": {"S": "applied"}, "amounts": {"S": "{"}}
    )

    run_bookkeeper(records)

    assert aside == [records[1]]
    assert totals_kept()["products"] == 2


def test_f15_a_sum_that_is_not_a_number_quarantines_its_additions(shop: Shop, aside: list[Record]) -> None:
    with streamed() as records:
        for _ in range(8):
            shop.manage("POST", "products", {"sku": clock.random_id(), "name": "A", "category": "A", "price": 1})
    for pk, sk in stock_sums.STOCK.shards:
        table("reports").put({"pk": {"S": pk}, "sk": {"S": sk}, "kind": {"S": "sum"}, "products": {"S": "many"}})

    run_bookkeeper(records)

    assert records[0] in aside
    for shard in stock_sums.STOCK.shards:
        table("reports").delete(*shard)
    run_bookkeeper(aside)
    assert_summed_up()
