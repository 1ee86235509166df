"""A function on a table's stream.

A failed batch is retried until it succeeds. Records with a permanent failure go to the poison queue.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.alarms import Alarms
from infra.checks import acknowledge
from infra.live import live

# The stream keeps a record for 24 hours, and a failed batch is retried until shortly before. A maximum number of
# retries could be reached earlier.
RETRY_HOURS = 23
# SQS's maximum: a record has the old and the new image of an item, which has up to 400 KB.
MAX_RECORD_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Stream:
    """A table's stream. A record passes if it matches one of `filters`, or if there are none.

    Lambda collects records for `window_seconds` into a batch; with 0, a batch has the records that are available.
    """

    table: dynamodb.TableV2
    filters: Sequence[Mapping[str, Any]] = ()
    window_seconds: int = 0


class StreamConsumer(Construct):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        streams: Sequence[Stream],
        function: lambda_.Function,
        batch_size: int,
        alarms: Alarms,
        parallel: int = 4,
    ) -> None:
        """Creates the function's event sources.

        The construct's id is also the name of its alarms. Lambda processes up to `parallel` batches of a shard at once,
        and keeps the records of one item in order.
        """
        super().__init__(scope, construct_id)
        poison = sqs.Queue(
            self,
            "Poison",
            retention_period=cdk.Duration.days(14),
            max_message_size_bytes=MAX_RECORD_BYTES,
            enforce_ssl=True,
        )
        acknowledge(poison, "AwsSolutions-SQS3", "It is a queue of failures, which has no consumer.")
        poison.grant_send_messages(function)
        function.add_environment("OMS_POISON_QUEUE_URL", poison.queue_url)
        for stream in streams:
            live(function).add_event_source(
                sources.DynamoEventSource(
                    stream.table,
                    # From the oldest record, because changes before the creation of the mapping must be processed, too.
                    starting_position=lambda_.StartingPosition.TRIM_HORIZON,
                    batch_size=batch_size,
                    max_batching_window=cdk.Duration.seconds(stream.window_seconds) if stream.window_seconds else None,
                    parallelization_factor=parallel,
                    filters=[lambda_.FilterCriteria.filter(dict(pattern)) for pattern in stream.filters] or None,
                    # A batch that takes too long, or too much memory, succeeds in halves. And the records before one
                    # that always fails are processed once more at most, not at each retry.
                    bisect_batch_on_error=True,
                    max_record_age=cdk.Duration.hours(RETRY_HOURS),
                    # After its last retry, Lambda sends only the position of a batch. The function quarantines records
                    # with their images.
                    on_failure=sources.SqsDlq(poison),
                )
            )
        alarms.on_poison(construct_id, poison)
        alarms.on_stream_age(construct_id, function)
