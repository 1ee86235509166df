"""The tables' streams: a record for each write to an item, in Lambda's form."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bookkeeper import handler as bookkeeper
from finder import handler as finder
from tests.support.database import DATABASE, table
from tests.support.dynamodb import streams
from tests.support.dynamodb.streams import Record
from tests.support.dynamodb.tables import Change, Row
from tests.support.invocation import Context

# The time of all changes, in seconds, so that no test depends on the time of day.
AT = 1763830000.0

__all__ = ["Record", "items_of", "record", "run_bookkeeper", "run_finder", "streamed"]


def record(old: dict[str, Any] | None, new: dict[str, Any] | None, *, of: str = "inventory") -> Record:
    """Returns the record of a write that replaces the raw item `old` of a table with `new`."""
    images = [Row.of(item) if item else None for item in (old, new)]
    sequence, _ = DATABASE.stamp()
    return _record(Change(sequence, 0, of, (), *images, of_a_request=True))


def _record(change: Change) -> Record:
    return streams.record(change._replace(at=AT), table(change.table).schema.names)


@contextmanager
def streamed(*tables: str) -> Iterator[list[Record]]:
    """Collects the records of requests' writes to stock items, or to the named tables."""
    records: list[Record] = []

    def note(change: Change) -> None:
        # The bookkeeper's stream has only the changes of stock items and levels.
        wanted = (
            change.table in tables if tables else change.table == "inventory" and change.key[1] in ("stock", "level")
        )
        if wanted and change.of_a_request:
            records.append(_record(change))

    with DATABASE.observed(note):
        yield records


def run_bookkeeper(records: Sequence[Record]) -> None:
    """Gives the bookkeeper these records, as one batch."""
    bookkeeper.lambda_handler({"Records": list(records)}, Context())


def run_finder(records: Sequence[Record]) -> None:
    """Gives the finder these records of orders, as one batch."""
    finder.lambda_handler({"Records": list(records)}, Context())


def items_of(name: str) -> dict[tuple[str, str], dict[str, Any]]:
    items = table(name).items()
    return {(item.get("pk", item.get("id"))["S"], item.get("sk", {"S": ""})["S"]): item for item in items}
