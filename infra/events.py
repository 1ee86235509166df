"""Events on their way out: from the tables' streams to the bus, and from there, by a queue each, to who wants them."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.alarms import Alarms
from infra.data import Data
from infra.functions import FEEDER_SECONDS, Functions
from infra.live import live
from infra.queues import queue_with_dead_letters
from infra.stages import Stage
from infra.streams import Stream, StreamConsumer

SOURCE = "oms"
# Of the system's own messages, which neither feed nor webhooks see.
INTERNAL_SOURCE = "oms.internal"
# Its sessions, attempts and tokens come and go with every sign-in; these are the items that tell something.
IDENTITY = (
    {"dynamodb": {"NewImage": {"kind": {"S": ["user"]}}}},
    {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"kind": {"S": ["mail-request"]}}}},
    # Only once there was a lock: each attempt to sign in is a change of it.
    {"dynamodb": {"NewImage": {"kind": {"S": ["counter"]}, "locked_at": {"S": [{"exists": True}]}}}},
)
# That an export was asked for, and its end. Its worker's checkpoints tell nothing, nor do the sums.
REPORTS = (
    {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"kind": {"S": ["export"]}}}},
    {"dynamodb": {"NewImage": {"kind": {"S": ["export"]}, "status": {"S": ["cancelled", "done"]}}}},
    # That a schedule has come or gone; not how far its runs have come.
    {"eventName": ["INSERT", "REMOVE"], "dynamodb": {"Keys": {"pk": {"S": ["schedules"]}}}},
)
TRIES = 5
# What one transaction of the feed takes; SQS hands over more than ten only after a window.
FEED_BATCH = 49


class Events(Construct):
    def __init__(
        self, scope: Construct, construct_id: str, *, stage: Stage, data: Data, functions: Functions, alarms: Alarms
    ) -> None:
        super().__init__(scope, construct_id)
        self._alarms = alarms
        self.bus = events.EventBus(self, "Bus", event_bus_name=f"oms-{stage.name}")
        self.bus.grant_put_events_to(functions.publisher)
        functions.publisher.add_environment("OMS_EVENT_BUS", self.bus.event_bus_name)
        StreamConsumer(
            self,
            "Publisher",
            streams=[
                Stream(data.orders),
                Stream(data.inventory, filters=[{"dynamodb": {"Keys": {"sk": {"S": ["stock", "product"]}}}}]),
                # A second's changes at once: users also change as their orders are counted.
                Stream(data.identity, filters=IDENTITY, window=1),
                Stream(
                    data.webhooks,
                    filters=[
                        {"dynamodb": {"NewImage": {"kind": {"S": ["subscription"]}, "status": {"S": ["disabled"]}}}}
                    ],
                ),
                Stream(data.reports, filters=REPORTS),
            ],
            function=functions.publisher,
            batch_size=100,
            alarms=alarms,
        )
        self.to_queue("Feed", functions.feeder, seconds=FEEDER_SECONDS, batch_size=FEED_BATCH)

    def to_queue(
        self,
        name: str,
        function: lambda_.Function,
        *,
        seconds: int,
        batch_size: int,
        types: Sequence[str] = (),
        of: Sequence[str] = (SOURCE,),
        concurrency: int = 2,
        tries: int = TRIES,
        late_after: int = 1800,
    ) -> sqs.Queue:
        """A rule for events of these types (none: all), the queue that it fills, and the function that the queue feeds.

        `of` are the events' sources; `concurrency` is how many batches the function works on at once, 2 at least. After
        so many `tries`, six times `seconds` apart, a message is a dead letter. One that waits for `late_after` seconds
        sets off an alarm.
        """
        queue, dead_letters = queue_with_dead_letters(
            self, name, seconds=seconds, tries=tries, days=14, late_after=late_after, alarms=self._alarms
        )
        # The event alone, without the bus's envelope.
        message = events.RuleTargetInput.from_event_path("$.detail")
        events.Rule(
            self,
            f"{name}Rule",
            event_bus=self.bus,
            event_pattern=events.EventPattern(source=list(of), detail_type=list(types) or None),
            targets=[targets.SqsQueue(queue, message=message, dead_letter_queue=dead_letters)],
        )
        live(function).add_event_source(
            sources.SqsEventSource(
                queue,
                batch_size=batch_size,
                max_batching_window=cdk.Duration.seconds(1) if batch_size > 10 else None,
                max_concurrency=concurrency,
                report_batch_item_failures=True,
            )
        )
        return queue
