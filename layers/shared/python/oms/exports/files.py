"""The files of exports in S3: multipart uploads, digests and signed URLs."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta

from botocore.exceptions import ClientError

from oms.core import aws, clock
from oms.core.clock import HasTime
from oms.core.settings import settings
from oms.exports import formats
from oms.exports.models import Export, UploadedPart

LINK_VALIDITY = timedelta(minutes=15)
_READ_BYTES = 1024 * 1024


class UploadGoneError(Exception):
    """The upload or the file does not exist: another worker has completed, aborted or deleted it."""


def key_of(export: Export) -> str:
    return f"{export.id}.{formats.extension_of(export)}"


def file_name(export: Export) -> str:
    """Returns the name under which a browser saves the file: the report with its days or the time of the request."""
    parts = [export.report]
    if export.from_ or export.to:
        last = clock.instant(export.to) - timedelta(milliseconds=1) if export.to else clock.instant(export.created_at)
        first = clock.day_of(clock.instant(export.from_)).isoformat() if export.from_ else "until"
        parts += [first, clock.day_of(last).isoformat()]
    else:
        parts.append(export.created_at[:19].replace(":", "") + "Z")
    return f"{'_'.join(parts)}.{formats.extension_of(export)}"


def signed_url(export: Export) -> str:
    """Returns a URL that downloads the file and is valid for 15 minutes. It is signed locally, without a call.

    Anyone with the URL can download the file, so only the caller may get it.
    """
    return str(
        aws.s3_client().generate_presigned_url(
            "get_object",
            Params={"Bucket": settings().exports_bucket, "Key": key_of(export)},
            ExpiresIn=int(LINK_VALIDITY.total_seconds()),
        )
    )


def start_upload(export: Export) -> str:
    """Starts an upload, and returns its id."""
    answer = aws.s3_client().create_multipart_upload(
        **_s3_object(export),
        ContentType=formats.media_type_of(export),
        ContentDisposition=f'attachment; filename="{file_name(export)}"',
    )
    return str(answer["UploadId"])


def upload_part(export: Export, number: int, content: bytes) -> UploadedPart:
    """Uploads a part. Raises UploadGoneError."""
    try:
        answer = aws.s3_client().upload_part(
            **_s3_object(export), UploadId=export.upload_id, PartNumber=number, Body=content
        )
    except ClientError as error:
        raise _as_upload_gone(error) from error
    return UploadedPart(number=number, etag=answer["ETag"])


def complete_upload(export: Export, parts: Sequence[UploadedPart]) -> None:
    """Assembles the file from its parts. Raises UploadGoneError."""
    listed = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
    try:
        aws.s3_client().complete_multipart_upload(
            **_s3_object(export), UploadId=export.upload_id, MultipartUpload={"Parts": listed}
        )
    except ClientError as error:
        raise _as_upload_gone(error) from error


def abort_upload(export: Export, upload_id: str) -> None:
    try:
        aws.s3_client().abort_multipart_upload(**_s3_object(export), UploadId=upload_id)
    except ClientError as error:
        if not isinstance(_as_upload_gone(error), UploadGoneError):
            raise


def uploads_of(export: Export) -> list[str]:
    """Returns the ids of all open uploads of the file, by any worker.

    One page has 1,000 uploads, and a file never has as many.
    """
    key = key_of(export)
    answer = aws.s3_client().list_multipart_uploads(Bucket=settings().exports_bucket, Prefix=key)
    return [upload["UploadId"] for upload in answer.get("Uploads", []) if upload["Key"] == key]


def exists(export: Export) -> bool:
    try:
        aws.s3_client().head_object(**_s3_object(export))
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
    return True


def delete(export: Export) -> None:
    """Deletes the file. Succeeds if it does not exist."""
    aws.s3_client().delete_object(**_s3_object(export))


def digest(export: Export, has_time: HasTime) -> tuple[str, int] | None:
    """Returns the file's SHA-256 and its size in bytes; None if the time runs out. Raises UploadGoneError."""
    try:
        body = aws.s3_client().get_object(**_s3_object(export))["Body"]
    except ClientError as error:
        raise _as_upload_gone(error) from error
    seen, size = hashlib.sha256(), 0
    with body:
        while piece := body.read(_READ_BYTES):
            if not has_time():
                return None
            seen.update(piece)
            size += len(piece)
    return seen.hexdigest(), size


def _s3_object(export: Export) -> dict[str, str]:
    return {"Bucket": settings().exports_bucket, "Key": key_of(export)}


def _as_upload_gone(error: ClientError) -> Exception:
    return UploadGoneError() if error.response["Error"].get("Code") in ("NoSuchUpload", "NoSuchKey") else error
