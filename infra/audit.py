"""The sealer on the audit table's stream, its schedules, and the bucket of anchors, with Object Lock."""

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.alarms import Alarms
from infra.checks import acknowledge
from infra.data import Data, grant, grant_in
from infra.functions import Functions
from infra.keys import Keys
from infra.live import live
from infra.retention import retention
from infra.stages import Stage
from infra.streams import Stream, StreamConsumer

# Ten transactions, each of a head and 99 links.
BATCH_SIZE = 990
# Entries to seal, and changes that are tampering.
FILTERS = (
    {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"kind": {"S": ["entry"]}}}},
    {"eventName": ["MODIFY"], "dynamodb": {"OldImage": {"kind": {"S": ["entry", "link"]}}}},
    # A listed counter of denials must only rise.
    {
        "eventName": ["MODIFY"],
        "dynamodb": {"OldImage": {"kind": {"S": ["denials"]}, "listing": {"S": [{"exists": True}]}}},
    },
    {"eventName": ["REMOVE"]},
)


class Audit(Construct):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        data: Data,
        keys: Keys,
        functions: Functions,
        alarms: Alarms,
    ) -> None:
        super().__init__(scope, construct_id)
        sealer = functions.sealer
        # One batch at a time, because all batches write the same head and parallel ones would conflict.
        StreamConsumer(
            self,
            "Sealer",
            streams=[Stream(data.audit, filters=FILTERS, window_seconds=1)],
            function=sealer,
            batch_size=BATCH_SIZE,
            alarms=alarms,
            parallel=1,
        )
        grant(data.audit, sealer, "Query", "BatchGetItem")
        grant_in(data.audit, sealer, ["PutItem"], partitions=["links#*", "chain"])
        keys.grant(keys.audit, sealer)
        self._add_bucket(stage, sealer)
        self._schedule("Hourly", sealer, events.Schedule.cron(minute="5"), hours=2)
        self._schedule("Nightly", sealer, events.Schedule.cron(minute="20", hour="0"), hours=26)
        self._add_alarms(alarms)

    def _add_bucket(self, stage: Stage, sealer: cdk.aws_lambda.Function) -> None:
        days = cdk.Duration.days(stage.audit_lock_days)
        # In compliance mode, even the account's root user cannot shorten the lock.
        lock = s3.ObjectLockRetention.compliance if stage.name == "prod" else s3.ObjectLockRetention.governance
        bucket = s3.Bucket(
            self,
            "Heads",
            object_lock_enabled=True,
            object_lock_default_retention=lock(days),
            versioned=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            removal_policy=retention(stage),
        )
        acknowledge(bucket, "AwsSolutions-S1", "Its objects are signed and locked, and every version is verified.")
        # PutObject alone: grant_put also allows changes of retention and legal holds.
        iam.Grant.add_to_principal(
            grantee=sealer, actions=["s3:PutObject"], resource_arns=[bucket.arn_for_objects("heads/*")]
        )
        name = cdk.Stack.of(self).get_logical_id(bucket.node.default_child)  # type: ignore[arg-type]
        acknowledge(
            cdk.Stack.of(self),
            f"AwsSolutions-IAM5[Resource::<{name}.Arn>/heads/*]",
            "Each object has its own name.",
        )
        sealer.add_environment("OMS_AUDIT_BUCKET", bucket.bucket_name)
        cdk.CfnOutput(cdk.Stack.of(self), "AuditBucket", value=bucket.bucket_name)

    def _schedule(
        self, construct_id: str, sealer: cdk.aws_lambda.Function, schedule: events.Schedule, *, hours: int
    ) -> None:
        message = events.RuleTargetInput.from_object({"hours": hours})
        events.Rule(
            self, construct_id, schedule=schedule, targets=[targets.LambdaFunction(live(sealer), event=message)]
        )

    def _add_alarms(self, alarms: Alarms) -> None:
        alarms.on(
            "AuditTampered",
            alarms.counted("AuditTampered", by="sealer"),
            threshold=1,
            why="An item of the audit log or of its chain was changed or removed.",
            see="audit-log-tampered",
        )
        alarms.on_silence(
            "AuditUnwitnessed",
            alarms.counted("AuditWitnesses", by="sealer"),
            period=cdk.Duration.hours(1),
            periods=3,
            why="For three hours, the sealer has not written an anchor of the audit log's chain to its bucket.",
            see="audit-log-unwitnessed",
        )
