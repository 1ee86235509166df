"""F19: a message that failed at every try waits in its queue; `make redrive` retries it, without loss or duplicates."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from local.cloud import free_port
from local.deployment import ROOT
from local.system import LocalSystem
from tests.support.local_cloud.counts import open_orders, wait_until_counted
from tests.support.local_cloud.feed import about, follow, latest
from tests.support.local_cloud.queues import resource, wait_until_at_rest
from tests.support.local_cloud.shop import WAIT_SECONDS, create_product, order_of, read, wait_until

pytestmark = [pytest.mark.alone, pytest.mark.full]


def redrive(port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command as `make redrive` does."""
    environment = {**os.environ, "PORT": str(port), "PYTHONPATH": f"{ROOT}/layers/shared/python"}
    # Credentials of another account, which the command must not use.
    environment |= {"AWS_PROFILE": "prod", "AWS_REGION": "us-east-1"}
    command = [sys.executable, "-m", "local.redrive", "--stage", "local", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False
    )


def redriven(system: LocalSystem, queue: str) -> int:
    result = redrive(system.front_door.port, "--queue", queue)
    assert result.returncode == 0, result.stderr
    (number,) = re.findall(r"^(\d+) messages were retried", result.stdout)
    return int(number)


def redriven_until[T](system: LocalSystem, queue: str, look: Callable[[], T], is_there: Callable[[T], bool]) -> T:
    """Redrives until `look` succeeds: a message may have its last failure after a redrive."""

    def again() -> T:
        redriven(system, queue)
        return look()

    return wait_until(again, is_there, pause=1)


def waiting(system: LocalSystem, queue: str) -> int:
    """Returns the waiting messages that the command lists."""
    result = redrive(system.front_door.port)
    assert result.returncode == 0, result.stderr
    counts = {line.split()[0]: line.split()[-1] for line in result.stdout.splitlines() if line.startswith("  ")}
    return int(counts[queue])


@contextmanager
def failing(system: LocalSystem, function: str, queue: str, **environment: str) -> Iterator[None]:
    """In this context, the function fails, and its messages are delivered again within a second.

    An update ends the function's workers. So it waits until they have nothing in hand: a message in hand returns after
    the queue's own visibility time, and positions of the feed that a worker has reserved hold up readers until then.
    """
    wait_until_at_rest(system, queue)
    before, url = system.environment(function), resource(system, queue)
    sqs = system.client("sqs")
    timeout = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
    system.update_environment(function, **environment)
    try:
        yield
    finally:
        system.update_environment(function, **{name: before[name] for name in environment})
        # The workers' messages return after the queue's visibility time, which is short only now.
        wait_until_at_rest(system, queue)
        sqs.set_queue_attributes(QueueUrl=url, Attributes=timeout)


def put(system: LocalSystem, output: str, message: Any) -> None:
    body = json.dumps(message, ensure_ascii=False)
    system.client("sqs").send_message(QueueUrl=system.deployment.outputs[output], MessageBody=body)


@pytest.fixture
def manager(signed_in: Callable[[str], httpx.Client]) -> httpx.Client:
    return signed_in("manager")


@pytest.fixture
def start(system: LocalSystem) -> str | None:
    """The last event in the feed at the start of a test."""
    return latest(system)


@pytest.fixture
def product(manager: httpx.Client, start: str | None) -> str:
    """A product whose event has reached the queues and the feed."""
    product = create_product(manager, stock=100)
    assert wait_until(lambda: feed_of(manager, product, start), bool)
    return product


def feed_of(manager: httpx.Client, resource_id: str, start: str | None) -> list[Any]:
    """Returns the events of an order or a product that are in the feed."""
    return about(follow(manager, start), resource_id)


def test_f19_dead_letters_of_the_feed_are_written_down_once(
    system: LocalSystem,
    signed_in: Callable[[str], httpx.Client],
    manager: httpx.Client,
    product: str,
    start: str | None,
) -> None:
    with failing(system, "Feeder", "EventsFeed", OMS_EVENTS_TABLE="missing"):
        order = signed_in("alice").post("/api/v1/orders", json=order_of((product, 1))).json()["id"]
        assert wait_until(lambda: waiting(system, "Feed"), lambda it: it >= 1) >= 1
    assert feed_of(manager, order, start) == []

    assert redriven(system, "Feed") >= 1

    (event,) = redriven_until(system, "Feed", lambda: feed_of(manager, order, start), bool)
    assert (event["type"], event["sequence"]) == ("order.created", 1)
    put(system, "FeedDeadLetters", event)
    assert redriven(system, "feed") >= 1
    wait_until_at_rest(system, "EventsFeed")
    assert feed_of(manager, order, start) == [event]
    assert redriven_until(system, "Feed", lambda: waiting(system, "Feed"), lambda it: it == 0) == 0


