"""The stock book: the bookkeeper on the inventory table's stream, and the check that it and the stock agree."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.alarms import Alarms
from infra.checks import acknowledge
from infra.data import Data
from infra.functions import VERIFIER_SECONDS, Functions

# The stream keeps a record for 24 hours: until shortly before, a batch that fails comes again.
RETRY_HOURS = 23
MOST_RETRIES = 10_000


# AWS's advice for a queue behind Lambda: six times the function's time.
VISIBILITY = 6 * VERIFIER_SECONDS
TRIES = 3


class StockBook(Construct):
    def __init__(
        self, scope: Construct, construct_id: str, *, data: Data, functions: Functions, alarms: Alarms
    ) -> None:
        super().__init__(scope, construct_id)
        self._bookkeeper(data, functions.bookkeeper, alarms)
        self._check(functions, alarms)

    def _bookkeeper(self, data: Data, bookkeeper: lambda_.Function, alarms: Alarms) -> None:
        poison = sqs.Queue(self, "Poison", retention_period=cdk.Duration.days(14), enforce_ssl=True)
        acknowledge(poison, "AwsSolutions-SQS3", "It is where others' failures end: nothing consumes it.")
        poison.grant_send_messages(bookkeeper)
        bookkeeper.add_environment("OMS_POISON_QUEUE_URL", poison.queue_url)
        stock_items = {"dynamodb": {"Keys": {"sk": {"S": lambda_.FilterRule.is_equal("stock")}}}}
        bookkeeper.add_event_source(
            sources.DynamoEventSource(
                data.inventory,
                # From the first record: what was written before the mapping was there belongs to the book too.
                starting_position=lambda_.StartingPosition.TRIM_HORIZON,
                batch_size=100,
                # Several batches of a shard at once; those of one stock item stay in order.
                parallelization_factor=4,
                filters=[lambda_.FilterCriteria.filter(stock_items)],
                bisect_batch_on_error=True,
                retry_attempts=MOST_RETRIES,
                max_record_age=cdk.Duration.hours(RETRY_HOURS),
                # After the last retry. What the function sets aside itself goes there with its images.
                on_failure=sources.SqsDlq(poison),
            )
        )
        alarms.on_poison("Bookkeeper", poison)
        alarms.on_stream_age("Bookkeeper", bookkeeper)

    def _check(self, functions: Functions, alarms: Alarms) -> None:
        dead_letters = sqs.Queue(self, "CheckDeadLetters", retention_period=cdk.Duration.days(14), enforce_ssl=True)
        queue = sqs.Queue(
            self,
            "Check",
            visibility_timeout=cdk.Duration.seconds(VISIBILITY),
            retention_period=cdk.Duration.days(1),
            enforce_ssl=True,
            dead_letter_queue=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=TRIES),
        )
        for function in (functions.admin, functions.verifier):
            queue.grant_send_messages(function)
            function.add_environment("OMS_STOCK_CHECK_QUEUE_URL", queue.queue_url)
        functions.verifier.add_event_source(
            sources.SqsEventSource(queue, batch_size=1, report_batch_item_failures=True)
        )
        # Where a run is under way still, it goes on and the new one is left out.
        self._schedule("Nightly", queue, events.Schedule.cron(minute="30", hour="1"), start="new")
        self._schedule("Weekly", queue, events.Schedule.cron(minute="30", hour="4", week_day="SUN"), start="full")
        alarms.on_dead_letters("StockCheck", dead_letters)
        alarms.on(
            "StockDrift",
            cloudwatch.Metric(
                namespace="Oms",
                metric_name="StockDrift",
                dimensions_map={"service": "verifier"},
                statistic=cloudwatch.Stats.MAXIMUM,
            ),
            threshold=1,
            why="The stock of a product does not agree with its book, orders or adjustments: see docs/stock-book.md.",
        )

    def _schedule(self, construct_id: str, queue: sqs.IQueue, schedule: events.Schedule, *, start: str) -> None:
        message = events.RuleTargetInput.from_object({"start": start})
        events.Rule(self, construct_id, schedule=schedule, targets=[targets.SqsQueue(queue, message=message)])
