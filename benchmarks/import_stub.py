"""A stub of DynamoDB and S3 over HTTP, for the importer. It has products with a number of units each, and one import.

It checks the conditions of writes, as DynamoDB does: a count requires that its record does not exist, and that the
stock has the version that was read. The importer is a separate process, so that its time and memory can be measured.
"""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from benchmarks.stub import Handler, Stub

IMPORT = "IMPORT00000000000001"
_CONFLICT = "x#TransactionCanceledException"


def sku_of(number: int) -> str:
    return f"SKU-{number:07d}"


def units_of(number: int) -> int:
    """Returns the units on hand of a product at the beginning."""
    return number % 50


class ImportStub(Stub):
    """The stub. `counted` has the available units and the version of the products that have changed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, orders=0)
        self.RequestHandlerClass = ImportHandler
        self.counted: dict[int, tuple[int, int]] = {}
        self.records: set[str] = set()
        self.writes = 0

    def clear(self) -> None:
        self.counted, self.records, self.writes = {}, set(), 0

    def batch_get_item(self, request: dict[str, Any]) -> str:
        ((table, options),) = request["RequestItems"].items()
        assert 0 < len(options["Keys"]) <= 100, "more keys than DynamoDB allows"
        found = [item for key in options["Keys"] if (item := self._item(key["pk"]["S"]))]
        return f'{{"Responses":{{"{table}":[{",".join(found)}]}},"UnprocessedKeys":{{}}}}'

    def _item(self, key: str) -> str | None:
        kind, _, name = key.partition("#")
        if kind == "sku":
            number = int(name[-7:])
            return f'{{"pk":{{"S":"{key}"}},"sk":{{"S":"claim"}},"product_id":{{"S":"PRODUCT{number:013d}"}}}}'
        if kind == "stock":
            number = int(name[13:20])
            available, version = self.counted.get(number, (units_of(number), 1))
            return (
                f'{{"pk":{{"S":"{key}"}},"sk":{{"S":"stock"}},"product_id":{{"S":"{name[:20]}"}},'
                f'"available":{{"N":"{available}"}},"reserved":{{"N":"0"}},"version":{{"N":"{version}"}}}}'
            )
        if name not in self.records:
            return None
        return f'{{"pk":{{"S":"{key}"}},"sk":{{"S":"adjustment"}},"adjustment":{{"N":"1"}}}}'

    def transact_write_items(self, request: dict[str, Any]) -> str | dict[str, Any]:
        """Stores a count: its record, and the stock item. Returns the problem if a condition is false."""
        put, update = (next(iter(it.values())) for it in request["TransactItems"])
        record, number = put["Item"]["id"]["S"], int(put["Item"]["product_id"]["S"][-7:])
        (placeholder,) = re.findall(r":\w+", update["ConditionExpression"])
        read = int(update["ExpressionAttributeValues"][placeholder]["N"])
        with self.lock:
            available, version = self.counted.get(number, (units_of(number), 1))
            failed = [record in self.records, read != version]
            if not any(failed):
                self.records.add(record)
                self.counted[number] = (available + int(put["Item"]["adjustment"]["N"]), version + 1)
                self.writes += 1
                return "{}"
        items: list[Any] = [put["Item"], {}]
        reasons = [
            {"Code": "ConditionalCheckFailed", "Item": item} if it else {"Code": "None"}
            for it, item in zip(failed, items, strict=True)
        ]
        return {"__type": _CONFLICT, "message": "no", "CancellationReasons": reasons}


class ImportHandler(Handler):
    """S3 with whole objects: ranges, prefixes and ETags, as far as the importer uses them."""

    server: ImportStub

    def _path(self) -> Path:
        return self.server.folder / urlsplit(self.path).path.partition("imports/")[2].replace("/", "~")

    def do_PUT(self) -> None:  # noqa: N802 - a name of http.server
        self._path().write_bytes(self._body())
        self._answer(200, ETag='"1"')

    def do_DELETE(self) -> None:  # noqa: N802 - a name of http.server
        self._path().unlink(missing_ok=True)
        self._answer(204)

    def do_GET(self) -> None:  # noqa: N802 - a name of http.server
        query = parse_qs(urlsplit(self.path).query)
        if "list-type" in query:
            prefix = query["prefix"][0].replace("/", "~")
            keys = sorted(path.name.replace("~", "/") for path in self.server.folder.glob(f"{prefix}*"))
            listed = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in keys)
            self._answer(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{listed}</ListBucketResult>")
            return
        start, end = 0, self._path().stat().st_size - 1
        if ranged := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")):
            start, end = map(int, ranged.groups())
        with self._path().open("rb") as file:
            file.seek(start)
            self._answer(206 if ranged else 200, file.read(end - start + 1), ETag='"1"')

    def do_POST(self) -> None:  # noqa: N802 - a name of http.server
        if self.headers.get("X-Amz-Target", "").endswith(".TransactWriteItems"):
            answer = self.server.transact_write_items(json.loads(self._body()))
            self._answer(200, answer) if isinstance(answer, str) else self._answer(400, json.dumps(answer))
            return
        super().do_POST()


def new_item(size: int) -> dict[str, Any]:
    """Returns the item of an import that was started."""
    at = "2099-01-01T00:00:00.000Z"
    texts = {"pk": f"import#{IMPORT}", "sk": "import", "kind": "import", "id": IMPORT, "content": "stock"}
    texts |= {"mode": "upsert", "format": "csv", "etag": '"1"', "status": "queued", "created_at": at}
    texts |= {"created_by": "U", "created_by_role": "manager", "request_hash": "", "listing": "imports"}
    texts |= {"created_key": f"{at}#{IMPORT}"}
    counts = dict.fromkeys(("rows", "created", "updated", "unchanged", "failed", "run"), 0)
    numbers = counts | {"version": 1, "size": size, "ttl": 4102444800}
    item: dict[str, Any] = {name: {"S": value} for name, value in texts.items()}
    return item | {name: {"N": str(value)} for name, value in numbers.items()} | {"dry_run": {"BOOL": False}}
