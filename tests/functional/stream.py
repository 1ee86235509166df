"""The inventory table's stream, played: a record for each write to a stock item, as Lambda would bring it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient

from bookkeeper import handler as bookkeeper
from tests.faults.shop import table
from tests.functional.harness import Context

type Record = dict[str, Any]

_sequences = count(100000000000000000001)


def record(old: dict[str, Any] | None, new: dict[str, Any] | None) -> Record:
    """A write that turned the raw item `old` into `new`."""
    item = new or old
    assert item
    number = next(_sequences)
    change: dict[str, Any] = {
        "ApproximateCreationDateTime": 1763830000.0,
        "Keys": {"pk": item["pk"], "sk": item["sk"]},
        "SequenceNumber": str(number),
        "SizeBytes": 500,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    change |= {"OldImage": old} if old else {}
    change |= {"NewImage": new} if new else {}
    name = "MODIFY" if old and new else "INSERT" if new else "REMOVE"
    return {"eventID": f"event-{number}", "eventName": name, "eventSource": "aws:dynamodb", "dynamodb": change}


@contextmanager
def streamed() -> Iterator[list[Record]]:
    """While it lasts, every write of the process to a stock item is noted as the record that it would make."""
    records: list[Record] = []
    real = BaseClient._make_api_call  # type: ignore[attr-defined]

    def noted(client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        if operation != "TransactWriteItems":  # nothing else writes stock
            return real(client, operation, parameters)
        before = _stock_items()
        try:
            return real(client, operation, parameters)
        finally:
            after = _stock_items()
            records.extend(
                record(before.get(key), after.get(key)) for key in before | after if before.get(key) != after.get(key)
            )

    with patch.object(BaseClient, "_make_api_call", noted):
        yield records


def keep_books(records: Sequence[Record]) -> None:
    """The bookkeeper gets these records, as one batch."""
    bookkeeper.lambda_handler({"Records": list(records)}, Context())


def _stock_items() -> dict[str, dict[str, Any]]:
    items = (item.to_json()["Attributes"] for item in table("inventory").all_items())
    return {item["pk"]["S"]: item for item in items if item["sk"]["S"] == "stock"}
