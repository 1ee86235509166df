"""F19: a command retries failed messages, and may be interrupted at any call."""

import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID

from bookkeeper import handler as bookkeeper
from oms.commands import redrive, stacks
from oms.commands.redrive import RedriveResult
from oms.core import clock
from oms.core.settings import settings
from oms.events import streams
from oms.inventory.models import StockItem
from oms.stock_ledger.models import Movement
from tests.support.aws_calls import Call, intercepted
from tests.support.aws_client import aws_client
from tests.support.database import table
from tests.support.faults import crashes, failing, refuse
from tests.support.invocation import Context, Person
from tests.support.ledger_shop import raw_item
from tests.support.shop import Shop
from tests.support.streams import Record, record

pytestmark = [pytest.mark.usefixtures("cloud"), pytest.mark.filterwarnings("ignore:No application metrics to publish")]


@dataclass
class Queue:
    url: str
    arn: str

    @classmethod
    def make(cls, **attributes: str) -> "Queue":
        sqs = aws_client("sqs")
        url = sqs.create_queue(QueueName=clock.random_id(), Attributes=attributes)["QueueUrl"]
        return cls(url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])

    def put(self, *bodies: str, **options: Any) -> None:
        for body in bodies:
            aws_client("sqs").send_message(QueueUrl=self.url, MessageBody=body, **options)

    def take(self) -> list[Any]:
        """Returns all that is in it, also what somebody has in hand."""
        queues = get_backend("sqs")[DEFAULT_ACCOUNT_ID]["eu-central-1"].queues.values()
        (queue,) = [it for it in queues if it.queue_arn == self.arn]
        messages, queue._messages = list(queue._messages), []
        return [it for it in messages if it.id not in queue.deleted_messages]

    def bodies(self) -> Counter[str]:
        return Counter(it.body for it in self.take())


@dataclass
class Stage:
    """A stage with a queue of the feed, and the bookkeeper's poison queue."""

    dead: Queue
    feed: Queue
    poison: Queue

    def redrive(self, name: str) -> RedriveResult:
        return redrive.redrive("dev", redrive.find_queue("dev", name))


@pytest.fixture
def stage(cloud: None, monkeypatch: pytest.MonkeyPatch) -> Stage:
    dead, poison = Queue.make(), Queue.make()
    feed = Queue.make(RedrivePolicy=json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": "5"}))
    outputs = {
        "ApiId": "api",
        "BookkeeperFunction": "the-bookkeeper",
        "FeedDeadLetters": dead.url,
        "BookkeeperPoison": poison.url,
    }
    monkeypatch.setattr(stacks, "outputs_of", lambda _: outputs)
    monkeypatch.setattr(stacks, "queues_of", lambda _: [poison.url, dead.url, feed.url])
    return Stage(dead, feed, poison)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["redrive", "--stage", "dev", *arguments])
    redrive.main()


# ---- dead letters ---------------------------------------------------------------------------------------------------


def test_dead_letters_go_back_to_their_queue_as_they_were(stage: Stage) -> None:
    bodies = [json.dumps({"id": str(number), "text": "Motörhead"}, ensure_ascii=False) for number in range(25)]
    stage.dead.put(*bodies)

    outcome = stage.redrive("feed")

    assert outcome == RedriveResult(redriven=25)
    assert stage.feed.bodies() == Counter(bodies)
    assert not stage.dead.take()


def test_an_event_that_eventbridge_could_not_deliver_goes_back_without_its_envelope(stage: Stage) -> None:
    event = {"id": "1", "type": "order.created"}
    stage.dead.put(json.dumps({"detail-type": "order.created", "source": "oms", "detail": event}), "no JSON", "[]")

    stage.redrive("Feed")

    assert stage.feed.bodies() == Counter([json.dumps(event), "no JSON", "[]"])


def test_a_message_that_goes_back_has_no_character_that_a_queue_refuses(stage: Stage) -> None:
    stage.dead.put('{"detail-type": "order.created", "source": "oms", "detail": {"note": "\\ufffe\\uffff"}}')

    stage.redrive("Feed")

    (sent,) = stage.feed.bodies()
    assert re.fullmatch("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*", sent)
    assert json.loads(sent) == {"note": "\ufffe\uffff"}


