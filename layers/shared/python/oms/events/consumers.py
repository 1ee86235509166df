"""Consumers of queues and streams: traced and measured functions, messages that fail alone, and the time that is left.

`observed` wraps each function that Lambda invokes without HTTP. `queue_consumer` also takes SQS's event apart, and
reports failed messages one by one (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html): SQS
delivers these again, and deletes the others. Records of streams are handled by `oms.events.streams`.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from oms.core import clock

# Not a child: functions without a logger of their own log by this one, and so do the modules they call.
logger = Logger()

type LambdaHandler = Callable[[dict[str, Any], LambdaContext], Any]


@dataclass(frozen=True)
class Message:
    """A message of an SQS queue, as Lambda delivers it."""

    id: str
    body: str = field(repr=False)
    record: dict[str, Any] = field(repr=False)
    context: LambdaContext = field(repr=False)

    @property
    def content(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return json.loads(self.body)

    @property
    def queue_name(self) -> str:
        # arn:aws:sqs:<region>:<account>:<queue>
        return str(self.record["eventSourceARN"]).rpartition(":")[2]

    @property
    def receive_count(self) -> int:
        """How often SQS has delivered it, this time included; approximate."""
        return int(self.record["attributes"]["ApproximateReceiveCount"])

    @property
    def sent_at(self) -> datetime:
        return clock.from_seconds(int(self.record["attributes"]["SentTimestamp"]) / 1000)

    def has_time(self, reserve_seconds: int) -> bool:
        """Whether more than this is left of the function's time."""
        return bool(self.context.get_remaining_time_in_millis() > reserve_seconds * 1000)


def observed(handler: LambdaHandler, *, private: bool = False) -> LambdaHandler:
    """The handler with X-Ray traces and CloudWatch metrics.

    `private`: no answer, no error and no single call of AWS is traced, since their texts may name a person.
    """
    tracer = Tracer(auto_patch=not private)
    measured = Metrics().log_metrics(handler, capture_cold_start_metric=True)
    capture = None if not private else False
    traced: LambdaHandler = tracer.capture_lambda_handler(measured, capture_response=capture, capture_error=capture)
    return traced


def queue_consumer(handle: Callable[[Sequence[Message]], Iterable[str]], *, private: bool = False) -> LambdaHandler:
    """A function that consumes a queue. `handle` gets a batch of messages, and returns the ids of those that failed."""

    # X-Ray shows the function by this name.
    def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        messages = [Message(it["messageId"], it["body"], it, context) for it in event["Records"]]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in handle(messages)]}

    return observed(lambda_handler, private=private)


def one_by_one(
    messages: Iterable[Message], handle: Callable[[Message], object], *, failure: str, private: bool = False
) -> list[str]:
    """Handles each message alone, and returns the ids of those for which `handle` raised.

    `failure` is logged for each of them, with the error. `private`: without its text, which may name a person.
    """
    failed = []
    for message in messages:
        try:
            handle(message)
        except Exception as error:
            if private:
                code = error.response["Error"]["Code"] if isinstance(error, ClientError) else None
                logger.error(failure, cause=type(error).__name__, code=code, message_id=message.id)  # noqa: TRY400
            else:
                logger.exception(failure, message_id=message.id)
            failed.append(message.id)
    return failed
