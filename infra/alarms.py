"""The topic of all alarms, and the alarms' common settings. docs/operate/operations.md is the runbook for each."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.stages import Stage

RUNBOOK = "docs/operate/operations.md"


class Alarms(Construct):
    """The alarms of a stage. Each alarm's `see` is the anchor of its section in the runbook.

    With `ends`, the alarm watches a state, and its end is mailed, too. The end of an alarm that counts events is not
    mailed, since it means only that no more events followed.
    """

    def __init__(self, scope: Construct, construct_id: str, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        # Dead-letter and poison queues, by their names in `make redrive`.
        self.failure_queues: dict[str, sqs.IQueue] = {}
        # Queues and functions on streams that have an alarm on their age, by the same names.
        self.queues: dict[str, sqs.IQueue] = {}
        self.stream_functions: dict[str, lambda_.IFunction] = {}
        self._stage = stage
        self.topic = self._add_topic()

    def _add_topic(self) -> sns.Topic:
        topic = sns.Topic(self, "Topic", enforce_ssl=True)
        # A topic's policy replaces the default one, which lets the account's services publish:
        # https://repost.aws/knowledge-center/cloudwatch-receive-sns-for-alarm-trigger
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}},
            )
        )
        if self._stage.alarm_address:
            topic.add_subscription(subscriptions.EmailSubscription(self._stage.alarm_address))
        return topic

    def counted(self, name: str, *, by: str, statistic: str = cloudwatch.Stats.SUM) -> cloudwatch.Metric:
        """Returns a metric that functions of this stage emit; `by` is the service's name in their logs and metrics."""
        return cloudwatch.Metric(
            namespace=self._stage.metrics_namespace,
            metric_name=name,
            dimensions_map={"service": by},
            statistic=statistic,
        )

    def on(
        self,
        construct_id: str,
        metric: cloudwatch.IMetric,
        *,
        threshold: float,
        why: str,
        see: str,
        periods: int = 1,
        ends: bool = False,
    ) -> None:
        """Adds an alarm when the metric reaches the threshold in `periods` consecutive periods.

        Missing data is not breaching, because most metrics have no data while nothing happens.
        """
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            # A percentile of a few samples is their maximum, which may be a cold start. Other metrics are not
            # percentiles.
            evaluate_low_sample_count_percentile="ignore" if _is_percentile(metric) else None,
            alarm_description=_description(why, see),
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        if ends:
            alarm.add_ok_action(actions.SnsAction(self.topic))

    def on_silence(
        self,
        construct_id: str,
        metric: cloudwatch.Metric,
        *,
        period: cdk.Duration,
        periods: int,
        why: str,
        see: str,
    ) -> None:
        """Adds an alarm that mails when the metric has had no data for `periods` periods, and when data arrives again.

        Missing data stays missing: after the last data the alarm goes from OK to INSUFFICIENT_DATA, which has the
        action. A new alarm begins in that state, without a transition and so without a mail, until the first data.
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
        """
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            metric=metric.with_(period=period, statistic=cloudwatch.Stats.SAMPLE_COUNT),
            threshold=1,
            evaluation_periods=periods,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.MISSING,
            alarm_description=_description(why, see),
        )
        alarm.add_insufficient_data_action(actions.SnsAction(self.topic))
        alarm.add_ok_action(actions.SnsAction(self.topic))

    def on_any(
        self,
        construct_id: str,
        metric: str,
        *,
        namespace: str,
        dimensions: Sequence[str],
        among: Sequence[str],
        threshold: float,
        why: str,
        see: str,
    ) -> None:
        """Adds one alarm on the sum of a metric over several resources.

        `among` has the names of the resources, which are values of the first of `dimensions`.

        It suits metrics that exist only after a failure: a query costs as much as one alarm for each metric that it
        finds. The local cloud has none of these alarms, since it rejects alarms on queries.
        """
        if self._stage.is_local:
            return
        names = " OR ".join(f"{dimensions[0]} = '{name}'" for name in among)
        schema = ", ".join([f'"{namespace}"', *dimensions])
        query = cloudwatch.MathExpression(
            expression=f"SELECT SUM({metric}) FROM SCHEMA({schema}) WHERE {names}",  # noqa: S608 - no data of users
            using_metrics={},
            period=cdk.Duration.minutes(5),
        )
        self.on(construct_id, query, threshold=threshold, why=why, see=see)

    def on_errors(self, name: str, function: lambda_.IFunction) -> None:
        self.on(
            f"{name}Errors",
            function.metric_errors(),
            threshold=1,
            why=f"The function {name} raised an exception or timed out.",
            see="errors-of-a-function",
        )

    def on_dead_letters(self, name: str, queue: sqs.IQueue) -> None:
        self._add_failure_queue(name, "DeadLetters", queue)
        self.on(
            f"{name}DeadLetters",
            queue.metric_approximate_number_of_messages_visible(),
            threshold=1,
            why=f"A message of the queue {name} failed at every attempt and is in its dead-letter queue.",
            see="dead-letters",
            ends=True,
        )

    def on_poison(self, name: str, queue: sqs.IQueue) -> None:
        self._add_failure_queue(name, "Poison", queue)
        self.on(
            f"{name}Poison",
            queue.metric_approximate_number_of_messages_visible(),
            threshold=1,
            why=f"The function {name} could not process a record of its stream. The record is in its poison queue.",
            see="poison-queues",
            ends=True,
        )

    def on_queue_age(self, name: str, queue: sqs.IQueue, *, seconds: int) -> None:
        """Adds an alarm when the oldest message has waited for `seconds`: at least 900, as the metric's periods are 5
        minutes.
        """
        self.queues[name] = queue
        self.on(
            f"{name}Behind",
            queue.metric_approximate_age_of_oldest_message(),
            threshold=seconds,
            why=f"The oldest message of the queue {name} has waited for {seconds // 60} minutes.",
            see="queues-behind",
            ends=True,
        )

    def on_stream_age(self, name: str, function: lambda_.IFunction) -> None:
        self.stream_functions[name] = function
        self.on(
            f"{name}Behind",
            function.metric("IteratorAge", statistic=cloudwatch.Stats.MAXIMUM),
            threshold=cdk.Duration.hours(1).to_milliseconds(),
            why=f"The function {name} is one hour behind its stream, which keeps records for 24 hours.",
            see="streams-behind",
            ends=True,
        )

    def _add_failure_queue(self, name: str, kind: str, queue: sqs.IQueue) -> None:
        """Adds the output in which `make redrive` finds the queue, under the name of its alarm."""
        self.failure_queues[name] = queue
        cdk.CfnOutput(cdk.Stack.of(self), f"{name}{kind}", value=queue.queue_url)


def _description(why: str, see: str) -> str:
    return f"{why} See {RUNBOOK}#{see}"


def _is_percentile(metric: cloudwatch.IMetric) -> bool:
    return isinstance(metric, cloudwatch.Metric) and metric.statistic.startswith("p")