def test_a_run_ends_though_its_messages_fail_again_at_once(stage: Stage) -> None:
    bodies = [str(number) for number in range(15)]

    def fail_again(made: Call) -> Any:
        if made.operation == "SendMessage" and made.parameters["QueueUrl"] == stage.feed.url:
            assert made.number < 200, "it does not end"
            stage.dead.put(made.parameters["MessageBody"])
        return made.send()

    stage.dead.put(*bodies)
    with intercepted(fail_again):
        outcome = stage.redrive("Feed")

    assert outcome == RedriveResult(redriven=15)
    assert stage.dead.bodies().keys() <= set(bodies)


def test_a_message_stays_in_its_group(stage: Stage) -> None:
    def group(made: Call) -> Any:
        answer = made.send()
        for message in answer.get("Messages", []) if made.operation == "ReceiveMessage" else []:
            message["Attributes"] = {"MessageGroupId": "subscription-1"}
        return answer

    stage.dead.put("one")
    with intercepted(group) as calls:
        stage.redrive("Feed")

    (sent,) = [it.parameters for it in calls if it.operation == "SendMessage"]
    (asked, *_) = [it.parameters for it in calls if it.operation == "ReceiveMessage"]
    assert sent["MessageGroupId"] == "subscription-1"
    assert "MessageGroupId" in asked["MessageSystemAttributeNames"]


def test_f19_a_run_that_is_cut_off_anywhere_loses_nothing(stage: Stage) -> None:
    bodies = ["one", "two", "three"]

    def begin() -> Stage:
        stage.dead.take()
        stage.feed.take()
        stage.dead.put(*bodies)
        return stage

    points = 0
    for name, _ in crashes(begin, lambda it: it.redrive("Feed")):
        points += 1
        found = stage.dead.bodies() + stage.feed.bodies()
        assert found.keys() == set(bodies), name
        assert found.total() <= len(bodies) + 1, "only what was in hand may be there twice"
    assert points > 20


def test_a_queue_that_takes_nothing_back_keeps_the_message_where_it_is(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.dead.put("one")

    with intercepted(refuse("SendMessage", failing("AccessDenied"))), pytest.raises(SystemExit, match="AccessDenied"):
        run(monkeypatch, "--queue", "Feed")

    assert stage.dead.bodies() == Counter(["one"])


# ---- poison ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def product(customer: Person, manager: Person) -> str:
    return Shop(customer, manager).product(10)


@pytest.fixture
def understands(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Record]]:
    """The bookkeeper runs when it is invoked, with the poison queue for its own; gives what it was invoked with."""
    given: list[Record] = []
    monkeypatch.setattr(streams, "settings", lambda: replace(settings(), poison_queue_url=stage.poison.url))

    def invoked(made: Call) -> Any:
        if made.operation != "Invoke":
            return made.send()
        assert made.parameters["FunctionName"] == "the-bookkeeper"
        event = json.loads(made.parameters["Payload"])
        given.extend(event["Records"])
        bookkeeper.lambda_handler(event, Context())
        return {"StatusCode": 200, "Payload": io.BytesIO(b"null")}

    with intercepted(invoked):
        yield given


def quarantine(stage: Stage, *records: Record) -> None:
    stage.poison.put(*(json.dumps({"cause": "KeyError: 'last'", "record": it}) for it in records))


def movements_of(product: str) -> list[Any]:
    key = StockItem.key(product)[0]
    items = table("inventory").items()
    return [it for it in items if it["pk"]["S"] == key and it["sk"]["S"].startswith("movement#")]


def test_f19_a_quarantined_record_is_processed_again_by_its_consumer_and_once(
    stage: Stage, product: str, understands: list[Record]
) -> None:
    kept = record(None, raw_item("inventory", *StockItem.key(product)))
    quarantine(stage, kept, kept)

    assert stage.redrive("bookkeeper") == RedriveResult(redriven=2)

    assert understands == [kept, kept]
    (movement,) = movements_of(product)
    assert movement["sk"]["S"] == Movement.sort_key(1)
    assert not stage.poison.take()


