"""Tables: items by key, in order, with their indexes. This module does not know requests or expressions."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any, NamedTuple
from zlib import crc32

from tests.support.dynamodb.errors import invalid
from tests.support.dynamodb.keys import Key, KeySchema, Range
from tests.support.dynamodb.values import Item, admit_item, copied, size_of_item

type Entry = tuple[Any, Key]
"""The value that orders a row in its partition, and its key in the table."""

_order = itemgetter(0)


class Row(NamedTuple):
    """An item, which is never changed in place, and its size in bytes."""

    item: Item
    size: int

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "Row":
        return cls(*admit_item(item))


class CopiedRow:
    """A row of `Table.load`. It builds its item at each read, so that millions of them take little memory."""

    __slots__ = ("_item_of", "_number")

    def __init__(self, item_of: Callable[[int], Item], number: int) -> None:
        self._item_of = item_of
        self._number = number

    @property
    def item(self) -> Item:
        return self._item_of(self._number)

    @property
    def size(self) -> int:
        return size_of_item(self.item)


type AnyRow = Row | CopiedRow


class Change(NamedTuple):
    """One write to one item. `of_a_request` is false for a write that a test makes without the API."""

    sequence: int
    at: float
    table: str
    key: Key
    old: AnyRow | None
    new: AnyRow | None
    of_a_request: bool


class Ordered:
    """Rows by partition, each partition in the order of its sort keys: the common part of a table and an index."""

    def __init__(self, schema: KeySchema) -> None:
        self.schema = schema
        self._partitions: dict[Any, list[Entry]] = {}
        self._scan_order: list[Any] | None = None

    def add(self, partition: Any, entry: Entry) -> None:
        entries = self._partitions.get(partition)
        if entries is None:
            self._partitions[partition] = [entry]
            self._scan_order = None
        else:
            insort(entries, entry)

    def discard(self, partition: Any, entry: Entry) -> None:
        entries = self._partitions[partition]
        del entries[bisect_left(entries, entry)]
        if not entries:
            del self._partitions[partition]
            self._scan_order = None

    def append(self, partition: Any, entry: Entry) -> None:
        """Adds an entry without its place in the order, until `sort`."""
        self._partitions.setdefault(partition, []).append(entry)

    def sort(self) -> None:
        for entries in self._partitions.values():
            entries.sort()
        self._scan_order = None

    def forget(self) -> None:
        self.take({})

    def partitions(self) -> dict[Any, list[Entry]]:
        return {partition: entries.copy() for partition, entries in self._partitions.items()}

    def take(self, partitions: Mapping[Any, list[Entry]]) -> None:
        """Replaces the partitions by a copy of these."""
        self._partitions = {partition: entries.copy() for partition, entries in partitions.items()}
        self._scan_order = None

    def between(self, wanted: Range, *, forward: bool, after: Entry | None) -> Iterator[Entry]:
        """Yields the entries of a range, in order or in reverse, after the last one of a page."""
        entries = self._partitions.get(wanted.partition, [])
        start, end = _bounds(entries, wanted)
        if after is not None and forward:
            start = max(start, bisect_right(entries, after))
        elif after is not None:
            end = min(end, bisect_left(entries, after))
        places = range(start, end) if forward else range(end - 1, start - 1, -1)
        return (entries[place] for place in places)

    def scan(self, after: tuple[Any, Entry] | None, segment: int = 0, segments: int = 1) -> Iterator[Entry]:
        """Yields all entries, partition by partition, in an arbitrary order, as that of hashes."""
        if self._scan_order is None:
            self._scan_order = sorted(self._partitions, key=_hash)
        for partition in self._scan_order:
            if _hash(partition)[0] % segments != segment:
                continue
            entries = self._partitions[partition]
            start = 0
            if after is not None:
                if _hash(partition) < _hash(after[0]):
                    continue
                if partition == after[0]:
                    start = bisect_right(entries, after[1])
            yield from entries[start:]


def _hash(partition: Any) -> tuple[int, str]:
    return crc32(str(partition).encode()), str(partition)


def _bounds(entries: list[Entry], wanted: Range) -> tuple[int, int]:
    def left(value: Any) -> int:
        return bisect_left(entries, value, key=_order)

    def right(value: Any) -> int:
        return bisect_right(entries, value, key=_order)

    low, high, all_of_them = wanted.low, wanted.high, len(entries)
    match wanted.operator:
        case "=":
            return left(low), right(low)
        case "<":
            return 0, left(low)
        case "<=":
            return 0, right(low)
        case ">":
            return right(low), all_of_them
        case ">=":
            return left(low), all_of_them
        case "BETWEEN":
            return left(low), right(high)
        case "begins_with":
            start = left(low)
            return start, bisect_left(entries, True, start, key=lambda entry: not entry[0].startswith(low))
    return 0, all_of_them


class Index(Ordered):
    """A global secondary index: the rows that have its key, with the attributes that it projects."""

    def __init__(self, description: Mapping[str, Any], table_schema: KeySchema, definitions: Mapping[str, str]) -> None:
        super().__init__(KeySchema(description["KeySchema"], definitions))
        self.name: str = description["IndexName"]
        self.description = description
        projection = description["Projection"]
        self.projects_all = projection["ProjectionType"] == "ALL"
        self.attributes = frozenset({*self.schema.names, *table_schema.names, *projection.get("NonKeyAttributes", ())})

    def project(self, row: AnyRow) -> AnyRow:
        if self.projects_all:
            return row
        item = {name: row.item[name] for name in row.item if name in self.attributes}
        return Row(item, size_of_item(item))

    def move(self, key: Key, old: AnyRow | None, new: Key | None) -> None:
        """Moves a row from its old place to its new one. On AWS this happens shortly after the write."""
        before = self.schema.of_entry(old.item, self.name) if old else None
        if before == new:
            return
        if before is not None:
            self.discard(before[0], _entry(before, key))
        if new is not None:
            self.add(new[0], _entry(new, key))


def _entry(place: Key, key: Key) -> Entry:
    return (place[1] if len(place) > 1 else 0, key)


class Table(Ordered):
    """The items of one table. Every write goes through `write`, which calls `note`.

    Tests may read and change items without the API: `items`, `get`, `put`, `delete`, `clear`.
    """

    def __init__(self, description: Mapping[str, Any], note: Callable[[Change], None], now: Callable[[], Any]) -> None:
        definitions = {it["AttributeName"]: it["AttributeType"] for it in description["AttributeDefinitions"]}
        super().__init__(KeySchema(description["KeySchema"], definitions))
        self.name: str = description["TableName"]
        self.description = description
        self.indexes = {
            it["IndexName"]: Index(it, self.schema, definitions) for it in description.get("GlobalSecondaryIndexes", ())
        }
        self.rows: dict[Key, AnyRow] = {}
        self.time_to_live: Mapping[str, Any] | None = None
        self._note = note
        self._now = now

    def index(self, name: str) -> Index:
        if name not in self.indexes:
            raise invalid(f"The table does not have the specified index: {name}")
        return self.indexes[name]

    def check_index_keys(self, item: Item) -> None:
        """Raises a ValidationException if an item has an attribute that cannot be a key of an index."""
        for index in self.indexes.values():
            index.schema.of_entry(item, index.name)

    def write(self, key: Key, new: AnyRow | None, *, of_a_request: bool = True) -> None:
        """Replaces the row of a key, or removes it."""
        old = self.rows.get(key)
        if old is new or (old and new and old.item == new.item):
            return
        places = [
            (index, index.schema.of_entry(new.item, index.name) if new else None) for index in self.indexes.values()
        ]
        self._place(key, old, new, places)
        sequence, at = self._now()
        self._note(Change(sequence, at, self.name, key, old, new, of_a_request))

    def undo(self, change: Change) -> None:
        new = change.old
        places = [
            (index, index.schema.of_entry(new.item, index.name) if new else None) for index in self.indexes.values()
        ]
        self._place(change.key, self.rows.get(change.key), new, places)

    def _place(
        self, key: Key, old: AnyRow | None, new: AnyRow | None, places: Iterable[tuple[Index, Key | None]]
    ) -> None:
        for index, place in places:
            index.move(key, old, place)
        if new is None:
            if old is not None:
                del self.rows[key]
                self.discard(key[0], _entry(key, key))
            return
        self.rows[key] = new
        if old is None:
            self.add(key[0], _entry(key, key))

    # ---- for tests, behind the API ----------------------------------------------------------------------------------

    def items(self) -> list[Item]:
        """Returns copies of all items, in the order of their keys."""
        return [copied(self.rows[key].item) for key in sorted(self.rows)]

    def get(self, *key: Any) -> Item | None:
        """Returns a copy of one item; keys are plain strings or numbers."""
        row = self.rows.get(key)
        return copied(row.item) if row else None

    def sizes(self) -> list[int]:
        """Of all items, in bytes as DynamoDB measures them, in the order of their keys."""
        return [self.rows[key].size for key in sorted(self.rows)]

    def put(self, item: Mapping[str, Any]) -> None:
        """Puts an item of any size."""
        row = Row.of(item)
        self.write(self.schema.of_item(row.item), row, of_a_request=False)

    def load(self, number: int, item_of: Callable[[int], Item]) -> None:
        """Puts `number` new items, faster than `put` and without changes: no `restore` removes them.

        `item_of` returns the item with a number from 0, in normal form, the same one at each call.
        """
        for row_number in range(number):
            item = item_of(row_number)
            key = self.schema.of_item(item)
            assert key not in self.rows, key
            self.rows[key] = CopiedRow(item_of, row_number)
            self.append(key[0], _entry(key, key))
            for index in self.indexes.values():
                if (place := index.schema.of_entry(item, index.name)) is not None:
                    index.append(place[0], _entry(place, key))
        for ordered in (self, *self.indexes.values()):
            ordered.sort()

    def delete(self, *key: Any) -> None:
        """Raises KeyError if the item does not exist."""
        if key not in self.rows:
            raise KeyError(key)
        self.write(key, None, of_a_request=False)

    def change(self, *key: Any, **attributes: Mapping[str, Any] | None) -> None:
        """Sets attributes of an existing item, and removes those that are None."""
        item = {**self.rows[key].item, **attributes}
        self.put({name: value for name, value in item.items() if value is not None})

    def clear(self) -> None:
        for key in [*self.rows]:
            self.write(key, None, of_a_request=False)

    def state(self) -> Any:
        """Returns the state for `become`. Rows never change, so they are not copied."""
        return dict(self.rows), [rows.partitions() for rows in (self, *self.indexes.values())]

    def become(self, state: Any) -> None:
        rows, partitions = state
        self.rows = dict(rows)
        for ordered, its in zip((self, *self.indexes.values()), partitions, strict=True):
            ordered.take(its)

    def drop(self) -> None:
        """As `clear`, at once and without changes in the stream."""
        self.rows.clear()
        for rows in (self, *self.indexes.values()):
            rows.forget()
