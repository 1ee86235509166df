"""Reads many items in the order of an index over several partitions, with bounded memory."""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

from oms.core.json_reads import client, query_json
from oms.core.pages import HIGHEST, LOWEST, Index
from oms.core.retries import ConcurrentUpdateError, retrying

type Raw = dict[str, Any]

# The attribute of an item that holds the joined item of another table.
JOINED = "#also"

# Index entries of one Query. One page of each partition is in memory.
PAGE_SIZE = 1000
# The items of one BatchGetItem (at most 100), and the number of calls that run while earlier rows are written.
BATCH_SIZE = 50
MAX_BATCHES_AHEAD = 3
# In a text value, the quotes would be escaped, so this matches only the member of the response.
_ALL_PROCESSED = b'"UnprocessedKeys":{}'


@dataclass(frozen=True)
class JoinedTable:
    """Another table, from which one item is read for each index entry. `key` derives its key from the entry; None for
    an entry without such an item.
    """

    table: str
    key: Callable[[Raw], Raw | None]
    names: Sequence[str]


@dataclass(frozen=True)
class SourceIndex:
    """The items to read, in the order of an index over several partitions.

    `key` derives an item's key from its index entry. `names` are the attributes to read. `is_included` filters the
    entries. `joined` adds an item of another table to each item, as the attribute `JOINED`.
    """

    index: Index
    partitions: Sequence[str]
    key: Callable[[Raw], Raw]
    names: Sequence[str]
    is_included: Callable[[Raw], bool] = field(default=lambda _: True)
    joined: JoinedTable | None = None


def read_items(
    source: SourceIndex, *, low: str | None, high: str | None, after: str | None
) -> Iterator[tuple[str, Raw | None]]:
    """Yields sort keys with their items, from `low` (inclusive) to `high` (exclusive), after `after`. Raises
    UnavailableError.

    The item is None if it is filtered out or was removed after it was listed. Each page ends with a None, so that the
    caller sees progress even without items.
    """
    start = max(low or LOWEST, after + LOWEST if after else LOWEST)
    batches = _batches(source, start, high or HIGHEST)
    for (end, entries), (answers, more) in _ahead(batches, lambda batch: _read_batch(source, batch[1])):
        found = decode_found(source.index.table, [source.key(entry) for entry in entries], answers)
        beside = (
            decode_found(joined.table, list(_joined_keys(joined, entries)), more) if (joined := source.joined) else {}
        )
        for entry in entries:
            item = found.pop(_hashable(source.key(entry)), None)
            if item is not None and joined:
                key = joined.key(entry)
                item[JOINED] = beside.get(_hashable(key)) if key else None
            yield entry[source.index.sort_key]["S"], item
        yield end, None


def _batches(source: SourceIndex, low: str, high: str) -> Iterator[tuple[str, Sequence[Raw]]]:
    """Yields the included entries in batches, each with the sort key up to which they are complete."""
    sort_key = source.index.sort_key
    for end, entries in _pages(source.index, source.partitions, low, high):
        included = [entry for entry in entries if source.is_included(entry)]
        for batch in batched(included, BATCH_SIZE, strict=False):
            yield batch[-1][sort_key]["S"], batch
        yield end, ()


def _pages(index: Index, partitions: Sequence[str], low: str, high: str) -> Iterator[tuple[str, Sequence[Raw]]]:
    """Yields the entries of all partitions by sort key in pages, each with the sort key up to which it is complete.

    Each page is read from all partitions, beginning at the same sort key. An entry that moves to another partition is
    in one or both partitions, and is yielded once. It is missed only if it moves during the reads of its page, to a
    partition that was read already.
    """
    while low <= high:
        end, more = high, False
        entries: dict[str, Raw] = {}
        for partition in partitions:
            page, stopped = _query(index, partition, low, end)
            entries |= {entry[index.sort_key]["S"]: entry for entry in page}
            if stopped:
                end, more = stopped, True
        yield end, [entries[key] for key in sorted(entries) if key <= end]
        if not more:
            return
        low = end + LOWEST


def _query(index: Index, partition: str, low: str, high: str) -> tuple[list[Raw], str | None]:
    """Returns the entries of one Query, and its last sort key if more follow."""
    keys = (index.partition_key, partition), (index.sort_key, low, high)
    page = json.loads(query_json(index.table, *keys, IndexName=index.name, Limit=PAGE_SIZE))
    end = page.get("LastEvaluatedKey")
    return page["Items"], end[index.sort_key]["S"] if end else None


def _read_batch(source: SourceIndex, entries: Sequence[Raw]) -> tuple[list[bytes], list[bytes]]:
    """Returns two lists of raw responses: with the items of these entries, and with the items joined to them."""
    found = _read(source.index.table, [source.key(entry) for entry in entries], source.names)
    if (joined := source.joined) is None:
        return found, []
    keys = {_hashable(key): key for key in _joined_keys(joined, entries)}
    return found, _read(joined.table, list(keys.values()), [*joined.names, "pk", "sk"])


def _joined_keys(joined: JoinedTable, entries: Iterable[Raw]) -> Iterator[Raw]:
    return (key for entry in entries if (key := joined.key(entry)))


def _read(table: str, keys: Sequence[Raw], attributes: Sequence[str]) -> list[bytes]:
    """Returns the raw responses with the items of these keys. It reads unprocessed keys again."""
    if not keys:
        return []
    names = {f"#{number}": name for number, name in enumerate(attributes)}
    pending = list(keys)
    answers: list[bytes] = []

    def read() -> None:
        nonlocal pending
        request = {"Keys": pending, "ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
        answer = client().batch_get_item(RequestItems={table: request})["body"]
        answers.append(answer)
        if _ALL_PROCESSED in answer:
            return
        pending = json.loads(answer).get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
        if pending:
            raise ConcurrentUpdateError

    retrying(read)
    return answers


def decode_found(table: str, keys: Sequence[Raw], answers: Iterable[bytes]) -> dict[tuple[str, ...], Raw]:
    """Returns the items of these keys, by key."""
    names = list(keys[0]) if keys else []
    return {
        tuple([item[name]["S"] for name in names]): item
        for answer in answers
        for item in _decoded(answer)["Responses"].get(table, ())
    }


def _decoded(answer: bytes) -> Raw:
    found: Raw = json.loads(answer)
    return found


def _hashable(key: Raw) -> tuple[str, ...]:
    """Returns the values of a key. All keys of a table have their attributes in the same order."""
    return tuple([value["S"] for value in key.values()])


def _ahead[A, B](inputs: Iterable[A], read: Callable[[A], B]) -> Iterator[tuple[A, B]]:
    """Yields each input with the result of `read`, in order, and reads some inputs ahead in threads."""
    if not MAX_BATCHES_AHEAD:
        yield from ((item, read(item)) for item in inputs)
        return
    with ThreadPoolExecutor(max_workers=MAX_BATCHES_AHEAD) as pool:
        under_way: deque[tuple[A, Future[B]]] = deque()
        for item in inputs:
            under_way.append((item, pool.submit(read, item)))
            if len(under_way) > MAX_BATCHES_AHEAD:
                first, reading = under_way.popleft()
                yield first, reading.result()
        while under_way:
            first, reading = under_way.popleft()
            yield first, reading.result()
