"""The files of imports in S3: the uploaded file, the errors of each section, and the result.

Keys: `uploads/I`, `sections/I/<offset>-<run>`, `results/I-<run>.jsonl`.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import IO, Any

from botocore.exceptions import ClientError

from oms.core import aws
from oms.core.settings import settings
from oms.imports.models import Import
from oms.imports.reading import CSV, FileError
from oms.imports.rows import RowError

LINK_VALIDITY = timedelta(minutes=15)
# Enough for a slow connection: 256 MB in an hour need 0.6 MBit/s.
UPLOAD_VALIDITY = timedelta(hours=1)
_READ_BYTES = 1024 * 1024
_MEDIA_TYPES = {True: "text/csv", False: "application/x-ndjson"}


def upload_headers(it: Import) -> dict[str, str]:
    """Returns the headers of the upload. They are signed, so S3 takes no file of another size or type."""
    return {"Content-Type": _MEDIA_TYPES[it.format == CSV], "Content-Length": str(it.size)}


def upload_url(it: Import) -> str:
    """Returns a URL to which the file can be uploaded by PUT. It is signed locally, without a call."""
    media_type = upload_headers(it)["Content-Type"]
    place = {**_object(_upload_key(it)), "ContentType": media_type, "ContentLength": it.size}
    return _signed("put_object", place, UPLOAD_VALIDITY)


def result_url(it: Import) -> str:
    """Returns a URL that downloads the result and is valid for 15 minutes."""
    return _signed("get_object", _object(_result_key(it)), LINK_VALIDITY)


def _signed(operation: str, parameters: Mapping[str, Any], validity: timedelta) -> str:
    seconds = int(validity.total_seconds())
    return str(aws.s3_client().generate_presigned_url(operation, Params=dict(parameters), ExpiresIn=seconds))


def uploaded(it: Import) -> tuple[int, str] | None:
    """Returns the size and the ETag of the uploaded file; None if there is none."""
    try:
        answer = aws.s3_client().head_object(**_object(_upload_key(it)))
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        raise
    return answer["ContentLength"], answer["ETag"]


def chunks(it: Import, offset: int) -> Iterator[bytes]:
    """Yields the uploaded file from `offset` on. Raises FileError if it is not the file of the start any more.

    Each chunk is a request of its own, since the rows of a chunk can take longer than S3 keeps a connection open.
    """
    while offset < it.size:
        end = min(offset + _READ_BYTES, it.size)
        try:
            answer = aws.s3_client().get_object(
                **_object(_upload_key(it)), Range=f"bytes={offset}-{end - 1}", IfMatch=str(it.etag)
            )
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (404, 412):
                raise FileError("file-changed", "The file was replaced or deleted after the start.") from error
            raise
        with answer["Body"] as body:
            yield body.read()
        offset = end


def put_errors(it: Import, offset: int, errors: Mapping[int, Sequence[RowError]]) -> None:
    """Stores the errors of the section that begins at `offset`, as lines of the result."""
    lines = "".join(_line(number, error) for number in sorted(errors) for error in errors[number])
    aws.s3_client().put_object(**_object(f"{_sections(it)}{offset:012}-{it.run:06}"), Body=lines.encode())


def _line(number: int, error: RowError) -> str:
    return json.dumps({"row": number, **error._asdict()}, ensure_ascii=False) + "\n"


def put_result(it: Import) -> None:
    """Joins the errors of all sections to this run's result. Of a section that was repeated, the last run's count.

    A run that has lost its claim writes a result that is never shown.
    """
    latest: dict[str, str] = {}
    for key in _keys(_sections(it)):
        latest[key.rpartition("-")[0]] = key
    with tempfile.TemporaryFile() as result:
        for key in latest.values():
            _copy(key, result)
        result.seek(0)
        aws.s3_client().put_object(
            **_object(_result_key(it)),
            Body=result,
            ContentType=_MEDIA_TYPES[False],
            ContentDisposition=f'attachment; filename="import_{it.id}.jsonl"',
        )


def _copy(key: str, result: IO[bytes]) -> None:
    with aws.s3_client().get_object(**_object(key))["Body"] as body:
        result.write(body.read())


def clean_up(it: Import) -> None:
    """Deletes the files of an import that has ended, except its result. Succeeds if they do not exist."""
    results = (key for key in _keys(f"results/{it.id}-") if key != _result_key(it))
    for key in (_upload_key(it), *_keys(_sections(it)), *results):
        aws.s3_client().delete_object(**_object(key))


def _keys(prefix: str) -> Iterator[str]:
    """Yields the keys with this prefix in their order."""
    for page in (
        aws.s3_client().get_paginator("list_objects_v2").paginate(Bucket=settings().imports_bucket, Prefix=prefix)
    ):
        yield from (found["Key"] for found in page.get("Contents", []))


def _upload_key(it: Import) -> str:
    return f"uploads/{it.id}"


def _sections(it: Import) -> str:
    return f"sections/{it.id}/"


def _result_key(it: Import) -> str:
    return f"results/{it.id}-{it.run:06}.jsonl"


def _object(key: str) -> dict[str, str]:
    return {"Bucket": settings().imports_bucket, "Key": key}
