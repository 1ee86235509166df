"""A DynamoDB in memory for the tests: as strict as AWS, and fast.

Every request goes through `Database.execute`, one at a time. Reads of indexes see each write at once. `clock` is the
only source of time.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from threading import RLock
from typing import Any

from tests.support.dynamodb import administration, reads, transactions
from tests.support.dynamodb.errors import RefusedError
from tests.support.dynamodb.streams import Record, record
from tests.support.dynamodb.tables import Change, Table
from tests.support.dynamodb.writes import write_one

type Request = Mapping[str, Any]
type Answer = dict[str, Any]
type State = Mapping[str, Any]
"""The state of whole tables, for `become` alone."""


class Database:
    """The tables of one account and region."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._tables: dict[str, Table] = {}
        self._changes: list[Change] = []
        self._observers: list[Callable[[Change], None]] = []
        self._sequences = count(100000000000000000001)
        self._clock = clock
        self._one_at_a_time = RLock()
        self._operations: dict[str, Callable[[Request], Answer]] = {
            "GetItem": lambda it: reads.get_item(self.table(it["TableName"]), it),
            "PutItem": lambda it: write_one("Put", self.table(it["TableName"]), it),
            "UpdateItem": lambda it: write_one("Update", self.table(it["TableName"]), it),
            "DeleteItem": lambda it: write_one("Delete", self.table(it["TableName"]), it),
            "Query": lambda it: reads.query(self.table(it["TableName"]), it),
            "Scan": lambda it: reads.scan(self.table(it["TableName"]), it),
            "BatchGetItem": lambda it: reads.batch_get(self.table, it),
            "BatchWriteItem": lambda it: transactions.batch_write(self.table, it),
            "TransactWriteItems": lambda it: transactions.transact_write(self.table, it),
            "TransactGetItems": lambda it: transactions.transact_get(self.table, it),
            "CreateTable": self._create_table,
            "DeleteTable": self._delete_table,
            "DescribeTable": self._describe_table,
            "ListTables": lambda _: {"TableNames": sorted(self._tables)},
            "UpdateTimeToLive": self._update_time_to_live,
            "DescribeTimeToLive": self._describe_time_to_live,
        }

    def execute(self, operation: str, request: Request) -> Answer:
        """Returns the answer to one request; `operation` is as botocore names it. Raises RefusedError."""
        carry_out = self._operations.get(operation)
        if carry_out is None:
            raise NotImplementedError(f"the tests' DynamoDB does not know {operation}")
        with self._one_at_a_time:
            return carry_out(request)

    def table(self, name: str) -> Table:
        """Raises ResourceNotFoundException."""
        found = self._tables.get(name)
        if found is None:
            raise administration.not_found()
        return found

    # ---- for tests, behind the API ----------------------------------------------------------------------------------

    def snapshot(self) -> int:
        """Returns a mark for `restore`. It costs nothing."""
        return len(self._changes)

    def restore(self, mark: int) -> None:
        """Undoes every change of an item since the mark, in a time proportional to their number."""
        with self._one_at_a_time:
            while len(self._changes) > mark:
                change = self._changes.pop()
                self._tables[change.table].undo(change)

    def changes(self, since: int = 0) -> list[Change]:
        """Returns the changes of items since a mark, in order."""
        return self._changes[since:]

    def clear(self) -> None:
        """Removes all items of all tables, without changes in the stream: earlier marks become invalid."""
        with self._one_at_a_time:
            for table in self._tables.values():
                table.drop()
            self._changes.clear()

    def state(self) -> State:
        """Returns all items of all tables, for `become` at any later time."""
        with self._one_at_a_time:
            return {name: table.state() for name, table in self._tables.items()}

    def become(self, state: State) -> None:
        """As `clear`, then puts all items of the state back; the time grows slowly with their number."""
        with self._one_at_a_time:
            self.clear()
            for name, its in state.items():
                self._tables[name].become(its)

    @contextmanager
    def observed(self, observer: Callable[[Change], None]) -> Iterator[None]:
        """In this context, `observe` gets each change when it happens; it does not get what `restore` undoes."""
        self._observers.append(observer)
        try:
            yield
        finally:
            self._observers.remove(observer)

    def _note(self, change: Change) -> None:
        self._changes.append(change)
        for observer in self._observers:
            observer(change)

    def records(self, since: int = 0) -> list[Record]:
        """Returns the stream records of all tables since a mark, in order."""
        return [
            record(change, self._tables[change.table].schema.names)
            for change in self._changes[since:]
            if change.of_a_request
        ]

    # ---- tables -----------------------------------------------------------------------------------------------------

    def stamp(self) -> tuple[int, float]:
        """Returns the next sequence number, and the time."""
        return next(self._sequences), self._clock()

    def _create_table(self, request: Request) -> Answer:
        name = request["TableName"]
        if name in self._tables:
            raise RefusedError("ResourceInUseException", f"Table already exists: {name}")
        description = administration.described(request)
        self._tables[name] = Table(description, self._note, self.stamp)
        return {"TableDescription": administration.shown(description, 0)}

    def _delete_table(self, request: Request) -> Answer:
        """Deletes a table and its part of the stream: earlier marks become invalid."""
        table = self._named(request["TableName"])
        self._changes[:] = [change for change in self._changes if change.table != table.name]
        del self._tables[table.name]
        return {"TableDescription": administration.shown(table.description, 0) | {"TableStatus": "DELETING"}}

    def _describe_table(self, request: Request) -> Answer:
        table = self._named(request["TableName"])
        return {"Table": administration.shown(table.description, len(table.rows))}

    def _update_time_to_live(self, request: Request) -> Answer:
        """Stores the setting only: items are not deleted when they expire, as AWS may also delete them days later."""
        self._named(request["TableName"]).time_to_live = request["TimeToLiveSpecification"]
        return {"TimeToLiveSpecification": request["TimeToLiveSpecification"]}

    def _describe_time_to_live(self, request: Request) -> Answer:
        wanted = self._named(request["TableName"]).time_to_live
        if not wanted or not wanted["Enabled"]:
            return {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": wanted["AttributeName"]}}

    def _named(self, name: str) -> Table:
        if name not in self._tables:
            raise administration.not_found(name)
        return self._tables[name]
