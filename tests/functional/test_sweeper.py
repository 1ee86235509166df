"""Holds that end on time: the sweeper sends a message, the worker expires the orders."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from oms.core import settings
from oms.core.pages import KeyRange
from oms.orders import expiry, moves, service
from sweeper import handler as sweeper
from sweeper import worker
from tests.support.aws_calls import intercepted
from tests.support.aws_client import aws_client
from tests.support.faults import failing, refuse
from tests.support.gateway import call
from tests.support.invocation import Answer, Context, Person

PRODUCTS = "/api/v1/inventory/products"
type Place = Callable[..., Answer]
type Move = Callable[[timedelta], None]


def just_started() -> Context:
    return Context(milliseconds_left=90_000)


def drain(*shards: int, context: Any = None) -> list[str]:
    """Gives the worker one message for each shard, and returns the ids of those that failed."""
    records = [
        {
            "messageId": f"message-{number}",
            "receiptHandle": "handle",
            "body": json.dumps({"shard": shard}),
            "attributes": {},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:expiry",
            "awsRegion": "eu-central-1",
        }
        for number, shard in enumerate(shards)
    ]
    answer = worker.lambda_handler({"Records": records}, context or just_started())
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


@pytest.fixture
def status(manager: Person) -> Callable[[Answer], str]:
    def read(placed: Answer) -> str:
        return str(call("GET", placed.headers["Location"], token=manager.token).json["status"])

    return read


def test_a_hold_ends_when_it_is_due_and_its_units_go_back(
    manager: Person, order: Place, time_machine: Move, status: Callable[[Answer], str]
) -> None:
    held = order(manager)
    product_id = held.json["items"][0]["product_id"]
    time_machine(timedelta(minutes=28))
    assert drain(0) == []
    assert status(held) == "pending"

    time_machine(timedelta(minutes=2, seconds=1))

    assert drain(0) == []
    swept = call("GET", held.headers["Location"], token=manager.token).json
    assert (swept["status"], swept["expires_at"], swept["version"]) == ("expired", None, 2)
    stock = call("GET", f"{PRODUCTS}/{product_id}", token=manager.token).json
    assert (stock["available"], stock["reserved"]) == (10, 0)
    history = call("GET", f"{held.headers['Location']}/history", token=manager.token).json["items"]
    assert [history[-1][name] for name in ("from", "to", "actor_id", "actor_role", "reason")] == [
        "pending",
        "expired",
        "system",
        "system",
        None,
    ]


def test_confirmed_and_cancelled_orders_are_left_alone(
    manager: Person, order: Place, time_machine: Move, status: Callable[[Answer], str]
) -> None:
    placed = [order(manager) for _ in range(3)]
    for held, move in zip(placed, ("confirm", "cancel"), strict=False):
        call("POST", f"{held.headers['Location']}/{move}", token=manager.token)
    time_machine(timedelta(minutes=31))

    drain(0)

    assert [status(held) for held in placed] == ["confirmed", "cancelled", "expired"]


def test_sweeping_twice_gives_units_back_once(manager: Person, order: Place, time_machine: Move) -> None:
    held = order(manager)
    time_machine(timedelta(minutes=31))

    drain(0, 0)
    drain(0)

    stock = call("GET", f"{PRODUCTS}/{held.json['items'][0]['product_id']}", token=manager.token).json
    assert (stock["available"], stock["reserved"]) == (10, 0)


def test_the_oldest_holds_end_first_and_the_rest_waits(
    manager: Person, order: Place, time_machine: Move, status: Callable[[Answer], str]
) -> None:
    placed = []
    for _ in range(3):
        placed.append(order(manager))
        time_machine(timedelta(seconds=1))
    time_machine(timedelta(minutes=31))
    left = iter([60_000, 45_000, 29_000])  # asked before each expiry
    context = Context()
    context.get_remaining_time_in_millis = lambda: next(left)

    assert drain(0, context=context) == []
    assert [status(held) for held in placed] == ["expired", "expired", "pending"]


def test_a_hold_that_fails_is_reported_and_does_not_stop_the_others(
    manager: Person,
    order: Place,
    time_machine: Move,
    status: Callable[[Answer], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    placed = []
    for _ in range(3):
        placed.append(order(manager))
        time_machine(timedelta(seconds=1))
    time_machine(timedelta(minutes=31))
    real = moves.expire_order

    def failing(order_id: str, **options: Any) -> Any:
        if order_id == placed[1].json["id"]:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "TransactWriteItems")
        return real(order_id, **options)

    monkeypatch.setattr(moves, "expire_order", failing)

    assert drain(0) == ["message-0"]
    assert [status(held) for held in placed] == ["expired", "pending", "expired"]


def logged_age(capsys: pytest.CaptureFixture[str]) -> float:
    """Returns the last age of an overdue hold that the worker emitted, in seconds."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "OldestOverdueHold" in line]
    (age,) = lines[-1]["OldestOverdueHold"]
    return float(age)


