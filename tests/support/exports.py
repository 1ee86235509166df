"""The exporter, called by hand: orders to export, messages that name an export, and the resulting file."""

import csv
import io
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import openpyxl
import pytest
from moto.s3.exceptions import InvalidPartOrder, NoSuchUpload
from moto.s3.models import FakeMultipart, S3Backend
from moto.s3.responses import S3Response

from exporter import handler as exporter
from oms.core import clock
from oms.core.dynamodb import get_item, put_item
from oms.core.settings import settings
from oms.exports import files, service
from oms.exports.models import Export
from oms.exports.schemas import CreateExportRequest
from oms.orders.models import Allocation, HistoryEntry, Order, OrderLine, created_shard
from tests.support.aws_client import aws_client
from tests.support.invocation import Context, Person, wait_for_next_millisecond

ADDRESS = "198.51.100.1"
START = datetime(2026, 1, 1, tzinfo=UTC)

numbers = count(1)


def an_order(*lines: dict[str, Any], shard: int = 0, status: str = "shipped") -> Order:
    """Stores an order, an hour younger than the previous one; `lines` has the special fields of each line."""
    number = next(numbers)
    at, order_id = clock.timestamp(START + timedelta(hours=number)), f"ORDER{number:015d}"
    made = [
        OrderLine(
            **{
                "product_id": f"PRODUCT{it:013d}",
                "sku": f"SKU-{it}",
                "name": f"Hammer, 300 g, No. {number}",
                "category": "Tools",
                "quantity": it,
                "unit_price": 1999,
                "drawn": [Allocation(shard=0, quantity=it)],
            }
            | line
        )
        for it, line in enumerate(lines or ({}, {}), 1)
    ]
    total = sum(it.unit_price * it.quantity for it in made)
    placed = HistoryEntry(to="pending", at=at, actor_id="C1", actor_role="customer", key="k", request_hash="h")
    order = Order(
        order_id,
        number=f"20260101-{order_id[:10]}",
        customer_id="C1",
        status=status,
        lines=made,
        subtotal=total,
        shipping_cost=490,
        total=total + 490,
        currency="EUR",
        created_at=at,
        updated_at=at,
        version=1,
        history=[placed],
        request_hash="h",
        created_key=f"{at}#{order_id}",
        shard=created_shard(shard),
    )
    put_item(order)
    return order


def request_export(by: Person, **fields: Any) -> Export:
    wanted = CreateExportRequest.model_validate({"report": "orders", **fields})
    wait_for_next_millisecond()  # an export has what was created before it
    return service.create_export(wanted, by=by, address=ADDRESS).value


def now(export: Export) -> Export:
    found = get_item(Export, Export.key(export.id))
    assert found
    return found


def process_once(
    export: Export, *, milliseconds: int = 300_000, tries: int = 1, has_time: Callable[[], bool] = lambda: True
) -> bool:
    """Gives the exporter a message with the export's id, received `tries` times so far; whether it finished with it.

    Its invocation has this number of milliseconds left while `has_time()` is true, and then none.
    """
    body = json.dumps({"export": export.id})
    message = {
        "messageId": "1",
        "body": body,
        "eventSource": "aws:sqs",
        "attributes": {"ApproximateReceiveCount": str(tries)},
    }
    context = Context(milliseconds)
    context.get_remaining_time_in_millis = lambda: milliseconds if has_time() else 0
    answer = exporter.lambda_handler({"Records": [message]}, context)
    return not answer["batchItemFailures"]


def process_until_finished(export: Export) -> None:
    """Delivers its message, and all those that the exporter sends to itself, until none is left."""
    tries = 1
    while not process_once(export, tries=tries):
        tries += 1
    while handed_on():
        assert process_once(export)


def handed_on() -> list[Any]:
    """Takes the messages that the exporter has sent itself."""
    sqs, url = aws_client("sqs"), settings().export_queue_url
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for it in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=it["ReceiptHandle"])
    return [json.loads(it["Body"]) for it in messages]


def content(export: Export) -> bytes | None:
    """Returns the file; None if there is none."""
    s3 = aws_client("s3")
    keys = [it["Key"] for it in s3.list_objects_v2(Bucket=settings().exports_bucket).get("Contents", [])]
    if files.key_of(export) not in keys:
        return None
    return bytes(s3.get_object(Bucket=settings().exports_bucket, Key=files.key_of(export))["Body"].read())


def uploads() -> list[str]:
    """Returns the unfinished uploads of all exports."""
    answer = aws_client("s3").list_multipart_uploads(Bucket=settings().exports_bucket)
    return [it["UploadId"] for it in answer.get("Uploads", [])]


def rows_of(data: bytes) -> list[list[Any]]:
    """Returns all rows of a file with the header: of a CSV, or of all sheets of a workbook."""
    if data.startswith(b"PK"):
        # As other programs read workbooks.
        workbook = openpyxl.load_workbook(io.BytesIO(data), read_only=True)
        found = [list(row) for sheet in workbook.worksheets for row in sheet.iter_rows(values_only=True)]
        workbook.close()
        return found
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))


def rows(data: bytes | None) -> list[dict[str, str]]:
    assert data is not None
    return list(csv.DictReader(io.StringIO(data.decode(), newline=""), strict=True))


def exported(by: Person, **fields: Any) -> list[dict[str, str]]:
    export = request_export(by, **fields)
    process_until_finished(export)
    assert now(export).status == "done", now(export).failure
    return rows(content(export))


def as_s3_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets moto answer NoSuchUpload for an upload that is gone, as S3 does, and removes its minimum size of parts.

    Like S3, and unlike moto, it refuses gaps between the numbers of parts with a checksum (the API reference of
    CompletedPart).
    """
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
    for name in ("upload_part", "complete_multipart_upload"):
        real = getattr(S3Backend, name)

        def answer(backend: S3Backend, bucket: str, upload_id: str, *rest: Any, real: Any = real) -> Any:
            if upload_id not in backend.get_bucket(bucket).multiparts:
                raise NoSuchUpload(upload_id)
            return real(backend, bucket, upload_id, *rest)

        monkeypatch.setattr(S3Backend, name, answer)

    checked: set[str] = set()
    upload_part, complete = S3Response.upload_part, FakeMultipart.complete

    def note(response: S3Response) -> Any:
        if any("checksum" in name.lower() or name.lower() == "x-amz-trailer" for name, _ in response.headers.items()):
            checked.add(response._get_param("uploadId"))
        return upload_part(response)

    def without_gaps(upload: FakeMultipart, body: Iterable[tuple[int, str]]) -> Any:
        parts = list(body)
        if upload.id in checked and [number for number, _ in parts] != list(range(1, len(parts) + 1)):
            raise InvalidPartOrder
        return complete(upload, iter(parts))

    monkeypatch.setattr(S3Response, "upload_part", note)
    monkeypatch.setattr(FakeMultipart, "complete", without_gaps)
