"""The path of events: from the tables' streams to the bus, and from the bus to one queue for each consumer."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.alarms import Alarms
from infra.data import Data
from infra.functions import FEEDER_SECONDS, Functions
from infra.live import live, move_after
from infra.queues import queue_with_dead_letters
from infra.stages import Stage
from infra.streams import Stream, StreamConsumer

SOURCE = "oms"
# The source of internal messages, which neither the feed nor webhooks receive.
INTERNAL_SOURCE = "oms.internal"
# The sort keys of the inventory table's items that cause events. Levels and adjustments are those of products with
# several shards.
INVENTORY_ITEMS = ["stock", "product", "level", "adjustment"]
# The identity table's items that cause events. Sessions, counters and tokens, which each sign-in changes, do not.
IDENTITY_FILTERS = (
    {"dynamodb": {"NewImage": {"kind": {"S": ["user"]}}}},
    {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"kind": {"S": ["mail-request"]}}}},
    # Only counters with a lock, since each failed sign-in changes a counter.
    {"dynamodb": {"NewImage": {"kind": {"S": ["counter"]}, "locked_at": {"S": [{"exists": True}]}}}},
)
# The reports table's changes that cause events: requested and ended exports, without checkpoints and sums.
REPORTS_FILTERS = (
    {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"kind": {"S": ["export"]}}}},
    {"dynamodb": {"NewImage": {"kind": {"S": ["export"]}, "status": {"S": ["cancelled", "done"]}}}},
    # Started and cancelled imports, without checkpoints.
    {"dynamodb": {"NewImage": {"kind": {"S": ["import"]}, "status": {"S": ["queued", "cancelled"]}}}},
    # Created and deleted schedules, without the progress of their runs.
    {"eventName": ["INSERT", "REMOVE"], "dynamodb": {"Keys": {"pk": {"S": ["schedules"]}}}},
)
MAX_TRIES = 5
# The events of one transaction of the feed.
FEED_BATCH_SIZE = 50
# For queues, AWS requires a batching window for larger batches.
MAX_BATCH_SIZE_WITHOUT_WINDOW = 10


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
                Stream(data.inventory, filters=[{"dynamodb": {"Keys": {"sk": {"S": INVENTORY_ITEMS}}}}]),
                # Batches of one second's changes, because users also change when their open orders are counted.
                Stream(data.identity, filters=IDENTITY_FILTERS, window_seconds=1),
                Stream(
                    data.webhooks,
                    filters=[
                        {"dynamodb": {"NewImage": {"kind": {"S": ["subscription"]}, "status": {"S": ["disabled"]}}}}
                    ],
                ),
                Stream(data.reports, filters=REPORTS_FILTERS),
            ],
            function=functions.publisher,
            batch_size=100,
            alarms=alarms,
        )
        self.to_queue(
            "Feed",
            functions.feeder,
            timeout_seconds=FEEDER_SECONDS,
            batch_size=FEED_BATCH_SIZE,
            concurrency=stage.feed_concurrency,
        )
        # Readers of the feed's rows know a new form of them before it is written.
        move_after(functions.feeder, functions.webhooks)

    def to_queue(
        self,
        name: str,
        function: lambda_.Function,
        *,
        timeout_seconds: int,
        batch_size: int,
        types: Sequence[str] = (),
        sources: Sequence[str] = (SOURCE,),
        concurrency: int = 2,
        max_tries: int = MAX_TRIES,
        late_after_seconds: int = 1800,
    ) -> sqs.Queue:
        """Sends events of these types (none: all) through a new queue to the function, and returns the queue.

        `sources` are the events' sources. The function processes up to `concurrency` batches at once, at least 2. After
        `max_tries`, each six times `timeout_seconds` apart, a message is a dead letter. A message that waits for
        `late_after_seconds` raises an alarm.
        """
        queue, dead_letters = queue_with_dead_letters(
            self,
            name,
            timeout_seconds=timeout_seconds,
            max_tries=max_tries,
            retention_days=14,
            late_after_seconds=late_after_seconds,
            alarms=self._alarms,
        )
        # The message is the event without the fields that the bus adds.
        message = events.RuleTargetInput.from_event_path("$.detail")
        events.Rule(
            self,
            f"{name}Rule",
            event_bus=self.bus,
            event_pattern=events.EventPattern(source=list(sources), detail_type=list(types) or None),
            targets=[targets.SqsQueue(queue, message=message, dead_letter_queue=dead_letters)],
        )
        live(function).add_event_source(
            event_sources.SqsEventSource(
                queue,
                batch_size=batch_size,
                max_batching_window=cdk.Duration.seconds(1) if batch_size > MAX_BATCH_SIZE_WITHOUT_WINDOW else None,
                max_concurrency=concurrency,
                report_batch_item_failures=True,
            )
        )
        return queue