def test_f19_dead_letters_of_the_counts_are_counted_once_though_later_ones_came_before(
    system: LocalSystem,
    client: Callable[..., httpx.Client],
    manager: httpx.Client,
    product: str,
    start: str | None,
) -> None:
    http = client("127.0.0.26")
    account = {"email": f"late-{time.monotonic_ns()}@example.com", "password": "three quiet lighthouses"}
    user = http.post("/api/v1/auth/register", json=account | {"first_name": "Lea"}).json()["id"]
    token = http.post("/api/v1/auth/login", json=account).json()["access_token"]
    http.headers["Authorization"] = f"Bearer {token}"

    with failing(system, "Aggregator", "EventsAggregates", OMS_REPORTS_TABLE="missing"):
        first, second = (http.post("/api/v1/orders", json=order_of((product, 1))).json()["id"] for _ in range(2))
        assert wait_until(lambda: waiting(system, "Aggregates"), lambda it: it >= 2) >= 2
    assert http.post(f"/api/v1/orders/{first}/cancel").status_code == 200
    wait_until_counted(system, first, 2)
    assert open_orders(system, user) == 0

    assert redriven(system, "Aggregates") >= 2

    counted = redriven_until(system, "Aggregates", lambda: open_orders(system, user), lambda it: it == 1)
    assert counted == 1, "the second is open, the first is not"
    created = wait_until(lambda: feed_of(manager, second, start), bool)
    put(system, "AggregatesDeadLetters", created[0])
    assert redriven(system, "Aggregates") >= 1
    wait_until_at_rest(system, "EventsAggregates")
    assert open_orders(system, user) == 1
    assert redriven_until(system, "Aggregates", lambda: waiting(system, "Aggregates"), lambda it: it == 0) == 0


def test_f19_a_record_of_the_bookkeepers_poison_queue_is_written_down_once(
    system: LocalSystem, manager: httpx.Client, product: str
) -> None:
    def movements() -> list[Any]:
        return list(read(manager, f"/api/v1/inventory/products/{product}/movements")["items"])

    table, dynamodb = system.environment("Orders")["OMS_INVENTORY_TABLE"], system.client("dynamodb")
    (movement,) = wait_until(movements, bool)
    keys = {"pk": {"S": f"stock#{product}#0"}, "sk": {"S": "stock"}}
    item = dynamodb.get_item(TableName=table, Key=keys)["Item"]
    record = {
        "eventID": "1",
        "eventName": "INSERT",
        "eventSourceARN": f"arn:aws:dynamodb:eu-central-1:000000000000:table/{table}/stream/2026-01-01T00:00:00.000",
        "dynamodb": {
            "ApproximateCreationDateTime": time.time(),
            "Keys": keys,
            "NewImage": item,
            "SequenceNumber": "1",
        },
    }
    entries = dynamodb.query(
        TableName=table,
        KeyConditionExpression="pk = :pk AND begins_with(sk, :movement)",
        ExpressionAttributeValues={":pk": keys["pk"], ":movement": {"S": "movement#"}},
    )["Items"]
    assert len(entries) == 1
    dynamodb.delete_item(TableName=table, Key={"pk": entries[0]["pk"], "sk": entries[0]["sk"]})
    assert movements() == []
    for _ in range(2):
        put(system, "BookkeeperPoison", {"cause": "KeyError: 'last'", "record": record})
    assert waiting(system, "Bookkeeper") == 2

    assert redriven(system, "Bookkeeper") == 2

    assert movements() == [movement]
    assert waiting(system, "Bookkeeper") == 0


def test_an_unknown_queue_and_a_system_that_is_not_there_are_one_sentence_each(system: LocalSystem) -> None:
    unknown = redrive(system.front_door.port, "--queue", "Fed")
    absent = redrive(free_port())

    assert unknown.returncode == absent.returncode == 1
    account, refusal = unknown.stderr.splitlines()
    assert account == "Account 000000000000, region us-east-1, stage local"
    assert refusal.startswith("There is no queue 'Fed' in the stage 'local': choose one of ")
    assert "Feed" in refusal
    (sentence,) = absent.stderr.splitlines()
    assert sentence.startswith("No system is running on port ")
