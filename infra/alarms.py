"""One topic for all alarms, and the alarms' common settings."""

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


class Alarms(Construct):
    def __init__(self, scope: Construct, construct_id: str, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        # By the names that `make redrive` knows them by, the queues where failures end.
        self.failure_queues: dict[str, sqs.IQueue] = {}
        self._namespace = stage.metrics_namespace
        self.topic = self._add_topic(stage)

    def _add_topic(self, stage: Stage) -> sns.Topic:
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
        if stage.alarm_address:
            topic.add_subscription(subscriptions.EmailSubscription(stage.alarm_address))
        return topic

    def counted(self, name: str, *, by: str, statistic: str = cloudwatch.Stats.SUM) -> cloudwatch.Metric:
        """A metric that functions of this stage emit; `by` is the service's name in their logs and metrics."""
        return cloudwatch.Metric(
            namespace=self._namespace, metric_name=name, dimensions_map={"service": by}, statistic=statistic
        )

    def on(
        self, construct_id: str, metric: cloudwatch.IMetric, *, threshold: float, why: str, periods: int = 1
    ) -> None:
        """Rings when so many periods one after the other reach the threshold; no data is good news."""
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=why,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))

    def on_silence(self, construct_id: str, metric: cloudwatch.Metric, *, hours: int, why: str) -> None:
        """Rings when the metric has had no data for so many hours."""
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            metric=metric.with_(period=cdk.Duration.hours(1), statistic=cloudwatch.Stats.SAMPLE_COUNT),
            threshold=1,
            evaluation_periods=hours,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
            alarm_description=why,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))

    def on_errors(self, name: str, function: lambda_.IFunction) -> None:
        self.on(f"{name}Errors", function.metric_errors(), threshold=1, why=f"The function {name} raised or timed out.")

    def on_dead_letters(self, name: str, queue: sqs.IQueue) -> None:
        self._tell_redrive(name, "DeadLetters", queue)
        self.on(
            f"{name}DeadLetters",
            queue.metric_approximate_number_of_messages_visible(),
            threshold=1,
            why=f"A message of the queue {name} failed at every try and waits in its dead-letter queue.",
        )

    def on_poison(self, name: str, queue: sqs.IQueue) -> None:
        self._tell_redrive(name, "Poison", queue)
        self.on(
            f"{name}Poison",
            queue.metric_approximate_number_of_messages_visible(),
            threshold=1,
            why=f"The function {name} could not understand a record of its stream and set it aside.",
        )

    def on_stream_age(self, name: str, function: lambda_.IFunction) -> None:
        self.on(
            f"{name}Behind",
            function.metric("IteratorAge", statistic=cloudwatch.Stats.MAXIMUM),
            threshold=cdk.Duration.hours(1).to_milliseconds(),
            why=f"The function {name} is an hour behind its stream, which keeps a record for a day.",
        )

    def _tell_redrive(self, name: str, kind: str, queue: sqs.IQueue) -> None:
        """`make redrive` knows a queue by the name of its alarm, from the stack's outputs."""
        self.failure_queues[name] = queue
        cdk.CfnOutput(cdk.Stack.of(self), f"{name}{kind}", value=queue.queue_url)
