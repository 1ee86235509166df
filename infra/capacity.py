"""Alarms on shared resources: the account's concurrency in Lambda, the tables, and recursive loops."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.alarms import Alarms
from infra.data import Data
from infra.functions import Functions
from infra.stages import Stage

# The share of the account's quota of concurrent executions. AWS needs hours or days to raise the quota.
CLAIMED_SHARE = 0.8
# In five minutes. Lambda may throttle a burst a few times while it scales. Throttled calls are retried or answered with
# 503.
THROTTLE_COUNT = 10


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
            why="DynamoDB answered requests with internal errors.",
            see="tables",
        )
        alarms.on_any(
            "RecursionStopped",
            "RecursiveInvocationsDropped",
            namespace="AWS/Lambda",
            dimensions=("FunctionName",),
            # Lambda drops messages of functions that queues invoke. A query has at most 2,048 characters.
            among=[function.function_name for name, function in functions.all.items() if name not in functions.serving],
            threshold=1,
            why="Lambda dropped messages between functions and queues, because it detected an endless loop.",
            see="recursion",
        )

    def _watch_concurrency(self, stage: Stage, alarms: Alarms) -> None:
        """Adds alarms on the quota that all functions of the account and region share, including those of other
        systems.
        """
        alarms.on(
            "LambdaThrottled",
            _of_the_account("Throttles", cloudwatch.Stats.SUM),
            threshold=THROTTLE_COUNT,
            why="Lambda throttled functions of this account, by its concurrency quota or by a function's own limit.",
            see="concurrency",
            ends=True,
        )
        alarms.on(
            "LambdaConcurrency",
            # Includes concurrency reserved for single functions:
            # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-concurrency.html
            _of_the_account("ClaimedAccountConcurrency", cloudwatch.Stats.MAXIMUM),
            threshold=CLAIMED_SHARE * stage.lambda_concurrency,
            why=f"{CLAIMED_SHARE:.0%} of the account's {stage.lambda_concurrency} concurrent executions are in use.",
            see="concurrency",
            ends=True,
        )


def _of_the_account(name: str, statistic: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace="AWS/Lambda", metric_name=name, statistic=statistic, period=cdk.Duration.minutes(5)
    )
