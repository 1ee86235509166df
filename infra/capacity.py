"""Alarms on what all functions share: the account's concurrency in Lambda, the tables, and loops that Lambda ends."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.alarms import Alarms
from infra.data import Data
from infra.functions import Functions
from infra.stages import Stage

# Of the account's quota of concurrent executions. A new quota takes AWS hours to days.
CLAIMED = 0.8
# In five minutes; a burst may meet a few while Lambda scales, and each is tried again or answered 503.
THROTTLES = 10


class Capacity(Construct):
    def __init__(
        self, scope: Construct, construct_id: str, *, stage: Stage, data: Data, functions: Functions, alarms: Alarms
    ) -> None:
        super().__init__(scope, construct_id)
        self._watch_concurrency(stage, alarms)
        names = [table.table_name for table in data.tables]
        alarms.on_any(
            "TablesThrottled",
            "ThrottledRequests",
            namespace="AWS/DynamoDB",
            dimensions=("TableName", "Operation"),
            among=names,
            threshold=1,
            why="DynamoDB throttled requests to a table or one of its indexes.",
            see="tables",
        )
        alarms.on_any(
            "TableErrors",
            "SystemErrors",
            namespace="AWS/DynamoDB",
            dimensions=("TableName", "Operation"),
            among=names,
            threshold=1,
            why="DynamoDB answered requests with errors of its own.",
            see="tables",
        )
        alarms.on_any(
            "RecursionStopped",
            "RecursiveInvocationsDropped",
            namespace="AWS/Lambda",
            dimensions=("FunctionName",),
            among=[function.function_name for function in functions.all.values()],
            threshold=1,
            why="Lambda took messages between functions and queues for an endless loop, and dropped them.",
            see="recursion",
        )

    def _watch_concurrency(self, stage: Stage, alarms: Alarms) -> None:
        """All functions of an account and region share one quota, those of other stages and systems too."""
        alarms.on(
            "LambdaThrottled",
            _of_the_account("Throttles", cloudwatch.Stats.SUM),
            threshold=THROTTLES,
            why="Lambda throttled functions of this account: at its concurrency quota, or at a function's own limit.",
            see="concurrency",
            ends=True,
        )
        alarms.on(
            "LambdaConcurrency",
            # With what is reserved for single functions: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-concurrency.html
            _of_the_account("ClaimedAccountConcurrency", cloudwatch.Stats.MAXIMUM),
            threshold=CLAIMED * stage.lambda_concurrency,
            why=f"Of the account's {stage.lambda_concurrency} concurrent executions, {CLAIMED:.0%} are taken.",
            see="concurrency",
            ends=True,
        )


def _of_the_account(name: str, statistic: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace="AWS/Lambda", metric_name=name, statistic=statistic, period=cdk.Duration.minutes(5)
    )
