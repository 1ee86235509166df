"""A stub of DynamoDB and S3 over HTTP, for the exporter. It generates orders when they are read, and has one export.

It has DynamoDB's limits: a Query ends at its limit or at 1 MB, and a BatchGetItem takes 100 keys, answers up to 16 MB
and sometimes leaves keys unprocessed. It checks the conditions of writes to the export's item. The exporter is a
separate process, so that its time and memory can be measured.
"""

import hashlib
import json
import random
import re
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

START = datetime(2026, 1, 1, tzinfo=UTC)
PRODUCTS = [f"Product {number}, {'blue, ' * (number % 3)}in a box of {number % 12 + 1}" for number in range(2000)]
_PAGE_BYTES = 1024 * 1024
_ANSWER_BYTES = 16 * 1024 * 1024


def created_key(number: int) -> str:
    at = (START + timedelta(seconds=7 * number)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{at}#{order_id(number)}"


def order_id(number: int) -> str:
    return hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()[:13].upper() + f"{number:07d}"


def order(number: int, lines: int) -> str:
    """Returns an order as DynamoDB's JSON, with the attributes that the exporter requests."""
    order_lines, total = [], 0
    for line in range(1, lines + 1):
        product = (number * 7 + line * 13) % len(PRODUCTS)
        price = 199 + product * 3
        total += price * line
        order_lines.append(
            f'{{"M":{{"product_id":{{"S":"{order_id(product)}"}},"sku":{{"S":"SKU-{product:05d}"}},'
            f'"name":{{"S":"{PRODUCTS[product]}"}},"category":{{"S":"Category {product % 40}"}},'
            f'"quantity":{{"N":"{line}"}},"unit_price":{{"N":"{price}"}},'
            f'"drawn":{{"L":[{{"M":{{"shard":{{"N":"0"}},"quantity":{{"N":"{line}"}}}}}}]}}}}}}'
        )
    key = created_key(number)
    return (
        f'{{"id":{{"S":"{order_id(number)}"}},"number":{{"S":"20260101-{order_id(number)[:10]}"}},'
        f'"status":{{"S":"delivered"}},"created_at":{{"S":"{key[:24]}"}},'
        f'"customer_id":{{"S":"{order_id(number % 9999)}"}},'
        f'"shipping_cost":{{"N":"490"}},"total":{{"N":"{total + 490}"}},"currency":{{"S":"EUR"}},'
        f'"lines":{{"L":[{",".join(order_lines)}]}}}}'
    )


class Stub(ThreadingHTTPServer):
    """The stub. `lines` is the number of lines of each order (None: 1 to 5 in turn); `latency` of calls to DynamoDB is
    in seconds.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder: Path, *, orders: int, lines: int | None = None, latency: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.orders, self.lines, self.latency = folder, orders, lines, latency
        self.item: dict[str, Any] = {}
        self.uploads: dict[str, dict[int, str]] = {}
        self.checked: set[str] = set()
        self.refused = ""
        self.messages = 0
        self.reads = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def rows_of(self, number: int) -> int:
        return self.lines or number % 5 + 1

    def handle_error(self, *about: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a worker was killed
            super().handle_error(*about)

    # ---- DynamoDB and SQS

    def query(self, request: dict[str, Any]) -> str:
        values = request["ExpressionAttributeValues"]
        entries: list[str] = []
        size, number = 0, _number_after(values[":low"]["S"])
        while number < self.orders and len(entries) < request["Limit"] and size < _PAGE_BYTES:
            entry = (
                f'{{"id":{{"S":"{order_id(number)}"}},"shard":{{"S":"all#0"}},"status":{{"S":"delivered"}},'
                f'"customer_id":{{"S":"{order_id(number % 9999)}"}},"created_key":{{"S":"{created_key(number)}"}}}}'
            )
            entries.append(entry)
            size += len(entry)
            number += 1
        last = f',"LastEvaluatedKey":{entries[-1]}' if number < self.orders else ""
        return f'{{"Count":{len(entries)},"ScannedCount":{len(entries)},"Items":[{",".join(entries)}]{last}}}'

    def batch_get_item(self, request: dict[str, Any]) -> str:
        ((table, options),) = request["RequestItems"].items()
        keys = options["Keys"]
        assert 0 < len(keys) <= 100, "more keys than DynamoDB allows"
        self.reads += 1
        take = len(keys) * 4 // 5 if self.reads % 40 == 0 else len(keys)
        items: list[str] = []
        size = 0
        while len(items) < take and size < _ANSWER_BYTES:
            number = int(keys[len(items)]["id"]["S"][-7:])
            items.append(order(number, self.rows_of(number)))
            size += len(items[-1])
        left = keys[len(items) :]
        random.shuffle(items)  # DynamoDB's responses have no order
        unprocessed = json.dumps({table: options | {"Keys": left}} if left else {})
        return f'{{"Responses":{{"{table}":[{",".join(items)}]}},"UnprocessedKeys":{unprocessed}}}'

    def get_item(self, _: dict[str, Any]) -> str:
        return json.dumps({"Item": self.item})

    def update_item(self, request: dict[str, Any]) -> str | None:
        """Updates the export's item, and returns the response. None if the condition is false."""
        names, values = request["ExpressionAttributeNames"], request["ExpressionAttributeValues"]
        with self.lock:
            if not self._holds(request["ConditionExpression"], names, values):
                return None
            for verb, changes in re.findall(
                r"(SET|ADD|REMOVE) (.*?)(?= SET | ADD | REMOVE |$)", request["UpdateExpression"]
            ):
                for change in changes.split(", "):
                    name, *value = re.findall(r"[#:]\w+", change)
                    self._change(verb, names[name], values[value[0]] if value else None)
            return json.dumps({"Attributes": self.item})

    def _change(self, verb: str, name: str, value: Any) -> None:
        if verb == "REMOVE":
            self.item.pop(name, None)
        elif verb == "ADD":
            self.item[name] = {"N": str(int(self.item[name]["N"]) + int(value["N"]))}
        else:
            self.item[name] = value

    def _holds(self, condition: str, names: dict[str, str], values: dict[str, Any]) -> bool:
        """Returns whether a condition of the exporter is true: `#a IN (:b, :c)`, or `#a = :b` terms joined by AND."""
        for term in condition.split(" AND "):
            name, *allowed = re.findall(r"[#:]\w+", term)
            if self.item.get(names[name]) not in [values[placeholder] for placeholder in allowed]:
                return False
        return True

    # ---- S3

    def put_part(self, upload: str, number: int, body: bytes, *, checked: bool) -> str | None:
        """Stores a part, and returns its ETag. `checked` means that the part has a checksum."""
        if upload not in self.uploads:
            return None
        if checked:
            self.checked.add(upload)
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        (self.folder / f"{upload}-{number}").write_bytes(body)
        self.uploads[upload][number] = etag
        return etag

    def complete(self, upload: str, key: str, body: str) -> bool:
        """Completes an upload, and returns whether it succeeded. A violation of S3's rules is stored in `refused`,
        which ends the benchmark.
        """
        with self.lock:
            parts = self.uploads.pop(upload, None)
        if parts is None:
            return False
        numbers = [int(number) for number in re.findall(r"<PartNumber>(\d+)</PartNumber>", body)]
        sizes = [(self.folder / f"{upload}-{number}").stat().st_size for number in numbers]
        if numbers != sorted(set(numbers)):
            self.refused = "parts out of order"
        if upload in self.checked and numbers != list(range(1, len(numbers) + 1)):
            self.refused = "gaps between the numbers of parts with checksums"
        if any(size < 5 * 1024 * 1024 for size in sizes[:-1]):
            self.refused = "parts below 5 MB"
        if self.refused:
            return False
        with (self.folder / key).open("wb") as whole:
            for number in numbers:
                whole.write((self.folder / f"{upload}-{number}").read_bytes())
        return True


def _number_after(low: str) -> int:
    """Returns the first order whose sort key is not lower. The position of a next page ends in the lowest character."""
    if "#" not in low:
        return 0
    return int(low.rstrip("\x00")[-7:]) + low.endswith("\x00")


class Handler(BaseHTTPRequestHandler):
    server: Stub
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        pass

    def _body(self) -> bytes:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionError("the worker was killed while it sent a request")
        return body

    def _answer(self, status: int, body: bytes | str = b"", **headers: str) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _gone(self) -> None:
        self._answer(404, "<Error><Code>NoSuchUpload</Code></Error>")

    def do_POST(self) -> None:
        target, body = self.headers.get("X-Amz-Target"), self._body()
        if target is None:
            self._post_to_s3(body.decode())
            return
        operation = target.partition(".")[2]
        if operation == "SendMessage":
            self.server.messages += 1
            content = json.loads(body)["MessageBody"].encode()
            digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
            self._answer(200, json.dumps({"MessageId": "1", "MD5OfMessageBody": digest}))
            return
        if self.server.latency and operation in ("Query", "BatchGetItem"):
            time.sleep(self.server.latency)
        response = getattr(self.server, re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower())(json.loads(body))
        if response is None:
            refusal = {"__type": "x#ConditionalCheckFailedException", "message": "no", "Item": self.server.item}
            self._answer(400, json.dumps(refusal))
        else:
            self._answer(200, response)

    def _post_to_s3(self, body: str) -> None:
        address = urlsplit(self.path)
        query, key = parse_qs(address.query, keep_blank_values=True), address.path.rpartition("/")[2]
        if "uploads" in query:
            upload = f"upload{len(list(self.server.folder.iterdir()))}-{random.randrange(10**9)}"
            self.server.uploads[upload] = {}
            self._answer(
                200, f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            )
        elif self.server.complete(query["uploadId"][0], key, body):
            self._answer(200, "<CompleteMultipartUploadResult/>")
        else:
            self._gone()

    def do_PUT(self) -> None:
        query, body = parse_qs(urlsplit(self.path).query), self._body()
        checked = any("checksum" in name.lower() or name.lower() == "x-amz-trailer" for name in self.headers)
        etag = self.server.put_part(query["uploadId"][0], int(query["partNumber"][0]), body, checked=checked)
        self._answer(200, ETag=f'"{etag}"') if etag else self._gone()

    def do_DELETE(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if "uploadId" in query and self.server.uploads.pop(query["uploadId"][0], None) is None:
            self._gone()
        else:
            self._answer(204)

    def do_HEAD(self) -> None:
        found = (self.server.folder / urlsplit(self.path).path.rpartition("/")[2]).is_file()
        self._answer(200 if found else 404)

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if "uploads" in parse_qs(address.query, keep_blank_values=True):
            key = parse_qs(address.query)["prefix"][0]
            listed = "".join(
                f"<Upload><Key>{key}</Key><UploadId>{upload}</UploadId></Upload>" for upload in self.server.uploads
            )
            self._answer(200, f"<ListMultipartUploadsResult>{listed}</ListMultipartUploadsResult>")
            return
        path = self.server.folder / address.path.rpartition("/")[2]
        self.send_response(200)
        self.send_header("Content-Length", str(path.stat().st_size))
        self.end_headers()
        with path.open("rb") as whole:
            while piece := whole.read(_PAGE_BYTES):
                self.wfile.write(piece)
