"""Schedules of exports: the queue of their runs, the permissions to send to it, and the daily run of a stage."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.alarms import Alarms
from infra.checks import acknowledge
from infra.data import Data, grant, grant_append, grant_in
from infra.events import INTERNAL_SOURCE, Events
from infra.functions import SCHEDULER_SECONDS, USERS, Functions
from infra.live import live
from infra.queues import queue_with_dead_letters
from infra.stages import Stage

MAX_TRIES = 5
# The delay until requests before the run have ended and the indexes have caught up. It is SQS's maximum.
SETTLE_SECONDS = 900


def daily_at(time_zone: str) -> scheduler.ScheduleExpression:
    """Returns the time of the daily run: after the end of each day in the time zone.

    In zones other than UTC it is after 04:00, because clock changes may skip an earlier time, and such a run would be
    lost.
    """
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
        queue, dead_letters = self._add_queue(stage, function, alarms)
        events.to_queue(
            "Schedules",
            function,
            timeout_seconds=SCHEDULER_SECONDS,
            batch_size=1,
            types=("schedule.look",),
            sources=(INTERNAL_SOURCE,),
        )
        # Deleting the group deletes all its entries, which would fail without the queue.
        group = scheduler.ScheduleGroup(
            self, "Group", schedule_group_name=f"oms-{stage.name}", removal_policy=cdk.RemovalPolicy.DESTROY
        )
        self._add_alarms(group, alarms)
        role = self._add_role(group)
        queue.grant_send_messages(role)
        dead_letters.grant_send_messages(role)
        self._add_daily_run(stage, group, queue, dead_letters, role)
        for setting, value in (
            ("OMS_SCHEDULE_GROUP", f"oms-{stage.name}"),
            ("OMS_SCHEDULE_ROLE", role.role_arn),
            ("OMS_SCHEDULE_TARGET", queue.queue_arn),
            ("OMS_SCHEDULE_DEAD_LETTERS", dead_letters.queue_arn),
            ("OMS_DAILY_REPORT_TO", ",".join(stage.daily_report_to)),
        ):
            function.add_environment(setting, value)
        _grant(function, role, stage, data)
        # For deleted schedules. `infra.exports` grants the other operations.
        grant(data.reports, functions.reports, "DeleteItem")

    def _add_queue(self, stage: Stage, function: lambda_.Function, alarms: Alarms) -> tuple[sqs.Queue, sqs.Queue]:
        """Adds the queue of runs, which invokes the function, and its dead-letter queue."""
        queue, dead_letters = queue_with_dead_letters(
            self,
            "ScheduleRuns",
            timeout_seconds=SCHEDULER_SECONDS,
            max_tries=MAX_TRIES,
            retention_days=14,
            # More than the delay of 15 minutes.
            late_after_seconds=3600,
            alarms=alarms,
            delay_seconds=min(SETTLE_SECONDS, stage.settle_seconds or SETTLE_SECONDS),
        )
        live(function).add_event_source(
            sources.SqsEventSource(queue, batch_size=1, max_concurrency=2, report_batch_item_failures=True)
        )
        return queue, dead_letters

    def _add_role(self, group: scheduler.IScheduleGroup) -> iam.Role:
        """Adds the role of EventBridge Scheduler, which sends runs to the queues."""
        return iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com",
                # For schedules of this group alone:
                # https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
                conditions={
                    "StringEquals": {
                        "aws:SourceAccount": cdk.Stack.of(self).account,
                        "aws:SourceArn": group.schedule_group_arn,
                    }
                },
            ),
        )

    def _add_daily_run(
        self,
        stage: Stage,
        group: scheduler.IScheduleGroup,
        queue: sqs.Queue,
        dead_letters: sqs.Queue,
        role: iam.Role,
    ) -> None:
        daily = scheduler.Schedule(
            self,
            "Daily",
            description="The daily report of the previous day's orders",
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

    def _add_alarms(self, group: scheduler.IScheduleGroup, alarms: Alarms) -> None:
        for name, metric, why in (
            (
                "ScheduleTargetErrors",
                group.metric_target_errors(),
                "failed to put runs into their queue, and retries them",
            ),
            ("ScheduleRunsDropped", group.metric_dropped(), "dropped runs of schedules after its last retry"),
        ):
            alarms.on(name, metric, threshold=1, why=f"EventBridge Scheduler {why}.", see="eventbridge-scheduler")


def _grant(function: lambda_.Function, role: iam.Role, stage: Stage, data: Data) -> None:
    """Lets the function create and delete entries of its group, and pass them this role."""
    assert function.role
    acknowledge(
        function.role,
        "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:scheduler:<AWS::Region>:<AWS::AccountId>:"
        f"schedule/oms-{stage.name}/*]",
        "Its entries are named by the ids of schedules, in a group that has no others.",
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
    # For the users with the addresses in the setting daily_report_to.
    grant_in(data.identity, function, ["BatchGetItem"], partitions=[USERS, "email#*"])
