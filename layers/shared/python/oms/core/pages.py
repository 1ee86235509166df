"""Lists: pages over the partitions of an index or a table, and the cursors between pages."""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from oms.core.dynamodb import StoredItem, client, in_parallel, key_names, retrying, table_name
from oms.core.errors import InvalidRequestError

# DynamoDB orders text by its UTF-8 bytes, which is the order of code points.
LOWEST = "\x00"
HIGHEST = "\U0010ffff"
_READ_WHEN_FILTERING = 250


@dataclass(frozen=True)
class Index:
    """A secondary index whose projected attributes are all strings and whose sort keys end in an ASCII id."""

    table: str
    name: str
    partition_key: str
    sort_key: str


@dataclass(frozen=True)
class Page[T]:
    """Items with their sort keys. The next page starts after `position`, which is None at the end of the list."""

    placed: list[tuple[str, T]]
    position: str | None

    @property
    def items(self) -> list[T]:
        return [item for _, item in self.placed]


@dataclass(frozen=True)
class KeyRange:
    """A range of sort keys. `low` and `high` are inclusive; `after` is the last sort key of the page before."""

    limit: int
    descending: bool = False
    low: str = LOWEST
    high: str = HIGHEST
    after: str | None = None

    def bounds(self) -> tuple[str, str]:
        if self.after is None:
            return self.low, self.high
        if self.descending:
            return self.low, min(self.high, _just_below(self.after))
        return max(self.low, self.after + LOWEST), self.high


def _just_below(key: str) -> str:
    """A bound under `key` and over every other key less than it, since the last character is ASCII."""
    return key[:-1] + chr(ord(key[-1]) - 1) + HIGHEST


type IndexEntry = dict[str, str]
"""The attributes of an item that an index projects."""


def merged_page(
    index: Index,
    partitions: Sequence[str],
    part: KeyRange,
    *,
    keep: Callable[[IndexEntry], bool] | None = None,
    reads: int = _READ_WHEN_FILTERING,
) -> Page[IndexEntry]:
    """One page over several partitions of an index: one Query each, merged by sort key.

    A partition that was not read to its end may hold more items after its last key. So the page stops at the nearest of
    those keys, and the next page starts there. With `keep`, the function reads `reads` entries of each partition, since
    it may drop many; a page can still be short or empty.
    """
    low, high = part.bounds()
    if low > high:
        return Page([], None)
    # One entry more than the limit shows whether another page follows.
    limit = part.limit + 1 if keep is None else max(part.limit + 1, reads)

    def read(partition: str) -> tuple[list[IndexEntry], str | None]:
        return _query(index, partition, low, high, descending=part.descending, limit=limit)

    answers = in_parallel(read, partitions)
    ends = [end for _, end in answers if end is not None]
    fence = (max(ends) if part.descending else min(ends)) if ends else None
    # An item that changes its partition between two reads is in both results, under the same key.
    entries = {entry[index.sort_key]: entry for found, _ in answers for entry in found}
    kept = [
        (place, entry)
        for place, entry in sorted(entries.items(), reverse=part.descending)
        if fence is None or (place >= fence if part.descending else place <= fence)
        if keep is None or keep(entry)
    ]
    if len(kept) > part.limit:
        return Page(kept[: part.limit], kept[part.limit - 1][0])
    return Page(kept, fence)


def _query(
    index: Index, partition: str, low: str, high: str, *, descending: bool, limit: int
) -> tuple[list[IndexEntry], str | None]:
    """The entries of one Query, and the sort key it stopped at if there is more."""
    items, end = _read_range(
        {"TableName": index.table, "IndexName": index.name, "ScanIndexForward": not descending, "Limit": limit},
        (index.partition_key, partition),
        (index.sort_key, low, high),
    )
    return [{name: value["S"] for name, value in item.items()} for item in items], end


def table_page[T: StoredItem](model: type[T], partition: str, part: KeyRange) -> Page[T]:
    """One page over a partition of the model's table itself: whole items as they are now, by one consistent Query.

    Every item within the bounds of `part` must be of the model, and its sort key must end in an ASCII character.
    """
    low, high = part.bounds()
    if low > high:
        return Page([], None)
    partition_key, sort_key = key_names(model)
    items, end = _read_range(
        {
            "TableName": table_name(model),
            "ConsistentRead": True,
            "ScanIndexForward": not part.descending,
            "Limit": part.limit + 1,  # as in `merged_page`
        },
        (partition_key, partition),
        (sort_key, low, high),
    )
    placed = [(item[sort_key]["S"], model.from_raw_data(item)) for item in items]
    if len(placed) > part.limit:
        return Page(placed[: part.limit], placed[part.limit - 1][0])
    return Page(placed, end)


def _read_range(
    options: dict[str, Any], partition: tuple[str, str], sort: tuple[str, str, str]
) -> tuple[list[dict[str, Any]], str | None]:
    """The raw items of one Query, and the sort key it stopped at if there is more. Each key goes after its name."""
    partition_key, value = partition
    sort_key, low, high = sort
    response = retrying(
        lambda: client().query(
            **options,
            KeyConditionExpression="#partition = :partition AND #sort BETWEEN :low AND :high",
            ExpressionAttributeNames={"#partition": partition_key, "#sort": sort_key},
            ExpressionAttributeValues={":partition": {"S": value}, ":low": {"S": low}, ":high": {"S": high}},
        )
    )
    end = response.get("LastEvaluatedKey")
    return response["Items"], end[sort_key]["S"] if end else None


def encode_cursor(position: str | None, scope: Sequence[object]) -> str | None:
    """A cursor for `position`, valid only for `scope` (user, path and query). None at the end."""
    if position is None:
        return None
    return base64.urlsafe_b64encode(_seal(position, scope) + position.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, scope: Sequence[object]) -> str | None:
    """The position in a cursor. Raises InvalidRequestError if it is malformed or belongs to another user or query.

    A forged cursor gives no access: it has only a position, and the request determines the partitions.
    """
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        seal, position = raw[:12], raw[12:].decode()
    except (binascii.Error, ValueError):
        raw, seal, position = b"", b"", ""
    if (
        not 0 < len(raw) <= 1000
        or not position
        or not 0x21 <= ord(position[-1]) <= 0x7E
        or seal != _seal(position, scope)
    ):
        raise InvalidRequestError.at("is not a cursor of this list", parameter="cursor")
    return position


def _seal(position: str, scope: Sequence[object]) -> bytes:
    return hashlib.sha256(json.dumps([position, *scope]).encode()).digest()[:12]
