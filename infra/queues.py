"""A queue whose messages, after their last try, wait in another one where they ring."""

import aws_cdk as cdk
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.alarms import Alarms


def queue_with_dead_letters(
    scope: Construct,
    name: str,
    *,
    seconds: int,
    tries: int,
    days: int,
    alarms: Alarms,
    called: str | None = None,
    delay: int = 0,
) -> tuple[sqs.Queue, sqs.Queue]:
    """The queue, for a function that may take so many `seconds`, and its dead-letter queue. A message is kept for so
    many `days`, and tried so many times, the first time after `delay` seconds. `called` is what alarms and people call
    it, if not by its name in `scope`.
    """
    dead_letters = sqs.Queue(scope, f"{name}DeadLetters", retention_period=cdk.Duration.days(14), enforce_ssl=True)
    queue = sqs.Queue(
        scope,
        name,
        # AWS's advice for a queue behind Lambda: six times the function's time.
        visibility_timeout=cdk.Duration.seconds(6 * seconds),
        retention_period=cdk.Duration.days(days),
        delivery_delay=cdk.Duration.seconds(delay) if delay else None,
        enforce_ssl=True,
        dead_letter_queue=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=tries),
    )
    alarms.on_dead_letters(called or name, dead_letters)
    return queue, dead_letters
