"""Holds end on time: each minute the sweeper names the shards to look at, and a worker drains each."""

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

# AWS's advice for a queue behind Lambda: six times the function's time, so that a throttled try is not a lost one.
VISIBILITY = 6 * EXPIRY_SECONDS
TRIES = 3
# Seconds that an overdue hold, or the message that asks for a look at them, may wait.
LATE = 900


class Expiry(Construct):
    def __init__(self, scope: Construct, construct_id: str, *, functions: Functions, alarms: Alarms) -> None:
        super().__init__(scope, construct_id)
        self.dead_letters = sqs.Queue(self, "DeadLetters", retention_period=cdk.Duration.days(14), enforce_ssl=True)
        self.queue = sqs.Queue(
            self,
            "Queue",
            visibility_timeout=cdk.Duration.seconds(VISIBILITY),
            # A message only says "look now"; the next minute's says it again.
            retention_period=cdk.Duration.hours(1),
            enforce_ssl=True,
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=TRIES),
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
        alarms.on_queue_age("Expiry", self.queue, seconds=LATE)
        # A worker that runs out of time succeeds, and its message is gone: only the holds show what it left.
        alarms.on(
            "HoldsOverdue",
            alarms.counted("OldestOverdueHold", by="expiry", statistic=cloudwatch.Stats.MAXIMUM),
            threshold=LATE,
            why="A hold is over for 15 minutes and its order still keeps stock.",
            see="overdue-holds",
            ends=True,
        )
        alarms.on_silence(
            "SweeperSilent",
            alarms.counted("SweepsAsked", by="sweeper"),
            period=cdk.Duration.minutes(5),
            periods=3,
            why="The sweeper has not run for 15 minutes: no hold ends, and no overdue delivery is sent.",
            see="sweeper",
        )
