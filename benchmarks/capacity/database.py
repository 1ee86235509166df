"""The tests' DynamoDB with AWS's times and limits: round trips, throttling, and conflicts between transactions.

Simplified: a refused transaction holds none of its items, and a batch of reads is throttled as a whole. Reads
of indexes see each write at once. A write whose index partition has no unit left is throttled, as AWS throttles it when
the index lags too far behind.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.capacity import latency
from benchmarks.capacity.latency import Latency
from benchmarks.capacity.limits import Capacity, Place
from benchmarks.capacity.virtual_time import VirtualTime
from tests.support.dynamodb.capacity import index_units_of_write, read_units, units_of_write
from tests.support.dynamodb.database import Answer, Database, Request
from tests.support.dynamodb.errors import RefusedError
from tests.support.dynamodb.expressions import Expressions
from tests.support.dynamodb.keys import Key
from tests.support.dynamodb.tables import AnyRow, Change, Index, Table
from tests.support.dynamodb.transactions import cancelled

_SINGLE_WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem"})
_READS = frozenset({"GetItem", "BatchGetItem", "Query"})
# The client repeats a throttled call once, after up to a second: `oms.core.dynamodb.connection`, and botocore's
# standard mode (https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).
_CLIENT_ATTEMPTS = 2
_CLIENT_PAUSE = 1.0
_THROTTLED = "ProvisionedThroughputExceededException"

type Item = tuple[str, Key]
"""The table and the key of an item."""


@dataclass
class Load:
    """The state of one simulation: its time, the units that are left, and the items of running transactions.

    `counts` has the attempts of writes, and those that were refused as conflicts or throttled.
    """

    time: VirtualTime
    durations: Latency
    capacity: Capacity = field(default_factory=Capacity)
    held: set[Item] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)


class LimitedDatabase(Database):
    """The tests' database. While it has a `load`, calls take time, and can be refused; without, it has no limits."""

    load: Load | None = None

    def execute(self, operation: str, request: Request) -> Answer:
        if self.load is None:
            return super().execute(operation, request)
        for attempt in range(1, _CLIENT_ATTEMPTS + 1):
            try:
                return _LimitedCall(self, self.load, operation, request).make()
            except RefusedError as error:
                if error.code != _THROTTLED or attempt == _CLIENT_ATTEMPTS:
                    raise
                self.load.time.sleep(self.load.durations.pause(_CLIENT_PAUSE))
        raise AssertionError("unreachable")

    def execute_unlimited(self, operation: str, request: Request) -> Answer:
        return super().execute(operation, request)


