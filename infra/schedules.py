"""Schedules of exports: the queue that each run comes by, who may send to it, and the daily run of a deployment."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from constructs import Construct

from infra.alarms import Alarms
from infra.checks import acknowledge
from infra.data import Data, grant, grant_append, grant_in
from infra.events import INTERNAL_SOURCE, Events
from infra.functions import SCHEDULER_SECONDS, USERS, Functions
from infra.live import live
from infra.queues import queue_with_dead_letters
from infra.stages import Stage

TRIES = 5
# As long as it takes until nothing of a request is under way and the indexes have caught up; the most that SQS delays.
SETTLE_SECONDS = 900


def daily_at(time_zone: str) -> scheduler.ScheduleExpression:
    """After the end of each day of the zone. Where clocks change they skip a time before four, and a run at it."""
    if time_zone == "UTC":
        return scheduler.ScheduleExpression.cron(minute="30", hour="0", time_zone=cdk.TimeZone.ETC_UTC)
    return scheduler.ScheduleExpression.cron(minute="30", hour="4", time_zone=cdk.TimeZone.of(time_zone))


class Schedules(Construct):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        data: Data,
        functions: Functions,
        events: Events,
        alarms: Alarms,
    ) -> None:
        super().__init__(scope, construct_id)
        function = functions.scheduler
        queue, dead_letters = queue_with_dead_letters(
            self,
            "ScheduleRuns",
            seconds=SCHEDULER_SECONDS,
            tries=TRIES,
            days=14,
            # Beyond the delay, which is 15 minutes.
            late_after=3600,
            alarms=alarms,
            delay=min(SETTLE_SECONDS, stage.settle_seconds or SETTLE_SECONDS),
        )
        live(function).add_event_source(
            sources.SqsEventSource(queue, batch_size=1, max_concurrency=2, report_batch_item_failures=True)
        )
        events.to_queue(
            "Schedules",
            function,
            seconds=SCHEDULER_SECONDS,
            batch_size=1,
            types=("schedule.look",),
            of=(INTERNAL_SOURCE,),
        )
        # With its group go all entries: without the queue they would only fail.
        group = scheduler.ScheduleGroup(
            self, "Group", schedule_group_name=f"oms-{stage.name}", removal_policy=cdk.RemovalPolicy.DESTROY
        )
        self._add_alarms(group, alarms)
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com",
                # Not for what is scheduled elsewhere: https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
                conditions={
                    "StringEquals": {
                        "aws:SourceAccount": cdk.Stack.of(self).account,
                        "aws:SourceArn": group.schedule_group_arn,
                    }
                },
            ),
        )
        queue.grant_send_messages(role)
        dead_letters.grant_send_messages(role)
        daily = scheduler.Schedule(
            self,
            "Daily",
            description="The orders of the day before",
            schedule=daily_at(stage.time_zone),
            schedule_group=group,
            target=targets.SqsSendMessage(
                queue,
                role=role,
                dead_letter_queue=dead_letters,
                input=scheduler.ScheduleTargetInput.from_object(
                    {"schedule": "daily", "time": scheduler.ContextAttribute.scheduled_time}
                ),
            ),
        )
        daily.node.add_dependency(group)
        for setting, value in (
            ("OMS_SCHEDULE_GROUP", f"oms-{stage.name}"),
            ("OMS_SCHEDULE_ROLE", role.role_arn),
            ("OMS_SCHEDULE_TARGET", queue.queue_arn),
            ("OMS_SCHEDULE_DEAD_LETTERS", dead_letters.queue_arn),
            ("OMS_DAILY_REPORT_TO", ",".join(stage.daily_report_to)),
        ):
            function.add_environment(setting, value)
        _grant(function, role, stage, data)
        # Of schedules that end; what else requests do with the table is granted with the exports.
        grant(data.reports, functions.reports, "DeleteItem")

    def _add_alarms(self, group: scheduler.IScheduleGroup, alarms: Alarms) -> None:
        for name, metric, why in (
            (
                "ScheduleTargetErrors",
                group.metric_target_errors(),
                "failed to put runs into their queue; it tries again",
            ),
            ("ScheduleRunsDropped", group.metric_dropped(), "gave up runs of schedules"),
        ):
            alarms.on(name, metric, threshold=1, why=f"EventBridge Scheduler {why}.", see="eventbridge-scheduler")


def _grant(function: lambda_.Function, role: iam.Role, stage: Stage, data: Data) -> None:
    """The function makes and takes away entries of its group, and hands that role to them and to nothing else."""
    assert function.role
    acknowledge(
        function.role,
        "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:scheduler:<AWS::Region>:<AWS::AccountId>:"
        f"schedule/oms-{stage.name}/*]",
        "Its entries have the ids of schedules, and a group of their own.",
    )
    stack = cdk.Stack.of(function)
    arn = stack.format_arn(service="scheduler", resource="schedule", resource_name=f"oms-{stage.name}/*")
    function.add_to_role_policy(
        iam.PolicyStatement(actions=["scheduler:CreateSchedule", "scheduler:DeleteSchedule"], resources=[arn])
    )
    function.add_to_role_policy(
        iam.PolicyStatement(
            actions=["iam:PassRole"],
            resources=[role.role_arn],
            conditions={"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}},
        )
    )
    grant(data.reports, function, "GetItem", "BatchGetItem", "PutItem", "UpdateItem")
    grant_append(data.audit, function, ["PutItem"])
    # Whose addresses the setting daily_report_to has.
    grant_in(data.identity, function, ["BatchGetItem"], partitions=[USERS, "email#*"])
