"""Exports: the bucket of their files, and the exporter with its queue. The exporter also sends messages to its queue,
to continue.
"""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.alarms import Alarms
from infra.buckets import private_bucket
from infra.checks import acknowledge
from infra.data import Data, grant, grant_in
from infra.events import INTERNAL_SOURCE, MAX_TRIES, Events
from infra.functions import EXPORTER_SECONDS, USERS, Functions
from infra.stages import Stage

TRIGGERS = ("export.look",)
RETENTION_DAYS = 30
# Pages may always read Content-Length, Content-Type and Last-Modified, and with this also these headers.
EXPOSED_HEADERS = ("Content-Disposition", "ETag")
# After a timeout, the next attempt waits half an hour for its message.
LATE_AFTER_SECONDS = 3600


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
            timeout_seconds=EXPORTER_SECONDS,
            batch_size=1,
            types=TRIGGERS,
            sources=(INTERNAL_SOURCE,),
            concurrency=stage.export_concurrency,
            late_after_seconds=LATE_AFTER_SECONDS,
        )
        queue.grant(exporter, "sqs:SendMessage")
        exporter.add_environment("OMS_EXPORT_QUEUE_URL", queue.queue_url)
        exporter.add_environment("OMS_EXPORT_TRIES", str(MAX_TRIES))
        alarms.on(
            "ExportsFailed",
            alarms.counted("ExportsFailed", by="exporter"),
            threshold=1,
            why="An export failed at its last attempt.",
            see="exports-failed",
        )

    def _bucket(self, stage: Stage) -> s3.Bucket:
        return private_bucket(
            self,
            "Files",
            stage=stage,
            why_no_access_log="The audit log has an entry for each link to a file.",
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="files-are-kept-for-30-days",
                    expiration=cdk.Duration.days(RETENTION_DAYS),
                    # An export starts again if its message was in the dead-letter queue for longer than this.
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                )
            ],
            cors=_cors(stage),
        )

    def _grant(self, bucket: s3.Bucket, functions: Functions, data: Data) -> None:
        grant(data.reports, functions.exporter, "GetItem", "Query", "UpdateItem")
        for table in (data.orders, data.inventory):
            grant(table, functions.exporter, "Query", "BatchGetItem")
        # For the column with the customer's e-mail address, if the export has it.
        grant_in(data.identity, functions.exporter, ["BatchGetItem"], partitions=[USERS])
        files = bucket.arn_for_objects("*")
        actions = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
        functions.exporter.add_to_role_policy(iam.PolicyStatement(actions=list(actions), resources=[files]))
        # Without the permission to list, S3 answers 403 instead of 404 for a file that does not exist.
        list_actions = ("s3:ListBucket", "s3:ListBucketMultipartUploads")
        functions.exporter.add_to_role_policy(
            iam.PolicyStatement(actions=list(list_actions), resources=[bucket.bucket_arn])
        )
        # The function creates and cancels exports. A signed link has the permissions of its signer.
        grant(data.reports, functions.reports, "PutItem", "UpdateItem")
        functions.reports.add_to_role_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=[files]))
        stack = cdk.Stack.of(self)
        resource = bucket.node.default_child
        assert isinstance(resource, cdk.CfnElement)
        acknowledge(
            stack,
            f"AwsSolutions-IAM5[Resource::<{stack.get_logical_id(resource)}.Arn>/*]",
            "Each file is named by its export's id, and the bucket has no other objects.",
        )


def _cors(stage: Stage) -> list[s3.CorsRule] | None:
    """Returns rules that let pages of the stage's origins read a file by its link, without custom request headers."""
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
