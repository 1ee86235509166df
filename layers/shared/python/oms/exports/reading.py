"""Reading much, in order and lean: a list over the partitions of an index, and the things that it lists."""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

from oms.core.dynamodb import ConcurrentUpdateError, retrying
from oms.core.json_reads import client, query_json
from oms.core.pages import HIGHEST, LOWEST, Index

type Raw = dict[str, Any]

# Under this name a thing has what was read beside it.
JOINED = "#also"

# Entries of one Query: those of all partitions are in memory at once.
PAGE_SIZE = 1000
# Things of one BatchGetItem, 100 at most; and how many of these are under way while the lines of others are made.
BATCH_SIZE = 50
MAX_BATCHES_AHEAD = 3
# Within a text the quotes would stand behind backslashes.
_ALL_PROCESSED = b'"UnprocessedKeys":{}'


@dataclass(frozen=True)
class JoinedTable:
    """Items of another table that are read beside the things, by a key from a thing's entry in the index."""

    table: str
    key: Callable[[Raw], Raw]
    names: Sequence[str]


@dataclass(frozen=True)
class SourceIndex:
    """Things in the order of an index over several partitions. `key` is a thing's own, from its entry in the index;
    `names` are the attributes of it that are read, `wanted` tells by its entry whether it is, and `also` what each
    thing gets of another table as `JOINED`.
    """

    index: Index
    partitions: Sequence[str]
    key: Callable[[Raw], Raw]
    names: Sequence[str]
    wanted: Callable[[Raw], bool] = field(default=lambda _: True)
    also: JoinedTable | None = None


def read_items(
    listing: SourceIndex, *, low: str | None, high: str | None, after: str | None
) -> Iterator[tuple[str, Raw | None]]:
    """Each thing with its sort key, from `low` on to before `high`; all that follow `after`. Raises UnavailableError.

    None stands for what is left out, once a page at least: what is not wanted, or was removed since it was listed. So
    how far the reading is shows also where nothing is found.
    """
    start = max(low or LOWEST, after + LOWEST if after else LOWEST)
    batches = _batches(listing, start, high or HIGHEST)
    for (end, entries), (answers, more) in _ahead(batches, lambda batch: _read_batch(listing, batch[1])):
        found = decode_found(listing.index.table, [listing.key(it) for it in entries], answers)
        beside = decode_found(also.table, [also.key(it) for it in entries], more) if (also := listing.also) else {}
        for entry in entries:
            thing = found.pop(_hashable(listing.key(entry)), None)
            if thing is not None and also:
                thing[JOINED] = beside.get(_hashable(also.key(entry)))
            yield entry[listing.index.sort_key]["S"], thing
        yield end, None


def _batches(listing: SourceIndex, low: str, high: str) -> Iterator[tuple[str, Sequence[Raw]]]:
    """The wanted entries, some at a time, each with the sort key up to which it has all of them."""
    sort_key = listing.index.sort_key
    for end, entries in _pages(listing.index, listing.partitions, low, high):
        wanted = [it for it in entries if listing.wanted(it)]
        for batch in batched(wanted, BATCH_SIZE, strict=False):
            yield batch[-1][sort_key]["S"], batch
        yield end, ()


def _pages(index: Index, partitions: Sequence[str], low: str, high: str) -> Iterator[tuple[str, Sequence[Raw]]]:
    """The entries of all partitions by sort key, page by page, each with the sort key up to which it has all.

    A page is read from all partitions at about the same time, and where the next one begins, it begins in all: an entry
    that changes its partition is in one of them, or in both and given once. Only one that does so between the reads of
    a page, into a partition that was read already, is missed.
    """
    while low <= high:
        end, more = high, False
        entries: dict[str, Raw] = {}
        for partition in partitions:
            page, stopped = _query(index, partition, low, end)
            entries |= {it[index.sort_key]["S"]: it for it in page}
            if stopped:
                end, more = stopped, True
        yield end, [entries[key] for key in sorted(entries) if key <= end]
        if not more:
            return
        low = end + LOWEST


def _query(index: Index, partition: str, low: str, high: str) -> tuple[list[Raw], str | None]:
    """The entries of one Query, and the sort key it stopped at if there is more."""
    keys = (index.partition_key, partition), (index.sort_key, low, high)
    page = json.loads(query_json(index.table, *keys, IndexName=index.name, Limit=PAGE_SIZE))
    end = page.get("LastEvaluatedKey")
    return page["Items"], end[index.sort_key]["S"] if end else None


def _read_batch(listing: SourceIndex, entries: Sequence[Raw]) -> tuple[list[bytes], list[bytes]]:
    """The answers that have the things of these entries, and those that have what is read beside them."""
    found = _read(listing.index.table, [listing.key(it) for it in entries], listing.names)
    if (also := listing.also) is None:
        return found, []
    keys = {_hashable(key): key for key in map(also.key, entries)}
    return found, _read(also.table, list(keys.values()), [*also.names, "pk", "sk"])


def _read(table: str, keys: Sequence[Raw], attributes: Sequence[str]) -> list[bytes]:
    """The answers that have the items of these keys. Unprocessed keys are read again."""
    if not keys:
        return []
    names = {f"#{number}": name for number, name in enumerate(attributes)}
    pending = list(keys)
    answers: list[bytes] = []

    def read() -> None:
        nonlocal pending
        wanted = {"Keys": pending, "ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
        answer = client().batch_get_item(RequestItems={table: wanted})["body"]
        answers.append(answer)
        if _ALL_PROCESSED in answer:
            return
        pending = json.loads(answer).get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
        if pending:
            raise ConcurrentUpdateError

    retrying(read)
    return answers


def decode_found(table: str, keys: Sequence[Raw], answers: Iterable[bytes]) -> dict[frozenset[tuple[str, str]], Raw]:
    """The items of these keys, by key."""
    key_names = list(keys[0]) if keys else []
    return {
        _hashable({name: thing[name] for name in key_names}): thing
        for answer in answers
        for thing in _decoded(answer)["Responses"].get(table, ())
    }


def _decoded(answer: bytes) -> Raw:
    found: Raw = json.loads(answer)
    return found


def _hashable(key: Raw) -> frozenset[tuple[str, str]]:
    return frozenset((name, value["S"]) for name, value in key.items())


def _ahead[A, B](inputs: Iterable[A], read: Callable[[A], B]) -> Iterator[tuple[A, B]]:
    """What is read for each input, in their order, some being read ahead of the one that is given."""
    if not MAX_BATCHES_AHEAD:
        yield from ((it, read(it)) for it in inputs)
        return
    client()  # made before the threads: botocore's client creation is not thread-safe
    with ThreadPoolExecutor(max_workers=MAX_BATCHES_AHEAD) as pool:
        under_way: deque[tuple[A, Future[B]]] = deque()
        for it in inputs:
            under_way.append((it, pool.submit(read, it)))
            if len(under_way) > MAX_BATCHES_AHEAD:
                first, reading = under_way.popleft()
                yield first, reading.result()
        while under_way:
            first, reading = under_way.popleft()
            yield first, reading.result()
