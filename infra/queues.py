"""A queue with its dead-letter queue, and the alarms of both."""

import aws_cdk as cdk
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.alarms import Alarms


def queue_with_dead_letters(
    scope: Construct,
    name: str,
    *,
    timeout_seconds: int,
    max_tries: int,
    retention_days: int,
    late_after_seconds: int,
    alarms: Alarms,
    alarm_name: str | None = None,
    delay_seconds: int = 0,
) -> tuple[sqs.Queue, sqs.Queue]:
    """Creates a queue for a function with this timeout. Returns the queue and its dead-letter queue.

    A message is received at most `max_tries` times, for the first time after `delay_seconds`. A message that waits for
    `late_after_seconds` raises an alarm. Choose more than three visibility timeouts, so that one failing message, which
    is retried that often, raises none.
    `alarm_name` is the queue's name in alarms and commands, if it differs from `name`.
    """
    dead_letters = sqs.Queue(scope, f"{name}DeadLetters", retention_period=cdk.Duration.days(14), enforce_ssl=True)
    queue = sqs.Queue(
        scope,
        name,
        # AWS recommends six times the function's timeout.
        visibility_timeout=cdk.Duration.seconds(6 * timeout_seconds),
        retention_period=cdk.Duration.days(retention_days),
        delivery_delay=cdk.Duration.seconds(delay_seconds) if delay_seconds else None,
        enforce_ssl=True,
        dead_letter_queue=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=max_tries),
    )
    alarms.on_dead_letters(alarm_name or name, dead_letters)
    alarms.on_queue_age(alarm_name or name, queue, seconds=late_after_seconds)
    return queue, dead_letters
