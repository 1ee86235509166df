"""Corrections, by AWS API calls, of properties in the template that the emulator ignores when it deploys.

Each correction has its reason. A test compares the deployed resources with the template. Remove a correction when the
test passes without it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.cloud import Cloud
from local.deployment import Assembly, Deployment


@dataclass(frozen=True)
class FixUp:
    resource_type: str
    reason: str
    # (cloud, physical id, properties in the template)
    apply: Callable[[Cloud, str, dict[str, Any]], None]


def _time_to_live(cloud: Cloud, table: str, properties: dict[str, Any]) -> None:
    if specification := properties.get("TimeToLiveSpecification"):
        cloud.client("dynamodb").update_time_to_live(
            TableName=table,
            TimeToLiveSpecification={
                "Enabled": specification["Enabled"],
                "AttributeName": specification["AttributeName"],
            },
        )


def _cors(cloud: Cloud, api: str, properties: dict[str, Any]) -> None:
    if cors := properties.get("CorsConfiguration"):
        cloud.client("apigatewayv2").update_api(ApiId=api, CorsConfiguration=cors)


def _reserved_concurrency(cloud: Cloud, function: str, properties: dict[str, Any]) -> None:
    if (limit := properties.get("ReservedConcurrentExecutions")) is not None:
        cloud.client("lambda").put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=limit)


def _object_lock(cloud: Cloud, bucket: str, properties: dict[str, Any]) -> None:
    if lock := properties.get("ObjectLockConfiguration"):
        s3 = cloud.client("s3")
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=properties["VersioningConfiguration"])
        s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=lock)


FIXUPS = (
    FixUp("AWS::DynamoDB::GlobalTable", "the emulator's GlobalTable has no time to live", _time_to_live),
    FixUp("AWS::ApiGatewayV2::Api", "the emulator's stack omits the API's CORS rules", _cors),
    FixUp("AWS::S3::Bucket", "the emulator's stack omits Object Lock", _object_lock),
    FixUp("AWS::Lambda::Function", "the emulator's stack omits reserved concurrency", _reserved_concurrency),
)


def apply(cloud: Cloud, assembly: Assembly, deployment: Deployment) -> None:
    for logical_id, resource in assembly.template["Resources"].items():
        for fixup in FIXUPS:
            if resource["Type"] == fixup.resource_type:
                fixup.apply(cloud, deployment.resources[logical_id], resource.get("Properties", {}))