def test_a_record_that_still_cannot_be_decoded_is_quarantined_again_and_ends_the_run(
    stage: Stage, product: str, understands: list[Record]
) -> None:
    item = raw_item("inventory", *StockItem.key(product))
    broken = record(None, {name: value for name, value in item.items() if name != "last"})
    quarantine(stage, broken)

    assert stage.redrive("Bookkeeper") == RedriveResult(redriven=1)

    assert len(understands) == 1
    (again,) = stage.poison.take()
    assert json.loads(again.body)["record"] == broken


def test_no_record_is_taken_long_before_it_is_run_again(stage: Stage, product: str, understands: list[Record]) -> None:
    """A message that is in hand for longer than the queue hides it would be run twice."""
    kept = record(None, raw_item("inventory", *StockItem.key(product)))
    in_hand = most = 0

    def count(made: Call) -> Any:
        nonlocal in_hand, most
        answer = made.send()
        in_hand += len(answer.get("Messages", [])) if made.operation == "ReceiveMessage" else 0
        in_hand -= made.operation == "DeleteMessage"
        most = max(most, in_hand)
        return answer

    quarantine(stage, *[kept] * 23)
    with intercepted(count):
        assert stage.redrive("Bookkeeper") == RedriveResult(redriven=23)

    assert (in_hand, most) == (0, 10)


def test_f19_a_message_without_another_try_does_not_keep_others_from_theirs(
    stage: Stage, product: str, understands: list[Record]
) -> None:
    kept = record(None, raw_item("inventory", *StockItem.key(product)))
    stage.poison.put(*[json.dumps({"DDBStreamBatchInfo": {"shardId": "1"}})] * 12)
    quarantine(stage, *[kept] * 12)

    outcome = stage.redrive("Bookkeeper")

    assert (outcome.redriven, outcome.refused) == (12, 12)
    left = stage.poison.take()
    assert len(left) == 12
    assert all(it.visible for it in left), "they can be received"


def test_a_function_that_fails_leaves_the_record_where_it_is(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    quarantine(stage, {"eventID": "1"})
    error = {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": io.BytesIO(b'{"errorMessage": "no table"}')}

    with (
        intercepted(lambda made: error if made.operation == "Invoke" else made.send()),
        pytest.raises(SystemExit, match=r"1 of the messages could not be retried: the function failed: .*no table"),
    ):
        run(monkeypatch, "--queue", "Bookkeeper")

    assert len(stage.poison.take()) == 1


def test_a_place_in_the_stream_is_no_record_to_run_again(stage: Stage) -> None:
    stage.poison.put(json.dumps({"DDBStreamBatchInfo": {"shardId": "1"}}))

    outcome = stage.redrive("Bookkeeper")

    assert (outcome.redriven, outcome.refused) == (0, 1)
    assert len(stage.poison.take()) == 1


# ---- the command ----------------------------------------------------------------------------------------------------


def test_without_a_queue_the_command_lists_them(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.dead.put("one", "two")

    run(monkeypatch)

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["Feed", "dead", "letters", "2"] in lines
    assert ["Bookkeeper", "poison", "0"] in lines


def test_a_queue_is_redriven_by_the_command(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.dead.put("one", "two")

    run(monkeypatch, "--queue", "FEED")

    assert capsys.readouterr().out == "2 messages were retried; 0 are in the queue now.\n"


@pytest.mark.parametrize("name", ["Fed", "FeedDeadLetters", "Api"])
def test_an_unknown_queue_is_one_clear_sentence(stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(SystemExit) as refused:
        run(monkeypatch, "--queue", name)

    assert str(refused.value) == f"There is no queue '{name}' in the stage 'dev': choose one of Bookkeeper, Feed."


def test_a_stage_that_is_not_deployed_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        intercepted(refuse("DescribeStacks", failing("ValidationError"))),
        pytest.raises(SystemExit, match="Stage 'dev' cannot be reached"),
    ):
        run(monkeypatch)
