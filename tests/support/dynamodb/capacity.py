"""The capacity units that operations consume.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html: reads are counted in
4 KB, a half for an eventually consistent one, twice for a transaction; writes in 1 KB, by the larger of the two images.
"""

from collections.abc import Mapping
from typing import Any

from tests.support.dynamodb import limits
from tests.support.dynamodb.errors import invalid
from tests.support.dynamodb.tables import AnyRow, Index, Table

_MODES = frozenset({"NONE", "TOTAL", "INDEXES"})


def read_units(size: int, factor: float) -> float:
    """`factor` is 0.5 for an eventually consistent read, 1 for a consistent one, 2 in a transaction."""
    return max(1, -(-size // limits.READ_UNIT)) * factor


def _write_units(size: int) -> int:
    return max(1, -(-size // limits.WRITE_UNIT))


def units_of_write(old: AnyRow | None, new: AnyRow | None) -> int:
    return _write_units(max(old.size if old else 0, new.size if new else 0))


def index_units_of_write(index: Index, old: AnyRow | None, new: AnyRow | None) -> int:
    """Zero if the index does not change; a delete and a put if its key changes."""
    before = index.schema.of_entry(old.item, index.name) if old else None
    after = index.schema.of_entry(new.item, index.name) if new else None
    was = index.project(old) if old and before is not None else None
    now = index.project(new) if new and after is not None else None
    if was and now and before == after:
        return 0 if was.item == now.item else units_of_write(was, now)
    return sum(_write_units(row.size) for row in (was, now) if row)


class Consumption:
    """Adds up what one request consumes, by table and index."""

    def __init__(self, request: Mapping[str, Any], kind: str = "") -> None:
        """`kind` is "Read" or "Write" if the answer splits the units, as that of a transaction does."""
        self._mode = request.get("ReturnConsumedCapacity", "NONE")
        if self._mode not in _MODES:
            raise invalid(
                f"1 validation error detected: Value '{self._mode}' at 'returnConsumedCapacity' failed to satisfy "
                "constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]"
            )
        self.wanted = self._mode != "NONE"
        self._kind = kind
        self._tables: dict[str, float] = {}
        self._indexes: dict[str, dict[str, float]] = {}

    def read(self, table: Table, units: float, index: str | None = None) -> None:
        if index:
            indexes = self._indexes.setdefault(table.name, {})
            indexes[index] = indexes.get(index, 0) + units
            units = 0
        self._tables[table.name] = self._tables.get(table.name, 0) + units

    def wrote(self, table: Table, old: AnyRow | None, new: AnyRow | None, factor: int = 1) -> None:
        if not self.wanted:
            return
        self.read(table, units_of_write(old, new) * factor)
        for index in table.indexes.values():
            if units := index_units_of_write(index, old, new) * factor:
                self.read(table, units, index.name)

    def answers(self) -> list[dict[str, Any]]:
        """ConsumedCapacity, table by table."""
        return [self._answer(name, units) for name, units in self._tables.items()]

    def _answer(self, name: str, units: float) -> dict[str, Any]:
        indexes = self._indexes.get(name, {})
        answer = {"TableName": name, **self._units(units + sum(indexes.values()))}
        if self._mode == "INDEXES":
            answer["Table"] = self._units(units)
            if indexes:
                answer["GlobalSecondaryIndexes"] = {index: self._units(its) for index, its in indexes.items()}
        return answer

    def _units(self, units: float) -> dict[str, float]:
        split = {f"{self._kind}CapacityUnits": float(units)} if self._kind else {}
        return {"CapacityUnits": float(units), **split}

    def add_to(self, answer: dict[str, Any], *, single: bool) -> dict[str, Any]:
        if self.wanted:
            answers = self.answers()
            answer["ConsumedCapacity"] = answers[0] if single else answers
        return answer
