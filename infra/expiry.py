"""The expiry of holds: each minute the sweeper sends a message for each shard, and a worker ends its overdue holds."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.alarms import Alarms
from infra.functions import EXPIRY_SECONDS, Functions
from infra.live import live

# AWS recommends six times the function's timeout, so that throttling does not use up the tries.
VISIBILITY_SECONDS = 6 * EXPIRY_SECONDS
MAX_TRIES = 3
# For overdue holds, and for messages that trigger the worker.
LATE_AFTER_SECONDS = 900


class Expiry(Construct):
    def __init__(self, scope: Construct, construct_id: str, *, functions: Functions, alarms: Alarms) -> None:
        super().__init__(scope, construct_id)
        self.dead_letters = sqs.Queue(self, "DeadLetters", retention_period=cdk.Duration.days(14), enforce_ssl=True)
        self.queue = sqs.Queue(
            self,
            "Queue",
            visibility_timeout=cdk.Duration.seconds(VISIBILITY_SECONDS),
            # A message is a trigger without data, and the next minute has another one.
            retention_period=cdk.Duration.hours(1),
            enforce_ssl=True,
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=MAX_TRIES),
        )
        self.queue.grant(functions.sweeper, "sqs:SendMessage")
        functions.sweeper.add_environment("OMS_EXPIRY_QUEUE_URL", self.queue.queue_url)
        live(functions.expiry).add_event_source(
            sources.SqsEventSource(self.queue, batch_size=1, report_batch_item_failures=True)
        )
        events.Rule(
            self,
            "EveryMinute",
            schedule=events.Schedule.rate(cdk.Duration.minutes(1)),
            targets=[
                targets.LambdaFunction(
                    live(functions.sweeper), dead_letter_queue=self.dead_letters, max_event_age=cdk.Duration.minutes(1)
                )
            ],
        )
        alarms.on_dead_letters("Expiry", self.dead_letters)
        alarms.on_queue_age("Expiry", self.queue, seconds=LATE_AFTER_SECONDS)
        # A worker that runs out of time still succeeds, which deletes its message: only the holds show the backlog.
        alarms.on(
            "HoldsOverdue",
            alarms.counted("OldestOverdueHold", by="expiry", statistic=cloudwatch.Stats.MAXIMUM),
            threshold=LATE_AFTER_SECONDS,
            why="The hold of an order was due 15 minutes ago, and the order still reserves stock.",
            see="overdue-holds",
            ends=True,
        )
        alarms.on_silence(
            "SweeperSilent",
            alarms.counted("SweepsAsked", by="sweeper"),
            period=cdk.Duration.minutes(5),
            periods=3,
            why="The sweeper has not run for 15 minutes: no hold expires, and no overdue delivery is sent.",
            see="sweeper",
        )
