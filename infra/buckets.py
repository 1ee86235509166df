"""Private buckets of files."""

from typing import Any

from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.checks import acknowledge
from infra.retention import retention
from infra.stages import Stage


def private_bucket(
    scope: Construct, construct_id: str, *, stage: Stage, why_no_access_log: str, **options: Any
) -> s3.Bucket:
    """Returns a bucket that is encrypted, takes TLS 1.2 and later alone, and has no access control lists.

    `options` are further arguments of `s3.Bucket`.
    """
    bucket = s3.Bucket(
        scope,
        construct_id,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        removal_policy=retention(stage),
        **options,
    )
    acknowledge(bucket, "AwsSolutions-S1", why_no_access_log)
    return bucket
