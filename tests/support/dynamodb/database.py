"""A DynamoDB in memory for the tests: strict as AWS, and fast.

Every request goes through `Database.execute`, one at a time. Reads of indexes see each write at once. Time is asked of
`clock` alone.
"""

import time
from collections.abc import Callable, Mapping
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


class Database:
    """The tables of one account and region."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._tables: dict[str, Table] = {}
        self._changes: list[Change] = []
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
        """The answer to one request; `operation` is as botocore names it. Raises RefusedError."""
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
        """A mark to which `restore` leads back. It costs nothing."""
        return len(self._changes)

    def restore(self, mark: int) -> None:
        """Takes back every change of an item since the mark: time grows with their number alone."""
        with self._one_at_a_time:
            while len(self._changes) > mark:
                change = self._changes.pop()
                self._tables[change.table].undo(change)

    def records(self, since: int = 0) -> list[Record]:
        """What the streams of all tables have brought since a mark, in order."""
        return [
            record(change, self._tables[change.table].schema.names)
            for change in self._changes[since:]
            if change.of_a_request
        ]

    # ---- tables -----------------------------------------------------------------------------------------------------

    def _stamp(self) -> tuple[int, float]:
        return next(self._sequences), self._clock()

    def _create_table(self, request: Request) -> Answer:
        name = request["TableName"]
        if name in self._tables:
            raise RefusedError("ResourceInUseException", f"Table already exists: {name}")
        description = administration.described(request)
        self._tables[name] = Table(description, self._changes.append, self._stamp)
        return {"TableDescription": administration.shown(description, 0)}

    def _delete_table(self, request: Request) -> Answer:
        """A table that is gone takes its part of the stream with it: marks set before are void."""
        table = self._named(request["TableName"])
        self._changes[:] = [change for change in self._changes if change.table != table.name]
        del self._tables[table.name]
        return {"TableDescription": administration.shown(table.description, 0) | {"TableStatus": "DELETING"}}

    def _describe_table(self, request: Request) -> Answer:
        table = self._named(request["TableName"])
        return {"Table": administration.shown(table.description, len(table.rows))}

    def _update_time_to_live(self, request: Request) -> Answer:
        """Noted; items are not taken away when their time has come, as on AWS for up to days."""
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
