"""Imports: the bucket of their files, and the importer with its queue, to which it also sends messages to continue."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.alarms import Alarms
from infra.buckets import private_bucket
from infra.checks import acknowledge
from infra.data import Data, grant, grant_append, grant_in
from infra.events import INTERNAL_SOURCE, MAX_TRIES, Events
from infra.functions import IMPORTER_SECONDS, USERS, Functions, order_limits
from infra.stages import Stage

TRIGGERS = ("import.look",)
# An import deletes its file when it ends. This is for files that were never started.
UPLOAD_DAYS = 7
RESULT_DAYS = 30
# After a timeout, the next attempt waits one and a half hours for its message.
LATE_AFTER_SECONDS = 5 * 3600


class Imports(Construct):
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
        importer = functions.importer
        self.bucket = bucket = self._bucket(stage)
        for function in (importer, functions.reports):
            function.add_environment("OMS_IMPORTS_BUCKET", bucket.bucket_name)
        self._grant(bucket, functions, data)
        queue = events.to_queue(
            "Imports",
            importer,
            timeout_seconds=IMPORTER_SECONDS,
            batch_size=1,
            types=TRIGGERS,
            sources=(INTERNAL_SOURCE,),
            concurrency=stage.import_concurrency,
            late_after_seconds=LATE_AFTER_SECONDS,
        )
        queue.grant(importer, "sqs:SendMessage")
        importer.add_environment("OMS_IMPORT_QUEUE_URL", queue.queue_url)
        importer.add_environment("OMS_IMPORT_TRIES", str(MAX_TRIES))
        for name, value in order_limits(stage).items():
            importer.add_environment(name, value)
        alarms.on(
            "ImportsFailed",
            alarms.counted("ImportsFailed", by="importer"),
            threshold=1,
            why="An import failed at its last attempt.",
            see="imports-failed",
        )

    def _bucket(self, stage: Stage) -> s3.Bucket:
        return private_bucket(
            self,
            "Files",
            stage=stage,
            why_no_access_log="The audit log has an entry for each import.",
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="uploads-are-kept-for-7-days", prefix="uploads/", expiration=cdk.Duration.days(UPLOAD_DAYS)
                ),
                s3.LifecycleRule(id="files-are-kept-for-30-days", expiration=cdk.Duration.days(RESULT_DAYS)),
            ],
            cors=_cors(stage),
        )

    def _grant(self, bucket: s3.Bucket, functions: Functions, data: Data) -> None:
        importer = functions.importer
        grant(data.reports, importer, "GetItem", "UpdateItem")
        grant(data.inventory, importer, "BatchGetItem", "PutItem", "UpdateItem")
        # For the reads of hot products that run out, which orders share.
        grant_in(data.inventory, importer, ["GetItem"], partitions=["snapshot#*"])
        grant(data.orders, importer, "GetItem", "BatchGetItem", "PutItem")
        # For the customers of orders.
        grant_in(data.identity, importer, ["BatchGetItem"], partitions=[USERS])
        # For categories whose last product was removed.
        grant_in(data.inventory, importer, ["DeleteItem"], partitions=["categories"])
        # For changed prices.
        grant_append(data.audit, importer, ["PutItem"])
        files = bucket.arn_for_objects("*")
        for function, actions in (
            (importer, ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")),
            # A signed link has the permissions of its signer. The function also reads the size of an uploaded file.
            (functions.reports, ("s3:GetObject", "s3:PutObject")),
        ):
            function.add_to_role_policy(iam.PolicyStatement(actions=list(actions), resources=[files]))
            # Without the permission to list, S3 answers 403 instead of 404 for a file that does not exist.
            function.add_to_role_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket.bucket_arn]))
        stack = cdk.Stack.of(self)
        resource = bucket.node.default_child
        assert isinstance(resource, cdk.CfnElement)
        acknowledge(
            stack,
            f"AwsSolutions-IAM5[Resource::<{stack.get_logical_id(resource)}.Arn>/*]",
            "Each file is named by its import's id, and the bucket has no other objects.",
        )


def _cors(stage: Stage) -> list[s3.CorsRule] | None:
    """Returns rules that let pages of the stage's origins upload a file and read a result by their links."""
    if not stage.cors_origins:
        return None
    return [
        s3.CorsRule(
            allowed_methods=[s3.HttpMethods.GET, s3.HttpMethods.HEAD, s3.HttpMethods.PUT],
            allowed_origins=list(stage.cors_origins),
            allowed_headers=["Content-Type"],
            max_age=int(cdk.Duration.hours(1).to_seconds()),
        )
    ]
