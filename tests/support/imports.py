"""The importer, called by hand: files to import, messages that name an import, and the results."""

import json
from collections.abc import Callable
from typing import Any

from importer import handler as importer
from oms.core.dynamodb import get_item
from oms.core.settings import settings
from oms.imports import service
from oms.imports.models import Import
from oms.imports.schemas import CreateImportRequest
from tests.support.aws_client import aws_client
from tests.support.invocation import Context, Person

ADDRESS = "198.51.100.1"


def upload(it: Import, content: str | bytes) -> None:
    """Uploads a file as the signed request does."""
    data = content.encode() if isinstance(content, str) else content
    aws_client("s3").put_object(Bucket=settings().imports_bucket, Key=f"uploads/{it.id}", Body=data)


def uploaded(by: Person, kind: str, content: str | bytes, **fields: Any) -> Import:
    """Creates an import, and uploads its file."""
    size = len(content.encode() if isinstance(content, str) else content)
    request = CreateImportRequest.model_validate({"kind": kind, "size": size, **fields})
    it = service.create_import(request, by=by).value
    upload(it, content)
    return it


def started(by: Person, kind: str, content: str | bytes, **fields: Any) -> Import:
    return service.start(uploaded(by, kind, content, **fields).id, by=by, address=ADDRESS)


def now(it: Import) -> Import:
    found = get_item(Import, Import.key(it.id))
    assert found
    return found


def process_once(it: Import, *, tries: int = 1, has_time: Callable[[], bool] = lambda: True) -> bool:
    """Gives the importer a message with the import's id, received `tries` times so far; whether it finished with it."""
    message = {
        "messageId": "1",
        "body": json.dumps({"import": it.id}),
        "eventSource": "aws:sqs",
        "attributes": {"ApproximateReceiveCount": str(tries)},
    }
    context = Context()
    context.get_remaining_time_in_millis = lambda: 900_000 if has_time() else 0
    answer = importer.lambda_handler({"Records": [message]}, context)
    return not answer["batchItemFailures"]


def handed_on() -> list[Any]:
    """Takes the messages that the importer has sent itself."""
    sqs, url = aws_client("sqs"), settings().import_queue_url
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for it in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=it["ReceiptHandle"])
    return [json.loads(it["Body"]) for it in messages]


def process_until_finished(it: Import) -> Import:
    """Delivers its message, and all those that the importer sends to itself, until none is left."""
    tries = 1
    while not process_once(it, tries=tries):
        tries += 1
    while handed_on():
        assert process_once(it)
    return now(it)


def imported(by: Person, kind: str, content: str | bytes, **fields: Any) -> Import:
    return process_until_finished(started(by, kind, content, **fields))


def counts(it: Import) -> tuple[int, int, int, int]:
    """Returns the rows that created, changed, left as it was, and failed."""
    return it.created, it.updated, it.unchanged, it.failed


def result(it: Import) -> bytes:
    (key,) = (key for key in objects() if key.startswith(f"results/{it.id}"))
    return bytes(aws_client("s3").get_object(Bucket=settings().imports_bucket, Key=key)["Body"].read())


def errors(it: Import) -> list[tuple[int, str, str]]:
    """Returns the row, the code and the pointer of each error in the result."""
    lines = [json.loads(line) for line in result(it).splitlines()]
    assert all(line.keys() == {"row", "code", "pointer", "detail"} for line in lines)
    return [(line["row"], line["code"], line["pointer"]) for line in lines]


def objects() -> list[str]:
    """Returns the keys of all files."""
    listed = aws_client("s3").list_objects_v2(Bucket=settings().imports_bucket)
    return [found["Key"] for found in listed.get("Contents", [])]
