"""A queue with its dead-letter queue, and the alarms of both."""

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
    late_after: int,
    alarms: Alarms,
    called: str | None = None,
    delay: int = 0,
) -> tuple[sqs.Queue, sqs.Queue]:
    """The queue, for a function that may take `seconds`, and its dead-letter queue. A message is kept for `days`, and
    tried `tries` times, the first time after `delay` seconds. An alarm says when one has waited for `late_after`
    seconds; more than three visibility timeouts, and one message that fails does not set it off. `called` is the
    name in alarms and commands, where it is not `name`.
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
    alarms.on_queue_age(called or name, queue, seconds=late_after)
    return queue, dead_letters
