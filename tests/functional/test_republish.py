"""`make republish`: an order's events again, from its history alone, as they were."""

import io
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from oms.commands import republish, stacks
from oms.commands.republish import NotRepublishedError
from oms.events import envelope, streams
from publisher import handler as publisher
from tests.support.aws_calls import intercepted
from tests.support.event_bus import bus, published
from tests.support.invocation import Context, Person
from tests.support.shop import Shop
from tests.support.streams import Record, streamed

FUNCTION = "the-publisher"


class Lambda:
    """Runs the publisher in this process, as the command would have it run."""

    def __init__(self) -> None:
        self.failure: Exception | None = None

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Any:  # noqa: N803 - boto3's names
        assert FunctionName == FUNCTION
        if self.failure:
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(str(self.failure).encode())}
        answer = publisher.lambda_handler(json.loads(Payload), Context())
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


@pytest.fixture
def functions() -> Iterator[Lambda]:
    functions = Lambda()
    with intercepted(lambda call: functions.invoke(**call.parameters) if call.service == "lambda" else call.send()):
        yield functions


@pytest.fixture
def shop(customer: Person, manager: Person) -> Shop:
    return Shop(customer, manager)


def again(order_id: str) -> list[Any]:
    with bus() as taken:
        number = republish.republish(order_id, function=FUNCTION)
    published_again = [json.loads(it["Detail"]) for it in taken]
    assert number == len(published_again)
    return published_again


def made(shop: Shop, moves: tuple[str, ...], time_machine: Callable[[timedelta], None]) -> tuple[str, list[Record]]:
    with streamed("orders") as records:
        placed = shop.post(
            "/api/v1/orders",
            {"items": [{"product_id": shop.product(9), "quantity": 2}], "shipping_cost": "4.90", "note": "Ring twice"},
        ).json
        for move in moves:
            time_machine(timedelta(minutes=31 if move == "expire" else 1))
            if move == "expire":
                shop.sweep()
            else:
                assert shop.move(f"/api/v1/orders/{placed['id']}", move).status == 200
    return placed["id"], records


@pytest.mark.parametrize(
    "moves",
    [
        (),
        ("cancel",),
        ("expire",),
        ("confirm", "cancel"),
        ("confirm", "ship", "deliver", "return"),
        ("confirm", "ship"),
    ],
    ids="-".join,
)
def test_an_orders_events_are_published_again_unchanged(
    shop: Shop, functions: Lambda, time_machine: Callable[[timedelta], None], moves: tuple[str, ...]
) -> None:
    order_id, records = made(shop, moves, time_machine)
    first = published(records)
    assert len(first) == len(moves) + 1

    published_again = again(order_id)

    if moves:  # the one value that an order does not keep
        assert first[0]["data"]["expires_at"] is not None
        first[0]["data"]["expires_at"] = None
    assert published_again == first


def test_the_reason_of_a_cancel_is_that_of_its_event_alone(shop: Shop, functions: Lambda) -> None:
    placed = shop.buy({shop.product(9): 2}).json
    shop.post(f"/api/v1/orders/{placed['id']}/cancel", {"reason": "Ordered twice"})

    assert [it["data"]["cancel_reason"] for it in again(placed["id"])] == [None, "Ordered twice"]


def test_the_events_of_an_edited_order_have_its_current_fields(shop: Shop, functions: Lambda) -> None:
    with streamed("orders") as records:
        path = shop.buy({shop.product(9): 2}).headers["Location"]
        shop.edit(path, {"note": "first"})
        shop.move(path, "confirm")
        shop.edit(path, {"tags": ["gift"], "note": "second"})

    published_again = again(path.rpartition("/")[2])

    first = published(records)
    for event in first:  # the values that an order does not keep
        event["data"] |= {"expires_at": None, "note": "second", "tags": ["gift"]}
    assert published_again == first
    assert [it["data"].get("changed") for it in first] == [None, ["note"], None, ["note", "tags"]]


def test_an_order_that_there_is_not_and_a_publisher_that_fails_are_said(shop: Shop, functions: Lambda) -> None:
    placed = shop.buy({shop.product(9): 2}).json

    with pytest.raises(NotRepublishedError, match="no order NONE"):
        republish.republish("NONE", function=FUNCTION)
    functions.failure = ValueError("no bus")
    with pytest.raises(NotRepublishedError, match="the publisher failed: no bus"):
        republish.republish(placed["id"], function=FUNCTION)


def test_a_quarantined_event_is_not_reported_as_published(
    shop: Shop, functions: Lambda, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside: list[Record] = []
    monkeypatch.setattr(streams, "quarantine", lambda record, *_: aside.append(record))
    placed = shop.buy({shop.product(9): 2}).json
    created = again(placed["id"])
    shop.post(f"/api/v1/orders/{placed['id']}/cancel", {"reason": "x" * 300})
    monkeypatch.setattr(envelope, "MAX_EVENT_BYTES", len(json.dumps(created)) + 200)

    with bus() as taken, pytest.raises(NotRepublishedError, match="1 of 2 events were published"):
        republish.republish(placed["id"], function=FUNCTION)

    assert (len(taken), len(aside)) == (1, 1)


def test_the_command_finds_table_and_function_by_the_stack(
    shop: Shop, functions: Lambda, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    placed = shop.buy({shop.product(9): 2}).json
    monkeypatch.setattr(stacks, "table_of", lambda stage, domain: {("dev", "Orders"): "orders"}[stage, domain])
    monkeypatch.setattr(stacks, "outputs_of", lambda stage: {"dev": {"PublisherFunction": FUNCTION}}[stage])
    monkeypatch.setattr("sys.argv", ["republish", "--stage", "dev", "--order", placed["id"]])

    with bus() as taken:
        republish.main()

    assert [it["DetailType"] for it in taken] == ["order.created"]
    assert f"1 events of order {placed['id']} are published again." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("stage", "order", "why"), [("prod", "NONE", "There is no order NONE"), ("dev", "NONE", "Stage 'dev' cannot be")]
)
def test_each_failure_is_one_line(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, stage: str, order: str, why: str
) -> None:
    def table_of(stage: str, _: str) -> str:
        if stage == "dev":
            raise LookupError("the stack has none")
        return "orders"

    monkeypatch.setattr(stacks, "table_of", table_of)
    monkeypatch.setattr(stacks, "outputs_of", lambda _: {"PublisherFunction": FUNCTION})
    monkeypatch.setattr("sys.argv", ["republish", "--stage", stage, "--order", order])

    with pytest.raises(SystemExit, match=why):
        republish.main()
