"""Retries messages that failed: `python -m oms.commands.redrive --stage S [--queue NAME]`.

Without a name it lists the queues.

Messages of a dead-letter queue go back to the queue that they came from. What a consumer of a stream has set aside in
its poison queue is handed to that function again, as the record that it was. A message is taken away after it was put
back, so a run that is cut off loses nothing and may do something twice, which all consumers bear.

Not by SQS's own StartMessageMoveTask: it moves what came from a queue, and EventBridge puts into these dead-letter
queues what it could not deliver.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Literal

from botocore.config import Config

from oms.commands import stacks
from oms.commands.closed_pipe import run_until_unread
from oms.core import aws
from oms.core.queues import sendable

type Message = dict[str, Any]
type Kind = Literal["dead letters", "poison"]

# How the stack's outputs name the queues where failures wait.
_SUFFIXES: dict[str, Kind] = {"DeadLetters": "dead letters", "Poison": "poison"}

_MOST_AT_ONCE = 10
# Seconds. Nobody else sees a message meanwhile, so ten have to be done by then, 300 s each at the most. After a run
# that was cut off it is back by itself.
_TAKEN = 3600
_COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


@dataclass(frozen=True)
class FailureQueue:
    """Where failures wait. It has the name of the alarm that rings for it."""

    name: str
    kind: Kind
    url: str


@dataclass
class Outcome:
    """How many messages got another try; why others did not and stay."""

    redriven: int = 0
    refused: int = 0
    why: str = ""


class UnknownQueueError(Exception):
    """The stage has no such queue; the message says which there are."""


def failure_queues(stage: str) -> dict[str, FailureQueue]:
    """By name, in lower case."""
    found = {}
    for output, url in sorted(stacks.outputs_of(stage).items()):
        for suffix, kind in _SUFFIXES.items():
            name = output.removesuffix(suffix)
            if name != output:
                found[name.lower()] = FailureQueue(name, kind, url)
    return found


def waiting(queue: FailureQueue) -> int:
    """About how many messages there are, those in somebody's hands among them."""
    counts = _sqs().get_queue_attributes(QueueUrl=queue.url, AttributeNames=list(_COUNTS))["Attributes"]
    return sum(int(counts[name]) for name in _COUNTS)


def named(stage: str, name: str) -> FailureQueue:
    """Raises UnknownQueueError."""
    queues = failure_queues(stage)
    if name.lower() not in queues:
        names = ", ".join(it.name for it in queues.values())
        raise UnknownQueueError(f"There is no queue {name!r} in the stage {stage!r}: choose one of {names}.")
    return queues[name.lower()]


def redrive(stage: str, queue: FailureQueue) -> Outcome:
    """No more than were waiting at the beginning: what fails once more comes in again at the end."""
    put: Callable[[Message], str | None]
    if queue.kind == "poison":
        put = partial(_run_again, stacks.outputs_of(stage)[f"{queue.name}Function"])
    else:
        put = partial(_send_back, _source_of(stage, queue))
    outcome = Outcome()
    staying: list[Message] = []
    left = waiting(queue)
    while left > 0 and (messages := _received(queue.url, min(left, _MOST_AT_ONCE))):
        left -= len(messages)
        for message in messages:
            why = put(message)
            if why is None:
                _sqs().delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
                outcome.redriven += 1
            else:
                staying.append(message)
                outcome.refused += 1
                outcome.why = outcome.why or why
    _show(queue.url, staying)
    return outcome


def _received(url: str, most: int) -> list[Message]:
    """Messages that are out of others' sight for a while; none where the queue is empty."""
    answer = _sqs().receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=most,
        VisibilityTimeout=_TAKEN,
        WaitTimeSeconds=1,  # asks all of SQS's servers, where a short poll may miss some
        MessageSystemAttributeNames=["MessageGroupId"],
        MessageAttributeNames=["All"],
    )
    messages: list[Message] = answer.get("Messages", [])
    return messages


def _show(url: str, messages: Sequence[Message]) -> None:
    """At the end, or the run would get them again. That SQS refuses some is no harm: those are back by themselves."""
    for start in range(0, len(messages), _MOST_AT_ONCE):
        entries = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
            for number, message in enumerate(messages[start : start + _MOST_AT_ONCE])
        ]
        _sqs().change_message_visibility_batch(QueueUrl=url, Entries=entries)


def _send_back(url: str, message: Message) -> None:
    group = message.get("Attributes", {}).get("MessageGroupId")
    _sqs().send_message(
        QueueUrl=url, MessageBody=_event_alone(message["Body"]), **({"MessageGroupId": group} if group else {})
    )


def _event_alone(body: str) -> str:
    """What EventBridge could not deliver may stand there in its own envelope, which the queue's consumer never sees."""
    try:
        content = json.loads(body)
    except ValueError:
        return body
    if isinstance(content, dict) and {"detail-type", "source", "detail"} <= content.keys():
        return sendable(json.dumps(content["detail"], ensure_ascii=False))
    return body


def _run_again(function: str, message: Message) -> str | None:
    """Why it is not done: None where it is, or where the function has set the record aside once more."""
    try:
        record = json.loads(message["Body"])["record"]
    except (ValueError, LookupError, TypeError):
        return "only a place in the stream was kept, not the record: see docs/operate/operations.md"
    answer = _lambda().invoke(FunctionName=function, Payload=json.dumps({"Records": [record]}).encode())
    if "FunctionError" in answer:
        return f"the function failed: {answer['Payload'].read(500).decode(errors='replace')}"
    return None


def _source_of(stage: str, queue: FailureQueue) -> str:
    """The queue whose failures end in this one."""
    arn = _sqs().get_queue_attributes(QueueUrl=queue.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    for url in stacks.queues_of(stage):
        attributes = _sqs().get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"]).get("Attributes", {})
        if json.loads(attributes.get("RedrivePolicy", "{}")).get("deadLetterTargetArn") == arn:
            return url
    raise LookupError(f"no queue has {queue.name}'s dead-letter queue")


@cache
def _sqs() -> Any:
    return aws.session().client("sqs")


@cache
def _lambda() -> Any:
    # As long as a function may take; a second call beside the first would be for nothing.
    return aws.session().client("lambda", config=Config(read_timeout=900, retries={"total_max_attempts": 1}))


def main() -> None:
    parser = stacks.stage_parser(
        "Gives failed messages another try, or lists where they are.", stages=stacks.ALL_STAGES
    )
    parser.add_argument("--queue", default="", help="as its alarm is named: Feed, Publisher …")
    arguments = parser.parse_args()
    stage: str = arguments.stage
    with stacks.acting_on(stage):
        if not arguments.queue:
            _list(stage)
            return
        try:
            queue = named(stage, arguments.queue)
        except UnknownQueueError as error:
            raise SystemExit(str(error)) from error
        _report(redrive(stage, queue), left=waiting(queue))


def _list(stage: str) -> None:
    print("Messages that failed, by queue:")
    for queue in failure_queues(stage).values():
        print(f"  {queue.name:<16}{queue.kind:<14}{waiting(queue):>6}")
    print("QUEUE=NAME gives those of one queue another try; docs/operate/operations.md says what each means.")


def _report(outcome: Outcome, *, left: int) -> None:
    print(f"{outcome.redriven} messages got another try; {left} are in the queue now.")
    if outcome.refused:
        raise SystemExit(f"{outcome.refused} could not get one: {outcome.why}")


if __name__ == "__main__":
    run_until_unread(main)
