"""The tables' streams, played: a record for each write to an item, as Lambda would bring it."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

from bookkeeper import handler as bookkeeper
from tests.support.aws_calls import Call, intercepted
from tests.support.invocation import Context
from tests.support.shop import table

type Record = dict[str, Any]

# The books are kept from the changes of stock items; nothing else of the inventory makes an entry.
STOCK_ALONE = ("inventory",)

_sequences = count(100000000000000000001)


def record(old: dict[str, Any] | None, new: dict[str, Any] | None, *, of: str = "inventory") -> Record:
    """A write that turned the raw item `old` of a table into `new`."""
    item = new or old
    assert item
    number = next(_sequences)
    change: dict[str, Any] = {
        "ApproximateCreationDateTime": 1763830000.0,
        "Keys": {name: item[name] for name in ("id",) if of == "orders"} or {"pk": item["pk"], "sk": item["sk"]},
        "SequenceNumber": str(number),
        "SizeBytes": 500,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    change |= {"OldImage": _as_json(old)} if old else {}
    change |= {"NewImage": _as_json(new)} if new else {}
    name = "MODIFY" if old and new else "INSERT" if new else "REMOVE"
    return {
        "eventID": f"event-{number}",
        "eventName": name,
        "eventSource": "aws:dynamodb",
        "eventSourceARN": f"arn:aws:dynamodb:eu-central-1:123456789012:table/{of}/stream/2026-01-01T00:00:00.000",
        "dynamodb": change,
    }


def _as_json(item: dict[str, Any]) -> dict[str, Any]:
    """Bytes come as base64."""
    return {
        name: {"B": b64encode(value["B"]).decode()} if isinstance(value.get("B"), bytes) else value
        for name, value in item.items()
    }


@contextmanager
def streamed(*tables: str) -> Iterator[list[Record]]:
    """While it lasts, every write of the process to a stock item, or to an item of the tables named, is noted as the
    record that it would make.
    """
    records: list[Record] = []

    def noted(call: Call) -> Any:
        if call.operation not in ("TransactWriteItems", "UpdateItem", "PutItem", "DeleteItem"):
            return call.send()
        before = {name: items_of(name) for name in tables or STOCK_ALONE}
        try:
            return call.send()
        finally:
            for name, was in before.items():
                now = items_of(name)
                changed = [key for key in was | now if was.get(key) != now.get(key)]
                records.extend(
                    record(was.get(key), now.get(key), of=name) for key in changed if tables or key[1] == "stock"
                )

    with intercepted(noted):
        yield records


def keep_books(records: Sequence[Record]) -> None:
    """The bookkeeper gets these records, as one batch."""
    bookkeeper.lambda_handler({"Records": list(records)}, Context())


def items_of(name: str) -> dict[tuple[str, str], dict[str, Any]]:
    items = (item.to_json()["Attributes"] for item in table(name).all_items())
    return {(item.get("pk", item.get("id"))["S"], item.get("sk", {"S": ""})["S"]): item for item in items}
