"""Wrappers of functions without HTTP: traces and metrics, queue messages, partial failures, remaining time.

`observed` wraps each function that Lambda invokes without HTTP. `queue_consumer` also reads the messages from SQS's
event, and reports failed messages one by one: SQS delivers these again, and deletes the others
(https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html). `oms.events.streams` handles the records
of streams.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from oms.core import clock, startup
from oms.core.aws_json.tracing import trace_calls

# Not a child: functions without their own logger use this one, and so do the modules that they call.
logger = Logger()

type LambdaHandler = Callable[[dict[str, Any], LambdaContext], Any]


@dataclass(frozen=True)
class ReceivedMessage:
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
        """The approximate number of times that SQS has delivered the message, including this time."""
        return int(self.record["attributes"]["ApproximateReceiveCount"])

    @property
    def sent_at(self) -> datetime:
        return clock.from_seconds(int(self.record["attributes"]["SentTimestamp"]) / 1000)

    def has_time(self, reserve_seconds: int) -> bool:
        """Whether the function has more than this time left."""
        return bool(self.context.get_remaining_time_in_millis() > reserve_seconds * 1000)


def observed(handler: LambdaHandler, *, private: bool = False) -> LambdaHandler:
    """Returns the handler with X-Ray traces and CloudWatch metrics.

    `private` leaves responses, errors and calls of AWS out of the trace, since their texts may name a person.
    """
    tracer = Tracer(auto_patch=False)
    if not private and not tracer.disabled:
        trace_calls()
    measured = Metrics().log_metrics(handler, capture_cold_start_metric=True)
    capture = None if not private else False
    traced: LambdaHandler = tracer.capture_lambda_handler(measured, capture_response=capture, capture_error=capture)
    startup.finish()
    return traced


def queue_consumer(
    handle: Callable[[Sequence[ReceivedMessage]], Iterable[str]], *, private: bool = False
) -> LambdaHandler:
    """Returns a function that consumes a queue.

    `handle` receives a batch of messages, and returns the ids of the messages that failed.
    """

    # X-Ray shows the function by this name.
    def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        messages = [ReceivedMessage(it["messageId"], it["body"], it, context) for it in event["Records"]]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in handle(messages)]}

    return observed(lambda_handler, private=private)


def one_by_one(
    messages: Iterable[ReceivedMessage],
    handle: Callable[[ReceivedMessage], object],
    *,
    failure: str,
    private: bool = False,
) -> list[str]:
    """Handles each message alone, and returns the ids of the messages for which `handle` raised.

    `failure` is logged for each of these, with the error. `private` leaves out the error's text, which may name a
    person.
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
