"""The stock ledger: the bookkeeper on the inventory table's stream, and the regular stock check."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.alarms import Alarms
from infra.data import Data
from infra.functions import VERIFIER_SECONDS, Functions
from infra.live import live
from infra.queues import queue_with_dead_letters
from infra.streams import Stream, StreamConsumer

MAX_TRIES = 3
# After a timeout, the next attempt waits 90 minutes for its message.
LATE_AFTER_SECONDS = 2 * 3600


class StockLedger(Construct):
    def __init__(
        self, scope: Construct, construct_id: str, *, data: Data, functions: Functions, alarms: Alarms
    ) -> None:
        super().__init__(scope, construct_id)
        StreamConsumer(
            self,
            "Bookkeeper",
            streams=[Stream(data.inventory, filters=[{"dynamodb": {"Keys": {"sk": {"S": ["stock", "level"]}}}}])],
            function=functions.bookkeeper,
            batch_size=100,
            alarms=alarms,
        )
        self._check(functions, alarms)

    def _check(self, functions: Functions, alarms: Alarms) -> None:
        queue, _ = queue_with_dead_letters(
            self,
            "Check",
            timeout_seconds=VERIFIER_SECONDS,
            max_tries=MAX_TRIES,
            retention_days=1,
            late_after_seconds=LATE_AFTER_SECONDS,
            alarms=alarms,
            alarm_name="StockCheck",
        )
        for function in (functions.admin, functions.verifier):
            queue.grant(function, "sqs:SendMessage")
            function.add_environment("OMS_STOCK_CHECK_QUEUE_URL", queue.queue_url)
        live(functions.verifier).add_event_source(
            sources.SqsEventSource(queue, batch_size=1, report_batch_item_failures=True)
        )
        # If a run is in progress, a nightly run is skipped, but a full run starts after it.
        self._schedule("Nightly", queue, events.Schedule.cron(minute="30", hour="1"), start="new")
        self._schedule("Weekly", queue, events.Schedule.cron(minute="30", hour="4", week_day="SUN"), start="full")
        self._add_alarms(alarms)

    def _add_alarms(self, alarms: Alarms) -> None:
        alarms.on(
            "StockDrift",
            alarms.counted("StockDrift", by="verifier", statistic=cloudwatch.Stats.MAXIMUM),
            threshold=1,
            why="The stock of a product does not agree with its stock ledger, orders or adjustments.",
            see="stock-drift",
        )
        alarms.on(
            "StockUnsettled",
            alarms.counted("ProductsUnsettled", by="verifier", statistic=cloudwatch.Stats.MINIMUM).with_(
                period=cdk.Duration.days(1)
            ),
            threshold=1,
            periods=2,
            why="For two days, no stock check could compare all products: their movements had not arrived.",
            see="stock-check-incomplete",
            ends=True,
        )
        alarms.on_silence(
            "StockUnchecked",
            alarms.counted("ProductsChecked", by="verifier"),
            period=cdk.Duration.hours(1),
            periods=26,
            why="No stock check finished in the last 26 hours, although one is due each night.",
            see="stock-check-missing",
        )

    def _schedule(self, construct_id: str, queue: sqs.IQueue, schedule: events.Schedule, *, start: str) -> None:
        message = events.RuleTargetInput.from_object({"start": start})
        events.Rule(self, construct_id, schedule=schedule, targets=[targets.SqsQueue(queue, message=message)])
