"""Retries messages that failed: `python -m oms.commands.redrive --stage S [--queue NAME]`.

Without a name it lists the queues.

Messages of a dead-letter queue go back to their source queue. Records of a poison queue are passed to their function
again. A message is deleted after it was sent back. So an interrupted run loses no message, but may send some twice,
which all consumers tolerate.

It does not use SQS's StartMessageMoveTask, which moves only messages that came from a queue. EventBridge also puts
events that it could not deliver into these dead-letter queues.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import batched
from typing import Any, Literal

from botocore.config import Config

from oms.commands import stacks
from oms.commands.closed_pipe import run_until_unread
from oms.core import aws
from oms.core.queues import sendable

type RawMessage = dict[str, Any]
type Kind = Literal["dead letters", "poison"]

# The suffixes of the stack's outputs that name failure queues.
_SUFFIXES: dict[str, Kind] = {"DeadLetters": "dead letters", "Poison": "poison"}

_MAX_BATCH = 10
# Long enough for ten messages of at most 300 s each. After an interrupted run, they reappear after this time.
_VISIBILITY_TIMEOUT_SECONDS = 3600
_COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


@dataclass(frozen=True)
class FailureQueue:
    """A dead-letter queue or a poison queue. It has the name of its alarm."""

    name: str
    kind: Kind
    url: str


@dataclass
class RedriveResult:
    """The numbers of retried and refused messages, and the reason of the first refusal. Refused messages stay in the
    queue.
    """

    redriven: int = 0
    refused: int = 0
    why: str = ""


class UnknownQueueError(Exception):
    """The stage has no queue of this name. The message lists all names."""


def failure_queues(stage: str) -> dict[str, FailureQueue]:
    """Returns the failure queues of a stage, by name in lower case."""
    found = {}
    for output, url in sorted(stacks.outputs_of(stage).items()):
        for suffix, kind in _SUFFIXES.items():
            name = output.removesuffix(suffix)
            if name != output:
                found[name.lower()] = FailureQueue(name, kind, url)
    return found


def message_count(queue: FailureQueue) -> int:
    """Returns the approximate number of messages, including those that are being processed."""
    counts = _sqs().get_queue_attributes(QueueUrl=queue.url, AttributeNames=list(_COUNTS))["Attributes"]
    return sum(int(counts[name]) for name in _COUNTS)


def find_queue(stage: str, name: str) -> FailureQueue:
    """Returns the queue of this name, in upper or lower case. Raises UnknownQueueError."""
    queues = failure_queues(stage)
    if name.lower() not in queues:
        names = ", ".join(queue.name for queue in queues.values())
        raise UnknownQueueError(f"There is no queue {name!r} in the stage {stage!r}: choose one of {names}.")
    return queues[name.lower()]


def redrive(stage: str, queue: FailureQueue) -> RedriveResult:
    """Retries as many messages as the queue has now. Messages that fail again return to the queue."""
    retry: Callable[[RawMessage], str | None]
    if queue.kind == "poison":
        retry = partial(_invoke_again, stacks.outputs_of(stage)[f"{queue.name}Function"])
    else:
        retry = partial(_send_back, _source_of(stage, queue))
    result = RedriveResult()
    refused: list[RawMessage] = []
    left = message_count(queue)
    while left > 0 and (messages := _receive(queue.url, min(left, _MAX_BATCH))):
        left -= len(messages)
        for message in messages:
            why = retry(message)
            if why is None:
                _sqs().delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
                result.redriven += 1
            else:
                refused.append(message)
                result.refused += 1
                result.why = result.why or why
    _release(queue.url, refused)
    return result


def _receive(url: str, most: int) -> list[RawMessage]:
    """Receives up to `most` messages, and hides them from other receivers for an hour. Returns [] if the queue is
    empty.
    """
    answer = _sqs().receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=most,
        VisibilityTimeout=_VISIBILITY_TIMEOUT_SECONDS,
        WaitTimeSeconds=1,  # long polling reads all of SQS's servers; a short poll may miss messages
        MessageSystemAttributeNames=["MessageGroupId"],
        MessageAttributeNames=["All"],
    )
    messages: list[RawMessage] = answer.get("Messages", [])
    return messages


def _release(url: str, messages: Sequence[RawMessage]) -> None:
    """Makes refused messages visible again. It is called at the end of a run, which would otherwise receive them again.

    If SQS refuses some, they reappear after the visibility timeout.
    """
    for batch in batched(messages, _MAX_BATCH, strict=False):
        entries = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
            for number, message in enumerate(batch)
        ]
        _sqs().change_message_visibility_batch(QueueUrl=url, Entries=entries)


def _send_back(url: str, message: RawMessage) -> None:
    group = message.get("Attributes", {}).get("MessageGroupId")
    _sqs().send_message(
        QueueUrl=url, MessageBody=_event_alone(message["Body"]), **({"MessageGroupId": group} if group else {})
    )


def _event_alone(body: str) -> str:
    """Returns the event of a message, without EventBridge's envelope, in which undelivered events are stored."""
    try:
        content = json.loads(body)
    except ValueError:
        return body
    if isinstance(content, dict) and {"detail-type", "source", "detail"} <= content.keys():
        return sendable(json.dumps(content["detail"], ensure_ascii=False))
    return body