def test_a_run_that_ended_all_due_holds_reports_an_age_of_zero(
    manager: Person, order: Place, time_machine: Move, capsys: pytest.CaptureFixture[str]
) -> None:
    drain(0)
    assert logged_age(capsys) == 0

    order(manager)
    time_machine(timedelta(hours=5))
    drain(0)

    assert logged_age(capsys) == 0


@pytest.mark.parametrize("page", [100, 1])
def test_a_run_whose_time_ends_reports_the_age_of_the_first_hold_that_it_did_not_reach(
    manager: Person,
    order: Place,
    time_machine: Move,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    page: int,
) -> None:
    for _ in range(3):
        order(manager)
        time_machine(timedelta(minutes=10))
    time_machine(timedelta(minutes=60))
    monkeypatch.setattr(expiry, "KeyRange", lambda _limit, **rest: KeyRange(page, **rest))
    left = iter([60_000, 29_000])
    context = Context()
    context.get_remaining_time_in_millis = lambda: next(left)

    drain(0, context=context)

    # The second was placed 80 minutes ago, with a hold of 30.
    assert logged_age(capsys) == pytest.approx(50 * 60, abs=5 * 60)


def test_a_hold_that_could_not_be_ended_reports_its_age_though_later_ones_ended(
    manager: Person,
    order: Place,
    time_machine: Move,
    status: Callable[[Answer], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    stuck = order(manager)
    later = order(manager)
    time_machine(timedelta(minutes=50))

    with intercepted(refuse("TransactWriteItems", failing("AccessDeniedException"), times=1)):
        drain(0)

    assert [status(it) for it in (stuck, later)] == ["pending", "expired"]
    assert logged_age(capsys) == pytest.approx(20 * 60, abs=5 * 60)


def test_one_shards_failure_brings_its_message_back_alone(
    manager: Person, order: Place, time_machine: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    order(manager)
    time_machine(timedelta(minutes=31))

    def failing(order_id: str, **options: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "TransactWriteItems")

    monkeypatch.setattr(moves, "expire_order", failing)

    assert drain(1, 0, 2) == ["message-1"]


def test_more_than_a_page_of_holds_is_drained(
    manager: Person,
    order: Place,
    time_machine: Move,
    status: Callable[[Answer], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    placed = [order(manager) for _ in range(5)]
    time_machine(timedelta(minutes=31))
    monkeypatch.setattr(expiry, "KeyRange", lambda _limit, **rest: KeyRange(2, **rest))

    drain(0)

    assert {status(held) for held in placed} == {"expired"}


def test_a_shorter_hold_from_before_is_found_by_its_own_time(
    manager: Person,
    order: Place,
    time_machine: Move,
    status: Callable[[Answer], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the setting grew from 10 to 30 minutes, orders with the old hold are still due at the old time."""
    now = settings.settings()
    with monkeypatch.context() as before:
        before.setattr(service, "settings", lambda: replace(now, hold=timedelta(minutes=10)))
        short = order(manager)
    monkeypatch.setattr(expiry, "settings", lambda: replace(now, shortest_hold=timedelta(minutes=10)))
    long = order(manager)
    time_machine(timedelta(minutes=11))

    with intercepted() as calls:
        drain(0)

    assert [status(short), status(long)] == ["expired", "pending"]
    (read,) = [call.parameters["RequestItems"] for call in calls if call.operation == "BatchGetItem"]
    assert read["orders"]["Keys"] == [{"id": {"S": short.json["id"]}}], "orders that are not due are not read"


def test_each_minute_asks_for_every_shard(cloud: None, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = aws_client("sqs").create_queue(QueueName="expiry")["QueueUrl"]
    now = settings.settings()
    monkeypatch.setattr(sweeper, "settings", lambda: replace(now, order_shards=3, expiry_queue_url=queue))

    sweeper.lambda_handler({}, Context())

    messages = aws_client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert sorted(json.loads(message["Body"])["shard"] for message in messages) == [0, 1, 2]
