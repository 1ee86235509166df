"""Anchors: copies of chain heads, in a bucket whose objects no account can change or remove for years."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from pynamodb.exceptions import AttributeNullError

from oms.audit import macs
from oms.audit.models import ChainHead
from oms.core import aws
from oms.core.settings import settings

PREFIX = "heads/"


def put(head: ChainHead) -> None:
    """Stores the anchor of a head. If repeated, it adds an equal object version. Raises botocore's errors."""
    _s3().put_object(
        Bucket=settings().audit_bucket,
        Key=key_of(head),
        Body=json.dumps(macs.signed_fields(head) | {"seal": head.seal}).encode(),
        ContentType="application/json",
        # A bucket with Object Lock rejects a put without a checksum.
        ChecksumAlgorithm="SHA256",
    )


def key_of(head: ChainHead) -> str:
    return f"{PREFIX}{head.day}/{head.position:012d}.json"


def anchored_heads(bucket: str, day: str) -> Iterator[tuple[str, ChainHead | None]]:
    """Yields the name and the head of each object version of a day; the head is None if the version does not contain
    one.

    It reads all versions, because an identity that may put objects can hide an object behind a new version.
    """
    pages = _s3().get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=PREFIX + day)
    for page in pages:
        for version in page.get("Versions", []):
            place = {"Bucket": bucket, "Key": version["Key"], "VersionId": version["VersionId"]}
            content = _s3().get_object(**place)["Body"].read()
            yield f"{version['Key']} (version {version['VersionId']})", _parse_head(content)


def _parse_head(content: bytes) -> ChainHead | None:
    """Returns the head in the content. None unless all fields exist and have their types, since only such heads are
    signed.
    """
    try:
        fields = json.loads(content)
        head = ChainHead(*ChainHead.key_of(fields.pop("day")), **fields)
        head.serialize()
    except (ValueError, TypeError, AttributeError, LookupError, AttributeNullError):
        return None
    return head


@cache
def _s3() -> Any:
    retries = {"mode": "standard", "total_max_attempts": 3}
    return aws.botocore_client("s3", connect_timeout=1, read_timeout=5, retries=retries)
