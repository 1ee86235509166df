"""Exports: the bucket that has their files, and the exporter behind its queue, which it also hands work on by."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.alarms import Alarms
from infra.checks import acknowledge
from infra.data import Data, grant, grant_in
from infra.events import INTERNAL_SOURCE, TRIES, Events
from infra.functions import EXPORTER_SECONDS, USERS, Functions
from infra.retention import retention
from infra.stages import Stage

LOOKS = ("export.look",)
KEPT_DAYS = 30
# Beside those that every page may read: Content-Length, Content-Type, Last-Modified.
EXPOSED_HEADERS = ("Content-Disposition", "ETag")
# Seconds: one that is cut off waits half an hour for its message.
LATE = 3600


class Exports(Construct):
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
        exporter = functions.exporter
        bucket = self._bucket(stage)
        for function in (exporter, functions.reports):
            function.add_environment("OMS_EXPORTS_BUCKET", bucket.bucket_name)
        self._grant(bucket, functions, data)
        queue = events.to_queue(
            "Exports",
            exporter,
            seconds=EXPORTER_SECONDS,
            batch_size=1,
            types=LOOKS,
            of=(INTERNAL_SOURCE,),
            concurrency=stage.export_concurrency,
            late_after=LATE,
        )
        queue.grant(exporter, "sqs:SendMessage")
        exporter.add_environment("OMS_EXPORT_QUEUE_URL", queue.queue_url)
        exporter.add_environment("OMS_EXPORT_TRIES", str(TRIES))
        alarms.on(
            "ExportsFailed",
            alarms.counted("ExportsFailed", by="exporter"),
            threshold=1,
            why="An export failed at its last try.",
            see="exports-failed",
        )

    def _bucket(self, stage: Stage) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "Files",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="files-are-kept-for-30-days",
                    expiration=cdk.Duration.days(KEPT_DAYS),
                    # An export whose message waits in the dead-letter queue for longer starts again.
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                )
            ],
            cors=_cors(stage),
            removal_policy=retention(stage),
        )
        acknowledge(bucket, "AwsSolutions-S1", "Who got a link to which file stands in the audit log.")
        return bucket

    def _grant(self, bucket: s3.Bucket, functions: Functions, data: Data) -> None:
        grant(data.reports, functions.exporter, "GetItem", "Query", "UpdateItem")
        for table in (data.orders, data.inventory):
            grant(table, functions.exporter, "Query", "BatchGetItem")
        # Whose order it is, where the column is asked for: the key is read out of the order.
        grant_in(data.identity, functions.exporter, ["BatchGetItem"], partitions=[USERS])
        files = bucket.arn_for_objects("*")
        work = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
        functions.exporter.add_to_role_policy(iam.PolicyStatement(actions=list(work), resources=[files]))
        # Without the right to list, S3 says of a file that is not there that one may not know.
        lists = ("s3:ListBucket", "s3:ListBucketMultipartUploads")
        functions.exporter.add_to_role_policy(iam.PolicyStatement(actions=list(lists), resources=[bucket.bucket_arn]))
        # It writes wishes and cancels them. A link has the rights of who has signed it.
        grant(data.reports, functions.reports, "PutItem", "UpdateItem")
        functions.reports.add_to_role_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=[files]))
        stack = cdk.Stack.of(self)
        resource = bucket.node.default_child
        assert isinstance(resource, cdk.CfnElement)
        acknowledge(
            stack,
            f"AwsSolutions-IAM5[Resource::<{stack.get_logical_id(resource)}.Arn>/*]",
            "A file is named by its export's id; the bucket has nothing else.",
        )


def _cors(stage: Stage) -> list[s3.CorsRule] | None:
    """Pages of the stage's origins may read a file by its link, without request headers of their own."""
    if not stage.cors_origins:
        return None
    return [
        s3.CorsRule(
            allowed_methods=[s3.HttpMethods.GET, s3.HttpMethods.HEAD],
            allowed_origins=list(stage.cors_origins),
            exposed_headers=list(EXPOSED_HEADERS),
            max_age=int(cdk.Duration.hours(1).to_seconds()),
        )
    ]