@dataclass(frozen=True)
class _LimitedCall:
    database: LimitedDatabase
    load: Load
    operation: str
    request: Request

    def make(self) -> Answer:
        """Waits for the round trip; in its middle, DynamoDB refuses or carries out the call. Raises RefusedError."""
        in_transaction = self.operation == "TransactWriteItems"
        way = latency.WAY if in_transaction else self.load.durations.of(latency.CALL) / 2
        self.load.time.sleep(latency.OWN_WORK + way)
        try:
            if in_transaction:
                return self._transact()
            if self.operation in _SINGLE_WRITES:
                return self._write()
            assert self.operation in _READS, f"the simulation has no limits for {self.operation}"
            return self._read()
        finally:
            self.load.time.sleep(way)

    # ---- writes -----------------------------------------------------------------------------------------------------

    def _write(self) -> Answer:
        item = self._item(self.request)
        self.load.counts["writes"] += 1
        if item in self.load.held:
            self.load.counts["conflicts"] += 1
            raise RefusedError("TransactionConflictException", "Transaction is ongoing for the item")
        if not self._may_write(item):
            raise self._throttled()
        return self._carry_out([item], factor=1)

    def _transact(self) -> Answer:
        """Holds all items until the end of the transaction."""
        items = [self._item(it) for operation in self.request["TransactItems"] for it in operation.values()]
        self._admit(items)
        self.load.held.update(items)
        try:
            self.load.time.sleep(self.load.durations.of(latency.TRANSACTION))
            return self._carry_out(items, factor=2)
        finally:
            self.load.held.difference_update(items)

    def _admit(self, items: Sequence[Item]) -> None:
        """Raises TransactionCanceledException if an item is held, or if a partition has no unit left."""
        self.load.counts["writes"] += 1
        codes = ["None" if self._may_write(item) else "ThrottlingError" for item in items]
        if "ThrottlingError" in codes:
            self.load.counts["throttled"] += 1
            raise cancelled([{"Code": code} for code in codes])
        codes = ["TransactionConflict" if item in self.load.held else "None" for item in items]
        if "TransactionConflict" in codes:
            self.load.counts["conflicts"] += 1
            for item in items:  # AWS charges a transaction that it cancels
                self._charge(item, 2)
            raise cancelled([{"Code": code} for code in codes])

    def _carry_out(self, items: Sequence[Item], *, factor: int) -> Answer:
        """Makes the writes, and takes their units. Undoes them if the partition of an index has no unit left."""
        database, now = self.database, self.load.time.now
        mark = database.snapshot()
        try:
            answer = database.execute_unlimited(self.operation, self.request)
        except RefusedError:
            for item in items:  # also a write whose condition is false
                self._charge(item, factor)
            raise
        changes = database.changes(mark)
        indexed = [write for change in changes for write in self._index_writes(change)]
        if not all(self.load.capacity.may_write(place, now) for place, _ in indexed):
            database.restore(mark)
            if factor == 1:
                raise self._throttled()
            self.load.counts["throttled"] += 1
            raise cancelled([{"Code": "ThrottlingError"} for _ in items])
        for place, units in indexed:
            self.load.capacity.wrote(place, units)
        written = {(change.table, change.key): units_of_write(change.old, change.new) for change in changes}
        for item in items:
            self._charge(item, factor, written.get(item))
        return answer

    def _index_writes(self, change: Change) -> Iterator[tuple[Place, int]]:
        """Yields the partition of each write of an index, and its units, which a transaction does not double."""
        for index in self.database.table(change.table).indexes.values():
            before, after = (_place_in(index, row) for row in (change.old, change.new))
            if before == after:
                if before and (units := index_units_of_write(index, change.old, change.new)):
                    yield (change.table, index.name, str(before[0])), units
                continue
            for place, row in ((before, change.old), (after, change.new)):
                if place and row:
                    yield (change.table, index.name, str(place[0])), units_of_write(index.project(row), None)

    def _item(self, write: Mapping[str, Any]) -> Item:
        table = self.database.table(write["TableName"])
        key = write.get("Key") or {name: write["Item"][name] for name in table.schema.names}
        return table.name, table.schema.of_key(key)

    def _may_write(self, item: Item) -> bool:
        return self.load.capacity.may_write(_partition(item), self.load.time.now)

    def _charge(self, item: Item, factor: int, units: int | None = None) -> None:
        """Takes the units of a write; without `units`, those of the stored item."""
        if units is None:
            units = units_of_write(self.database.table(item[0]).rows.get(item[1]), None)
        self.load.capacity.wrote(_partition(item), units * factor)

    # ---- reads ------------------------------------------------------------------------------------------------------

    def _read(self) -> Answer:
        request = self.request
        if self.operation == "Query":
            place = self._queried()
            self._admit_reads([place])
            answer = self.database.execute_unlimited("Query", {**request, "ReturnConsumedCapacity": "TOTAL"})
            self.load.capacity.read(place, answer.pop("ConsumedCapacity")["CapacityUnits"])
            return answer
        wanted = request["RequestItems"] if self.operation == "BatchGetItem" else {request["TableName"]: request}
        reads = [read for name, one in wanted.items() for read in _keyed_reads(self.database.table(name), one)]
        self._admit_reads([place for place, _ in reads])
        for place, units in reads:
            self.load.capacity.read(place, units)
        return self.database.execute_unlimited(self.operation, request)

    def _queried(self) -> Place:
        table, name = self.database.table(self.request["TableName"]), self.request.get("IndexName", "")
        kinds = ("KeyConditionExpression", "FilterExpression", "ProjectionExpression")
        expressions = Expressions(self.request, kinds)
        assert expressions.key_condition
        schema = (table.index(name) if name else table).schema
        return table.name, name, str(expressions.key_condition.range(schema, expressions.values).partition)

    def _admit_reads(self, places: Sequence[Place]) -> None:
        if not all(self.load.capacity.may_read(place, self.load.time.now) for place in places):
            raise self._throttled()

    def _throttled(self) -> RefusedError:
        self.load.counts["throttled"] += 1
        return RefusedError(_THROTTLED, "The level of configured provisioned throughput was exceeded")


def _keyed_reads(table: Table, request: Mapping[str, Any]) -> Iterator[tuple[Place, float]]:
    factor = 1 if request.get("ConsistentRead") else 0.5
    for raw in request.get("Keys") or [request["Key"]]:
        key = table.schema.of_key(raw)
        row = table.rows.get(key)
        yield _partition((table.name, key)), read_units(row.size if row else 0, factor)


def _place_in(index: Index, row: AnyRow | None) -> Key | None:
    return index.schema.of_entry(row.item, index.name) if row else None


def _partition(item: Item) -> Place:
    table, key = item
    return table, "", str(key[0])
