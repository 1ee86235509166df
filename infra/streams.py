"""A function on a table's stream: a batch comes again until it succeeds; what never can is put into a poison queue."""

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

# The stream keeps a record for 24 hours: until shortly before, a batch that fails comes again, however often. A number
# of retries could run out before.
RETRY_HOURS = 23
# The most that SQS takes: a record has an item of up to 400 KB as it was and as it is.
LARGEST_RECORD = 1024 * 1024


@dataclass(frozen=True)
class Stream:
    """A table's stream; `filters` let through what fits one of them, none everything.

    `window` are the seconds in which records are gathered to a batch; 0 hands over what there is.
    """

    table: dynamodb.TableV2
    filters: Sequence[Mapping[str, Any]] = ()
    window: int = 0


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
        """The construct's name is that of its alarms. `parallel` batches of a shard are worked on at once; those of one
        item stay in order.
        """
        super().__init__(scope, construct_id)
        poison = sqs.Queue(
            self,
            "Poison",
            retention_period=cdk.Duration.days(14),
            max_message_size_bytes=LARGEST_RECORD,
            enforce_ssl=True,
        )
        acknowledge(poison, "AwsSolutions-SQS3", "It is where others' failures end: nothing consumes it.")
        poison.grant_send_messages(function)
        function.add_environment("OMS_POISON_QUEUE_URL", poison.queue_url)
        for stream in streams:
            live(function).add_event_source(
                sources.DynamoEventSource(
                    stream.table,
                    # From the first record: what was written before the mapping was there counts too.
                    starting_position=lambda_.StartingPosition.TRIM_HORIZON,
                    batch_size=batch_size,
                    max_batching_window=cdk.Duration.seconds(stream.window) if stream.window else None,
                    parallelization_factor=parallel,
                    filters=[lambda_.FilterCriteria.filter(dict(it)) for it in stream.filters] or None,
                    bisect_batch_on_error=True,
                    max_record_age=cdk.Duration.hours(RETRY_HOURS),
                    # After the last retry. What the function sets aside itself goes there with its images.
                    on_failure=sources.SqsDlq(poison),
                )
            )
        alarms.on_poison(construct_id, poison)
        alarms.on_stream_age(construct_id, function)
