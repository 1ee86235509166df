"""The AWS session of the process: all its clients use one account and one region."""

from functools import cache

import boto3

from oms.core.settings import aws_region


@cache
def session() -> boto3.Session:
    """In the region of AWS_REGION, else of AWS_DEFAULT_REGION, else of the profile: the order of the CDK CLI.

    boto3 does not read AWS_REGION. `region_name` is None if none of the three names a region.
    """
    return boto3.Session(region_name=aws_region())