def _invoke_again(function: str, message: RawMessage) -> str | None:
    """Passes the record to its function. Returns the reason of a failure.

    Returns None if the function has processed the record or quarantined it again.
    """
    try:
        record = json.loads(message["Body"])["record"]
    except (ValueError, LookupError, TypeError):
        return "the message has only a position in the stream, not the record: see docs/operate/operations.md"
    answer = _lambda().invoke(FunctionName=function, Payload=json.dumps({"Records": [record]}).encode())
    if "FunctionError" in answer:
        return f"the function failed: {answer['Payload'].read(500).decode(errors='replace')}"
    return None


def _source_of(stage: str, queue: FailureQueue) -> str:
    """Returns the URL of the queue whose dead-letter queue this is."""
    arn = _sqs().get_queue_attributes(QueueUrl=queue.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    for url in stacks.queues_of(stage):
        attributes = _sqs().get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"]).get("Attributes", {})
        if json.loads(attributes.get("RedrivePolicy", "{}")).get("deadLetterTargetArn") == arn:
            return url
    raise LookupError(f"No queue of the stage sends to the dead-letter queue {queue.name}.")


@cache
def _sqs() -> Any:
    return aws.session().client("sqs")


@cache
def _lambda() -> Any:
    # The longest timeout of a function. With retries, the function could run twice at once.
    return aws.session().client("lambda", config=Config(read_timeout=900, retries={"total_max_attempts": 1}))


def main() -> None:
    parser = stacks.stage_parser(
        "Retries failed messages, or lists the queues that have some.", stages=stacks.ALL_STAGES
    )
    parser.add_argument("--queue", default="", help="the name of its alarm: Feed, Publisher …")
    arguments = parser.parse_args()
    stage: str = arguments.stage
    with stacks.acting_on(stage):
        if not arguments.queue:
            _list(stage)
            return
        try:
            queue = find_queue(stage, arguments.queue)
        except UnknownQueueError as error:
            raise SystemExit(str(error)) from error
        _report(redrive(stage, queue), left=message_count(queue))


def _list(stage: str) -> None:
    print("Messages that failed, by queue:")
    for queue in failure_queues(stage).values():
        print(f"  {queue.name:<16}{queue.kind:<14}{message_count(queue):>6}")
    print("QUEUE=NAME retries those of one queue; docs/operate/operations.md explains each queue.")


def _report(result: RedriveResult, *, left: int) -> None:
    print(f"{result.redriven} messages were retried; {left} are in the queue now.")
    if result.refused:
        raise SystemExit(f"{result.refused} of the messages could not be retried: {result.why}")


if __name__ == "__main__":
    run_until_unread(main)
