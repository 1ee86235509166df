"""The bucket that forgets nothing: how far a chain went, in objects that nobody can change or remove for years."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from botocore.config import Config
from pynamodb.exceptions import AttributeNullError

from oms.audit import macs
from oms.audit.models import Head
from oms.core import aws
from oms.core.settings import settings

PREFIX = "heads/"


def put(head: Head) -> None:
    """Put again it is a second version of the same content. Raises botocore's errors."""
    _s3().put_object(
        Bucket=settings().audit_bucket,
        Key=key_of(head),
        Body=json.dumps(macs.shown(head) | {"seal": head.seal}).encode(),
        ContentType="application/json",
        # A bucket with Object Lock takes nothing without one.
        ChecksumAlgorithm="SHA256",
    )


def key_of(head: Head) -> str:
    return f"{PREFIX}{head.day}/{head.position:012d}.json"


def heads(bucket: str, day: str) -> Iterator[tuple[str, Head | None]]:
    """The head in each version of each object of a day, with the name of that; None where it holds none.

    Versions, since whoever may put can cover an object by another of its name.
    """
    pages = _s3().get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=PREFIX + day)
    for page in pages:
        for version in page.get("Versions", []):
            place = {"Bucket": bucket, "Key": version["Key"], "VersionId": version["VersionId"]}
            content = _s3().get_object(**place)["Body"].read()
            yield f"{version['Key']} (version {version['VersionId']})", _head_in(content)


def _head_in(content: bytes) -> Head | None:
    """None for what is no head, or not of the types that one has: nothing of it can be signed then."""
    try:
        shown = json.loads(content)
        head = Head(*Head.key_of(shown.pop("day")), **shown)
        head.serialize()
    except (ValueError, TypeError, AttributeError, LookupError, AttributeNullError):
        return None
    return head


@cache
def _s3() -> Any:
    config = Config(connect_timeout=1, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
    return aws.session().client("s3", config=config)
