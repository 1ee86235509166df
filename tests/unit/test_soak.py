"""The soak: its requests cover the document, its faults are those of AWS, and its checks find what is wrong."""

import json
import random
from typing import Any

import pytest

from tests.support.operations import DOCUMENT
from tests.support.soak.aws_faults import AwsFaults, Call
from tests.support.soak.invariants import State, deliveries, feed, units
from tests.support.soak.requests import WEIGHTS, Known, Request, Requests, Session, learn
from tests.support.soak.subscriber import FlakySubscriber

OPERATIONS = {it["operationId"]: it for methods in DOCUMENT["paths"].values() for it in methods.values()}
AT = "2026-01-01T00:00:00.000Z"


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_can_be_requested_before_anything_is_known(name: str) -> None:
    request = Requests(Known(), "http://127.0.0.1:1").of(name, random.Random(1))

    # Without a session of its own, a request that ends one is another one.
    assert request.operation == name or name in ("change_password", "end_session")
    assert "{" not in request.path
    assert (request.body is None) or request.method != "GET"


def test_all_operations_are_drawn() -> None:
    requests, chance = Requests(Known(), "http://127.0.0.1:1"), random.Random(1)

    drawn = {requests.draw(chance).operation for _ in range(5000)}

    assert drawn | {"change_password", "end_session"} == set(OPERATIONS)
    assert set(WEIGHTS) <= set(OPERATIONS)


def test_requests_use_what_earlier_ones_have_created() -> None:
    known, chance = Known(), random.Random(1)
    created = Request("create_order", "customer", "POST", "/api/v1/orders", {}, "key")
    learn(known, created, 201, {"id": "O1", "status": "pending"})
    known.add("session", Session("a@example.com", "access", "refresh.S1.x"))
    requests = Requests(known, "http://127.0.0.1:1")

    assert requests.of("confirm_order", chance).path == "/api/v1/orders/O1/confirm"
    ending = requests.of("end_session", chance)
    assert (ending.path, ending.token) == ("/api/v1/auth/sessions/S1", "access")


def state(*, rows: list[tuple[int, str, int]], head: int, versions: int = 2, delivery: dict[str, Any] | None) -> State:
    """Returns the state after one order; rows have a position, an event and the version of the order."""
    found = State.__new__(State)
    found.orders = [{"id": {"S": "O1"}, "history": {"L": [{}] * versions}}]
    found.events = [{"kind": {"S": "log"}, "position": {"N": str(head)}, "reserved": {"M": {}}}]
    for position, event, version in rows:
        body = json.dumps({"data": {"id": "O1"}, "sequence": version, "occurred_at": AT})
        row = {"kind": "row", "sk": f"{position:012d}", "event_id": event, "type": "order.created", "body": body}
        found.events.append({name: {"S": text} for name, text in row.items()})
    found.webhooks = []
    if delivery is not None:
        texts = {"kind": "delivery", "subscription_id": "S1", "event_id": "E1", "status": delivery["status"]}
        item: dict[str, Any] = {name: {"S": text} for name, text in texts.items()}
        found.webhooks.append(item | {"attempts": {"L": [{"M": it} for it in delivery["attempts"]]}})
    return found


@pytest.mark.parametrize(
    ("rows", "head", "problem"),
    [
        ([(1, "E1", 1), (2, "E2", 2)], 2, None),
        ([(1, "E1", 1), (3, "E2", 2)], 3, "2 rows, and the head is at 3"),
        ([(1, "E1", 1), (2, "E2", 2)], 3, "2 rows, and the head is at 3"),
        ([(1, "E1", 1), (2, "E2", 2), (3, "E2", 2)], 3, "event E2 is in it 2 times"),
        ([(1, "E1", 1)], 1, "version 2 of order O1 is missing"),
    ],
)
def test_a_gap_a_repetition_and_a_missing_event_of_the_feed_are_found(
    rows: list[tuple[int, str, int]], head: int, problem: str | None
) -> None:
    found = feed(state(rows=rows, head=head, delivery=None))

    assert found == ([f"feed: {problem}"] if problem else [])


@pytest.mark.parametrize(
    ("delivery", "received", "problem"),
    [
        ({"status": "delivered", "attempts": []}, True, None),
        ({"status": "delivered", "attempts": []}, False, "E1 is delivered, but was not received"),
        ({"status": "pending", "attempts": [{"status_code": {"N": "500"}}]}, False, "E1 is pending"),
        (None, True, "E1 has no delivery"),
    ],
)
def test_a_lost_delivery_is_found(delivery: dict[str, Any] | None, received: bool, problem: str | None) -> None:
    subscriber = FlakySubscriber("http://127.0.0.1:1", id="S1", since=AT)
    subscriber.events += [{"id": "E1"}] if received else []

    found = deliveries(state(rows=[(1, "E1", 1)], head=1, versions=1, delivery=delivery), subscriber)

    assert found == ([f"webhook: {problem}"] if problem else [])


def stock(available: int, reserved: int) -> dict[str, Any]:
    numbers = {"available": {"N": str(available)}, "reserved": {"N": str(reserved)}}
    return {"kind": {"S": "stock"}, "product_id": {"S": "P1"}, **numbers}


@pytest.mark.parametrize(
    ("shards", "known", "problems"),
    [
        ([(3, 0), (2, 1)], {"O1"}, []),
        ([(3, 0), (2, 2)], {"O1"}, ["product P1: 2 reserved, 1 in open orders", "product P1: 5+2+0 of 6"]),
        ([(3, 0), (1, 1)], {"O1"}, ["product P1: 4+1+0 of 6"]),
        ([(3, 0), (2, 1)], set(), ["order O1 is stored, and no client got it"]),
        ([(3, 0), (2, 1)], {"O1", "O2"}, ["order O2 was answered, and is not stored"]),
    ],
)
def test_lost_units_and_orders_are_found(shards: list[tuple[int, int]], known: set[str], problems: list[str]) -> None:
    found, clients = state(rows=[], head=0, delivery=None), Known()
    line = {"product_id": {"S": "P1"}, "quantity": {"N": "1"}}
    found.orders[0] |= {"status": {"S": "pending"}, "lines": {"L": [{"M": line}]}, "history": {"L": [{"M": {}}]}}
    found.inventory = [stock(*it) for it in shards]
    clients.orders = known
    clients.add_units("P1", 6)

    assert units(found, clients) == problems


def test_faults_meet_a_few_percent_of_the_calls_and_repeat_with_their_seed() -> None:
    def drawn(seed: int) -> list[str | None]:
        faults = AwsFaults(seed)
        faults.active = True
        return [faults.draw(Call("dynamodb", f"key{number % 20}", "GetItem", b"")) for number in range(4000)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert 0.01 < sum(kind is not None for kind in drawn(1)) / 4000 < 0.06
