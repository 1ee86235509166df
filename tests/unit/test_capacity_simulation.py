"""The parts of `make capacity` that decide its figures: virtual time, AWS's limits, conflicts, event sources, plots."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.capacity import goods, latency, parts, plan
from benchmarks.capacity.consumers import Mapping, QueueConsumer, StreamConsumer
from benchmarks.capacity.database import LimitedDatabase, Load
from benchmarks.capacity.environment import environment
from benchmarks.capacity.latency import Latency
from benchmarks.capacity.limits import PARTITION_WRITES, Bucket
from benchmarks.capacity.measures import Outcomes, Point, kept_up
from benchmarks.capacity.simulation import Simulation
from benchmarks.capacity.svg import plot
from benchmarks.capacity.virtual_time import StoppedError, VirtualTime
from oms.inventory.models import StockItem
from tests.support.dynamodb.errors import RefusedError

HOUR = 3600.0
# The time for which a limit is tried. The burst of its first quarter second is within the tolerance.
SECONDS = 3
TABLE = {
    "TableName": "things",
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "listing")],
    "BillingMode": "PAY_PER_REQUEST",
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "listed",
            "KeySchema": [{"AttributeName": "listing", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
}


# ---- virtual time ---------------------------------------------------------------------------------------------------


def test_tasks_take_turns_in_the_order_of_their_times() -> None:
    time, seen = VirtualTime(), []

    def task(name: str, *pauses: float) -> Callable[[], None]:
        def run() -> None:
            for pause in pauses:
                time.sleep(pause)
                seen.append((name, time.now))

        return run

    time.spawn(task("slow", HOUR, HOUR))
    time.spawn(task("quick", 1, HOUR), at=HOUR)
    time.run(10 * HOUR)

    assert seen == [("slow", HOUR), ("quick", HOUR + 1), ("slow", 2 * HOUR), ("quick", 2 * HOUR + 1)]


def test_the_end_stops_the_tasks_that_still_sleep() -> None:
    time, stopped = VirtualTime(), []

    def task() -> None:
        try:
            time.sleep(HOUR)
        except StoppedError:
            stopped.append(time.now)
            raise

    time.spawn(task)
    time.spawn(task, at=1)
    time.run(2)

    assert stopped == [1, 1]


def test_the_failure_of_a_task_ends_the_run() -> None:
    time = VirtualTime()
    time.spawn(lambda: time.sleep(HOUR))
    time.spawn(lambda: 1 / 0, at=1)

    with pytest.raises(ZeroDivisionError):
        time.run(2)


# ---- limits ---------------------------------------------------------------------------------------------------------


def test_a_partition_passes_its_units_a_second_and_no_more() -> None:
    bucket, passed = Bucket(PARTITION_WRITES), 0
    for millisecond in range(11_000):
        for _ in range(3):  # 3,000 writes of 2 units a second
            if bucket.has_token(millisecond / 1000):
                bucket.take(2)
                passed += 2 if millisecond >= 1000 else 0

    assert passed == pytest.approx(10 * PARTITION_WRITES, rel=0.01)


@pytest.fixture
def load() -> Load:
    return Load(VirtualTime(), Latency(1, spread=False))


@pytest.fixture
def database(load: Load) -> LimitedDatabase:
    database = LimitedDatabase()
    database.execute("CreateTable", TABLE)
    database.load = load
    return database


def put(key: str, **attributes: str) -> dict[str, Any]:
    return {"TableName": "things", "Item": {name: {"S": it} for name, it in ({"pk": key} | attributes).items()}}


def transaction(*keys: str) -> dict[str, Any]:
    return {"TransactItems": [{"Put": put(key)} for key in keys]}


def calls(
    load: Load, database: LimitedDatabase, *planned: tuple[float, str, dict[str, Any]], until: float = HOUR
) -> list[str]:
    """Makes calls at their times; returns the result of each, in that order: `ok`, or the codes of the refusal.

    It is empty for a call that has none at the end.
    """
    results = dict.fromkeys(range(len(planned)), "")

    def call(number: int, operation: str, request: dict[str, Any]) -> None:
        try:
            database.execute(operation, request)
            results[number] = "ok"
        except RefusedError as error:
            codes = [it["Code"] for it in error.extra.get("CancellationReasons", [])]
            results[number] = " ".join(codes) or error.code

    for number, (moment, operation, request) in enumerate(planned):
        load.time.spawn(lambda number=number, of=operation, its=request: call(number, of, its), at=moment)  # type: ignore[misc]
    load.time.run(until)
    return list(results.values())


def test_a_write_of_an_item_in_a_running_transaction_is_refused(load: Load, database: LimitedDatabase) -> None:
    half = latency.TRANSACTION / 2
    single = latency.WAY - latency.CALL / 2  # when a call begins that arrives with a transaction of time 0

    assert calls(
        load,
        database,
        (0, "TransactWriteItems", transaction("a", "b")),
        (half, "TransactWriteItems", transaction("c", "b")),
        (single + half, "PutItem", put("a")),
        (single + half, "PutItem", put("c")),
        (single + half, "GetItem", {"TableName": "things", "Key": {"pk": {"S": "a"}}}),
        (2.1 * half, "TransactWriteItems", transaction("a", "b")),
    ) == ["ok", "None TransactionConflict", "TransactionConflictException", "ok", "ok", "ok"]
    assert load.counts["conflicts"] == 2


def test_a_refused_transaction_writes_nothing_and_holds_nothing(load: Load, database: LimitedDatabase) -> None:
    calls(
        load,
        database,
        (0, "TransactWriteItems", transaction("a")),
        (0.001, "TransactWriteItems", transaction("b", "a")),
    )

    assert set(database.table("things").rows) == {("a",)}
    assert not load.held


def served(
    load: Load, database: LimitedDatabase, rate: int, request: Callable[[int], tuple[str, dict[str, Any]]]
) -> float:
    """Returns the rate of calls that succeed, if `rate` calls a second are made."""
    planned = [(number / rate, *request(number)) for number in range(rate * SECONDS)]
    return calls(load, database, *planned, until=SECONDS).count("ok") / SECONDS


def test_writes_of_one_item_end_at_a_thousand_units_a_second(load: Load, database: LimitedDatabase) -> None:
    found = served(load, database, 1500, lambda _: ("PutItem", put("a")))

    assert found == pytest.approx(1000, rel=0.15)
    assert load.capacity.refused.keys() == {("things", "", "a")}


def test_a_transaction_takes_twice_the_units(load: Load, database: LimitedDatabase, monkeypatch: Any) -> None:
    monkeypatch.setattr(latency, "TRANSACTION", 1e-9)  # without conflicts

    found = served(load, database, 800, lambda _: ("TransactWriteItems", transaction("a")))

    assert found == pytest.approx(500, rel=0.15)


def test_a_full_partition_of_an_index_throttles_the_table(load: Load, database: LimitedDatabase) -> None:
    found = served(load, database, 1500, lambda it: ("PutItem", put(f"{it}", listing="all")))

    assert found == pytest.approx(1000, rel=0.15)
    assert load.capacity.refused.keys() == {("things", "listed", "all")}
    assert len(database.table("things").rows) == pytest.approx(SECONDS * found, abs=10), (
        "throttled writes are not stored"
    )


def test_reads_of_one_item_end_at_three_thousand_units_a_second(load: Load, database: LimitedDatabase) -> None:
    key = {"TableName": "things", "Key": {"pk": {"S": "a"}}, "ConsistentRead": True}

    assert served(load, database, 4000, lambda _: ("GetItem", key)) == pytest.approx(3000, rel=0.15)


# ---- event sources --------------------------------------------------------------------------------------------------


@pytest.fixture
def simulation(load: Load) -> Iterator[Simulation]:
    return Simulation(load, Outcomes(warm=0, end=HOUR))


@pytest.mark.parametrize(("window", "batches"), [(0, [1, 1, 3, 3, 2]), (5, [3, 3, 3, 1])])
def test_a_queue_is_consumed_in_batches_with_a_limit_at_once(
    simulation: Simulation, window: float, batches: list[int]
) -> None:
    seen: list[int] = []
    at_once = [0, 0]

    def handler(event: Any, _: Any) -> Any:
        seen.append(len(event["Records"]))
        at_once[0] += 1
        at_once[1] = max(at_once)
        simulation.time.sleep(1)
        at_once[0] -= 1
        return {"batchItemFailures": []}

    consumer = QueueConsumer(simulation, Mapping(batch=3, concurrency=2, window=window), handler)
    for _ in range(10):
        simulation.time.at(0, lambda: consumer.send("{}"))
    simulation.time.run(HOUR)

    assert (seen, at_once[1]) == (batches, 2)


def _fail_first(*_: Any) -> Any:
    return {"batchItemFailures": [{"itemIdentifier": "0"}]}


def _raise(*_: Any) -> Any:
    raise RuntimeError


@pytest.mark.parametrize(("handler", "succeeded"), [(_fail_first, 0.5), (_raise, 0)])
def test_a_message_that_fails_is_not_served(simulation: Simulation, handler: Any, succeeded: float) -> None:
    consumer = QueueConsumer(simulation, Mapping(batch=2, concurrency=1, window=1), handler)
    for _ in range(2):
        simulation.time.at(0, lambda: consumer.send("{}"))
    simulation.time.run(HOUR)

    assert simulation.point(1).succeeded == succeeded


def test_a_message_counts_from_the_begin_of_its_work(simulation: Simulation) -> None:
    done: Any = {"batchItemFailures": []}
    consumer = QueueConsumer(
        simulation, Mapping(batch=1, concurrency=1), lambda *_: done, begun=lambda sent, body: sent - json.loads(body)
    )
    simulation.time.at(HOUR / 2, lambda: consumer.send("60"))
    simulation.time.run(HOUR)

    assert simulation.point(1).p50 == pytest.approx(60_000, abs=100)


def test_a_stream_keeps_the_order_of_a_key_and_repeats_failed_batches(simulation: Simulation) -> None:
    seen: list[list[int]] = []

    def handler(event: Any, _: Any) -> None:
        seen.append([record["number"] for record in event["Records"]])
        if len(seen) == 1:
            raise RuntimeError

    stream = StreamConsumer(simulation, Mapping(batch=2, concurrency=4), handler)
    for number in range(3):
        record = {"number": number, "dynamodb": {"Keys": {"pk": {"S": "a"}}}}
        simulation.time.at(0, lambda record=record: stream.send(record))  # type: ignore[misc]
    simulation.time.run(HOUR)

    assert seen == [[0, 1], [0, 1], [2]]


# ---- measures and plots ---------------------------------------------------------------------------------------------


def point(offered: float, served: float, succeeded: float = 1.0) -> Point:
    return Point(offered, served, succeeded, conflicts=0.1, throttled=0.2, p50=10, p99=100)


def test_work_counts_by_its_begin_and_served_work_by_its_end() -> None:
    outcomes = Outcomes(warm=1, end=3, parts=2)
    for begun, ended, ok in ((0.5, 1.5, True), (1, 1.5, True), (2, 2.5, False), (2.5, 3.5, True), (3.5, 4, False)):
        outcomes.note(begun, ended, ok=ok)

    found = outcomes.point(7, {"writes": 4, "conflicts": 1}, {("orders", "", "a"): 2, ("orders", "open", "b"): 9})

    assert (found.offered, found.served, found.succeeded) == (7, 2 / 2 / 2, 2 / 3)
    assert (found.conflicts, found.throttled, found.hottest) == (0.25, 0, "orders open b")
    assert (found.p50, found.p99) == (1000, 1000)


@pytest.mark.parametrize(
    ("points", "kept"),
    [
        ([point(10, 10), point(20, 19.5), point(40, 25)], 20),
        ([point(10, 10), point(20, 20, succeeded=0.98), point(40, 40)], 10),
        ([point(10, 5)], 0),
    ],
)
def test_a_part_keeps_up_until_the_first_rate_that_it_does_not(points: list[Point], kept: float) -> None:
    assert kept_up(points) == kept


def test_a_plot_has_a_curve_for_each_variant_in_each_panel() -> None:
    curves = [("now", [point(1, 1), point(10, 10)]), ("then", [point(5, 2)])]
    picture = ET.fromstring(plot("Orders & more", "orders", curves))  # noqa: S314 - our own text

    panels = picture.findall("{*}g")
    assert [len(it.findall("{*}circle")) for it in panels] == [3, 3, 3]
    first = panels[0].findall("{*}circle")
    # Points whose whole load is served are on the line from corner to corner.
    assert [(it.get("cx"), it.get("cy")) for it in first[:2]] == [("0.0", "180.0"), ("240.0", "0.0")]


# ---- the plan -------------------------------------------------------------------------------------------------------


def test_each_part_of_the_plan_can_run() -> None:
    assert parts.RUNS.keys() == {part.name for part in plan.PARTS}
    assert parts.PIECES.keys() == {part.name for part in plan.PARTS if part.unit == plan.LIFECYCLES}


def test_the_units_that_are_gone_must_be_those_of_the_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    item = {"pk": {"S": StockItem.key(goods.product_id(0), 7)[0]}, "available": {"N": "1"}, "reserved": {"N": "1"}}
    tables = {"orders": SimpleNamespace(rows={}), "inventory": SimpleNamespace(rows={7: SimpleNamespace(item=item)})}
    monkeypatch.setattr(goods, "DATABASE", SimpleNamespace(table=tables.get))
    stock = goods.SoldStock(2)

    with pytest.raises(AssertionError, match="0 orders stored"):
        stock.check_sum()
    with pytest.raises(AssertionError, match="while units were left"):
        stock.check_sold_out()

    tables["orders"].rows["order"] = item
    stock.check_sum()
    item["available"] = {"N": "0"}
    stock.check_sold_out()


def test_the_real_code_gives_the_same_point_for_the_same_seed() -> None:
    command = [sys.executable, "-m", "benchmarks.capacity.worker", "hot-product", plan.AS_DEPLOYED]

    def points(seed: int, *rates: str) -> list[Point]:
        done = subprocess.run(
            [*command, "--share", "0", "--seed", str(seed), "--rates", *rates],
            env=environment({}),
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return [Point(**json.loads(line)) for line in done.stdout.splitlines()]

    first, again = points(1, "50", "50")
    (other,) = points(2, "50")

    assert first == again != other
    assert first.served > 25
    assert 0.2 < first.conflicts < 0.8, "half of the attempts meet a transaction that holds the item"
