"""Sending messages to the system's own queues."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import batched
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from oms.core.aws_json.client import Client
from oms.core.dynamodb import in_parallel
from oms.core.settings import settings

logger = Logger(child=True)

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
MAX_BATCH_MESSAGES = 10
MAX_DELAY_SECONDS = 900
# Characters that JSON allows unescaped, but SQS does not.
UNSENDABLE = "\ufffe\uffff"


class NotSentError(Exception):
    """The queue refused some messages of a batch. A retry may send the accepted ones twice."""


@dataclass(frozen=True)
class OutgoingMessage:
    """A message to send. `delay` is in seconds, at most 900. Messages of one `group` do not delay others (SQS fair
    queues).
    """

    content: dict[str, Any]
    delay: int = 0
    group: str | None = None


def send(queue_url: str, content: dict[str, Any], *, delay: int = 0) -> None:
    sqs_client().send_message(QueueUrl=queue_url, **_entry(OutgoingMessage(content, delay)))


def send_all(queue_url: str, messages: Sequence[OutgoingMessage]) -> None:
    """Sends in batches of 10. Raises NotSentError and botocore's errors, after which some messages may be sent."""
    _send_all(sqs_client(), queue_url, messages)


def send_if_possible(queue_url: str, messages: Sequence[OutgoingMessage]) -> None:
    """Tries to send messages during a request. Each call takes at most 7 s, since the request may have taken 19 s
    before.

    Logs failures. The caller needs a sweep that finds the work of messages that were not sent.
    """
    try:
        _send_all(sqs_client(read_seconds=2, attempts=2), queue_url, messages)
    except (NotSentError, BotoCoreError, ClientError):
        logger.exception("messages were not sent", queue=queue_url.rpartition("/")[2], count=len(messages))


def _send_all(sqs: Any, queue_url: str, messages: Sequence[OutgoingMessage]) -> None:
    for batch in batched(messages, MAX_BATCH_MESSAGES, strict=False):
        entries = [{"Id": str(number), **_entry(message)} for number, message in enumerate(batch)]
        refused = sqs.send_message_batch(QueueUrl=queue_url, Entries=entries).get("Failed", [])
        if refused:
            codes = sorted({failure["Code"] for failure in refused})
            raise NotSentError(f"the queue refused {len(refused)} messages: {', '.join(codes)}")


@dataclass(frozen=True)
class QueueDepth:
    """Approximate numbers of messages that are visible (without delayed ones) and in flight.

    A failed message counts as in flight until its visibility time-out ends.
    """

    waiting: int
    in_flight: int

    @property
    def total(self) -> int:
        return self.waiting + self.in_flight


def depth(queue_url: str) -> QueueDepth:
    counts = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    found = sqs_client().get_queue_attributes(QueueUrl=queue_url, AttributeNames=list(counts))["Attributes"]
    return QueueDepth(*(int(found[name]) for name in counts))


def depths(names: Sequence[str]) -> dict[str, QueueDepth]:
    """Returns the depths of these queues of the deployment, read in parallel."""
    # The URLs of an account's queues differ only in the name, so any of them gives the prefix.
    account = settings().stock_check_queue_url.rpartition("/")[0]
    return dict(zip(names, in_parallel(depth, [f"{account}/{name}" for name in names]), strict=True))


def _entry(message: OutgoingMessage) -> dict[str, Any]:
    body = sendable(json.dumps(message.content, ensure_ascii=False))
    delay = {"DelaySeconds": message.delay} if message.delay else {}
    group = {"MessageGroupId": message.group} if message.group else {}
    return {"MessageBody": body, **delay, **group}


def sendable(json_text: str) -> str:
    """Returns the same JSON, with escapes for characters that SQS refuses."""
    for noncharacter in UNSENDABLE:
        json_text = json_text.replace(noncharacter, f"\\u{ord(noncharacter):x}")
    return json_text


@cache
def sqs_client(*, read_seconds: int = 5, attempts: int = 3) -> Client:
    return Client("sqs", read_seconds=read_seconds, max_attempts=attempts)
