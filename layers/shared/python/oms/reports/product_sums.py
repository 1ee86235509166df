"""Totals of products and categories over days, complete or by product in pages.

Each response of DynamoDB is added up when it arrives. So the memory grows with the products, not with the days, and the
number of calls of a request is limited.
"""

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from oms.core.dynamodb import in_parallel
from oms.core.json_reads import client, query_json
from oms.core.pages import HIGHEST, LOWEST
from oms.reports.models import Sum

# Of 1 MB each, some 10,000 sums: 31 days of 15,000 products. A function adds them up in seconds.
MAX_CALLS = 48
# Responses in memory at the same time.
_CONCURRENT_QUERIES = 8
_SOLD = ("orders", "units", "revenue")

type SoldAmounts = Counter[str]
"""`orders`, `units` and `revenue`, in minor units."""
type KeyRange = tuple[str, str, str]
"""A partition of sums, and the first and last sort key in it."""


class TooManySumsError(Exception):
    """There are more sums than one request can add up."""


def add_up(
    spans: Iterable[KeyRange], name_of: Callable[[str], str] = lambda sort_key: sort_key
) -> dict[str, SoldAmounts]:
    """The totals by the name that each sort key has. Raises TooManySumsError after `MAX_CALLS` calls."""
    found: dict[str, SoldAmounts] = {}
    pending, calls = deque(spans), 0
    client()  # made before the threads
    while pending:
        batch = [pending.popleft() for _ in range(min(_CONCURRENT_QUERIES, len(pending)))]
        calls += len(batch)
        if calls > MAX_CALLS:
            raise TooManySumsError
        for (partition, _, high), answer in zip(batch, in_parallel(_query, batch), strict=True):
            items, end = _decoded(answer)
            for raw in items:
                _add(found, name_of(raw["sk"]["S"]), raw)
            if end is not None:
                pending.append((partition, end + LOWEST, high))
    return found


def page_by_key(
    partitions: Sequence[str], *, limit: int, after: str | None
) -> tuple[list[tuple[str, SoldAmounts]], str | None]:
    """The next `limit` sort keys of all partitions in order, with their totals, and the position of the next page.

    One Query per partition. As in `oms.core.pages.merged_page`, the page ends at the smallest key up to which every
    partition was read.
    """
    low = after + LOWEST if after else LOWEST
    client()  # made before the threads
    answers = in_parallel(lambda it: _query((it, low, HIGHEST), Limit=limit + 1), partitions)
    found: dict[str, SoldAmounts] = {}
    ends = []
    for answer in answers:
        items, end = _decoded(answer)
        ends += [end] if end is not None else []
        for raw in items:
            _add(found, raw["sk"]["S"], raw)
    fence = min(ends, default=None)
    keys = sorted(it for it in found if fence is None or it <= fence)
    if len(keys) > limit:
        keys, fence = keys[:limit], keys[limit - 1]
    return [(key, found[key]) for key in keys], fence


def _query(span: KeyRange, **options: Any) -> bytes:
    partition, low, high = span
    keys = ("pk", partition), ("sk", low, high)
    return query_json(Sum.Meta.table_name, *keys, names=("sk", *_SOLD), ConsistentRead=True, **options)


def _decoded(answer: bytes) -> tuple[list[dict[str, Any]], str | None]:
    """The raw items of a response, and its last sort key if more follow."""
    page = json.loads(answer)
    end = page.get("LastEvaluatedKey")
    return page["Items"], end["sk"]["S"] if end else None


def _add(found: dict[str, SoldAmounts], name: str, raw: dict[str, Any]) -> None:
    into = found.get(name)
    if into is None:
        into = found[name] = Counter()
    for amount in _SOLD:
        if amount in raw:
            into[amount] += int(raw[amount]["N"])
