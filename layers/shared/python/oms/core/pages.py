"""Lists: pages over the partitions of an index or a table, and the cursors between pages."""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from oms.core.dynamodb import StoredItem, client, in_parallel, key_names, table_name
from oms.core.errors import InvalidRequestError
from oms.core.retries import retrying

# DynamoDB orders text by its UTF-8 bytes, which is the order of code points.
LOWEST = "\x00"
HIGHEST = "\U0010ffff"
_READ_WHEN_FILTERING = 250
# With 32 partitions and pages of 20 to 100 items, most pages are then full.
_MORE_THAN_SHARE = 4


@dataclass(frozen=True)
class Index:
    """A secondary index. All its projected attributes are strings, and its sort keys end in an ASCII id."""

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
    """A range of sort keys. `low` and `high` are inclusive; `after` is the last sort key of the previous page."""

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
    """Returns an upper bound that excludes `key` and includes all lower keys. The last character must be ASCII."""
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
    """Returns one page over several partitions of an index: one Query each, merged by sort key.

    A partition that was not read to its end may hold more items after its last key. So the page stops at the first of
    those keys, and the next page starts there. With `keep`, which may drop many entries, it reads `reads` entries of
    each partition; a page can still be short or empty.
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
    # An item that changes its partition between two reads is in both results, so it is stored by its sort key.
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


def all_entries(
    index: Index, partitions: Sequence[str], *, page_size: int, low: str = LOWEST, high: str = HIGHEST
) -> Iterator[IndexEntry]:
    """Yields all entries of these partitions between two sort keys, in order, read page by page."""
    after: str | None = None
    while True:
        page = merged_page(index, partitions, KeyRange(page_size, low=low, high=high, after=after))
        yield from page.items
        after = page.position
        if after is None:
            return


def _query(
    index: Index, partition: str, low: str, high: str, *, descending: bool, limit: int
) -> tuple[list[IndexEntry], str | None]:
    """Returns the entries of one Query, and its last sort key if more entries follow."""
    items, end = _read_range(
        {"TableName": index.table, "IndexName": index.name, "ScanIndexForward": not descending, "Limit": limit},
        (index.partition_key, partition),
        (index.sort_key, low, high),
    )
    return [{name: value["S"] for name, value in item.items()} for item in items], end


def table_page[T: StoredItem](model: type[T], partition: str, part: KeyRange) -> Page[T]:
    """Returns one page over a partition of the model's table: whole items, by one consistent Query.

    All items within the bounds of `part` must belong to the model, and their sort keys must end in an ASCII character.
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


def merged_table_page[T: StoredItem](model: type[T], partitions: Sequence[str], part: KeyRange) -> Page[T]:
    """Returns one page over several partitions of the model's table, merged by sort key, by one Query each.

    Sort keys are spread evenly, so each partition is read to its share of the page and a few items more. As in
    `merged_page`, the page stops at the first last key of a partition that has more items. So it may be short.
    """
    if len(partitions) == 1:
        return table_page(model, partitions[0], part)
    share = replace(part, limit=-(-part.limit // len(partitions)) + _MORE_THAN_SHARE)
    pages = in_parallel(lambda partition: table_page(model, partition, share), partitions)
    ends = [page.position for page in pages if page.position is not None]
    fence = (max(ends) if part.descending else min(ends)) if ends else None
    kept = [
        (place, item)
        for place, item in sorted(
            {place: item for page in pages for place, item in page.placed}.items(), reverse=part.descending
        )
        if fence is None or (place >= fence if part.descending else place <= fence)
    ]
    if len(kept) > part.limit:
        return Page(kept[: part.limit], kept[part.limit - 1][0])
    return Page(kept, fence)


def _read_range(
    options: dict[str, Any], partition: tuple[str, str], sort: tuple[str, str, str]
) -> tuple[list[dict[str, Any]], str | None]:
    """Returns the raw items of one Query, and its last sort key if more items follow.

    `partition` and `sort` begin with the key's name.
    """
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


def encode_cursor(position: str | None, binding: Sequence[object]) -> str | None:
    """Returns a cursor for `position`, valid only for `binding` (user, path and query); None at the end of a list."""
    if position is None:
        return None
    return base64.urlsafe_b64encode(_seal(position, binding) + position.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, binding: Sequence[object]) -> str | None:
    """Returns the position in a cursor.

    Raises InvalidRequestError if it is malformed or belongs to another user or query.

    A forged cursor gives no access: it contains only a position, and the request determines the partitions.
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
        or seal != _seal(position, binding)
    ):
        raise InvalidRequestError.at(
            "is not a cursor of this list; omit it to begin at the first page", parameter="cursor"
        )
    return position


def _seal(position: str, binding: Sequence[object]) -> bytes:
    return hashlib.sha256(json.dumps([position, *binding]).encode()).digest()[:12]
