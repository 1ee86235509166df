"""Sending messages to the system's own queues."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from oms.core import aws
from oms.core.dynamodb import in_parallel
from oms.core.settings import settings

logger = Logger(child=True)

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
_MAX_BATCH_MESSAGES = 10
MAX_DELAY_SECONDS = 900
# Characters that JSON may hold as they are, and a message may not.
UNSENDABLE = "\ufffe\uffff"


class NotSentError(Exception):
    """The queue has refused some messages of a batch; those that it took may be sent twice."""


@dataclass(frozen=True)
class Message:
    """`delay` in seconds, 900 at most. Messages of one `group` do not hold up others (SQS fair queues)."""

    content: dict[str, Any]
    delay: int = 0
    group: str | None = None


def send(queue_url: str, content: dict[str, Any], *, delay: int = 0) -> None:
    sqs_client().send_message(QueueUrl=queue_url, **_entry(Message(content, delay)))


def send_all(queue_url: str, messages: Sequence[Message]) -> None:
    """As few calls as can be. Raises NotSentError and botocore's errors; then some may be sent."""
    _send_all(sqs_client(), queue_url, messages)


def send_if_possible(queue_url: str, messages: Sequence[Message]) -> None:
    """For who waits for an answer: in 7 s at most for each call, after the 19 s that a request may have taken before.

    What is not sent is logged; somebody else must find what it was about.
    """
    try:
        _send_all(sqs_client(read_seconds=2, attempts=2), queue_url, messages)
    except (NotSentError, BotoCoreError, ClientError):
        logger.exception("messages were not sent", queue=queue_url.rpartition("/")[2], count=len(messages))


def _send_all(sqs: Any, queue_url: str, messages: Sequence[Message]) -> None:
    for start in range(0, len(messages), _MAX_BATCH_MESSAGES):
        batch = messages[start : start + _MAX_BATCH_MESSAGES]
        entries = [{"Id": str(number), **_entry(message)} for number, message in enumerate(batch)]
        refused = sqs.send_message_batch(QueueUrl=queue_url, Entries=entries).get("Failed", [])
        if refused:
            codes = sorted({it["Code"] for it in refused})
            raise NotSentError(f"the queue refused {len(refused)} messages: {', '.join(codes)}")


@dataclass(frozen=True)
class QueueDepth:
    """About how many messages wait to be received now, without those that are delayed, and how many are at work.

    What fails stays "at work", though nobody works on it, until its visibility ends.
    """

    waiting: int
    in_flight: int

    @property
    def total(self) -> int:
        return self.waiting + self.in_flight


def depth(queue_url: str) -> QueueDepth:
    counts = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    found = sqs_client().get_queue_attributes(QueueUrl=queue_url, AttributeNames=list(counts))["Attributes"]
    return QueueDepth(*(int(found[it]) for it in counts))


def depths(names: Sequence[str]) -> dict[str, QueueDepth]:
    """Of these queues of the deployment, all asked at once."""
    # The URLs of an account's queues differ in the name alone; this is one of them.
    account = settings().stock_check_queue_url.rpartition("/")[0]
    sqs_client()  # made before the threads: making a client is not thread-safe
    return dict(zip(names, in_parallel(depth, [f"{account}/{name}" for name in names]), strict=True))


def _entry(message: Message) -> dict[str, Any]:
    body = sendable(json.dumps(message.content, ensure_ascii=False))
    delay = {"DelaySeconds": message.delay} if message.delay else {}
    group = {"MessageGroupId": message.group} if message.group else {}
    return {"MessageBody": body, **delay, **group}


def sendable(json_text: str) -> str:
    """The same JSON, with escapes for what a message may not hold."""
    for noncharacter in UNSENDABLE:
        json_text = json_text.replace(noncharacter, f"\\u{ord(noncharacter):x}")
    return json_text


@cache
def sqs_client(*, read_seconds: int = 5, attempts: int = 3) -> Any:
    config = Config(
        connect_timeout=1, read_timeout=read_seconds, retries={"mode": "standard", "total_max_attempts": attempts}
    )
    return aws.session().client("sqs", config=config)
