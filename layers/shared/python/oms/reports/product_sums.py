"""Totals by product or category over several days: complete, or pages of products.

Each response of DynamoDB is added up when it arrives, so the memory grows with the products and not with the days. The
number of sums that a request reads is limited.
"""

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from oms.core.dynamodb import in_parallel
from oms.core.json_reads import query_json
from oms.core.pages import HIGHEST, LOWEST
from oms.reports.models import Sum

# Enough for 31 days of 15,000 products in one shard, or of 2,000 in all eight. It takes seconds: a call returns up to
# 1 MB, about 10,000 sums.
MAX_SUMS = 500_000
# Responses in memory at the same time.
_CONCURRENT_QUERIES = 8
_SOLD = ("orders", "units", "revenue")

type SoldAmounts = Counter[str]
"""`orders`, `units` and `revenue`, in minor units."""
type SumKeyRange = tuple[str, str, str]
"""A partition of sums, and its first and last sort key to read."""


class TooManySumsError(Exception):
    """The request has more sums than it can add up."""


def total_by_name(
    spans: Iterable[SumKeyRange], name_of: Callable[[str], str] = lambda sort_key: sort_key
) -> dict[str, SoldAmounts]:
    """Returns the totals by `name_of` the sort key. Raises TooManySumsError if they need more than `MAX_SUMS` sums."""
    found: dict[str, SoldAmounts] = {}
    pending, sums = deque(spans), 0
    while pending:
        if sums > MAX_SUMS:
            raise TooManySumsError
        batch = [pending.popleft() for _ in range(min(_CONCURRENT_QUERIES, len(pending)))]
        for (partition, _, high), answer in zip(batch, in_parallel(_query, batch), strict=True):
            items, end = _decoded(answer)
            sums += len(items)
            for raw in items:
                _add(found, name_of(raw["sk"]["S"]), raw)
            if end is not None:
                pending.append((partition, end + LOWEST, high))
    return found


def page_by_key(
    partitions: Sequence[str], *, limit: int, after: str | None
) -> tuple[list[tuple[str, SoldAmounts]], str | None]:
    """Returns the next `limit` sort keys of all partitions, with their totals, and the position of the next page.

    It makes one Query per partition. As in `oms.core.pages.merged_page`, the page ends at the first key up to which
    every partition was read.
    """
    low = after + LOWEST if after else LOWEST
    answers = in_parallel(lambda partition: _query((partition, low, HIGHEST), Limit=limit + 1), partitions)
    found: dict[str, SoldAmounts] = {}
    ends = []
    for answer in answers:
        items, end = _decoded(answer)
        ends += [end] if end is not None else []
        for raw in items:
            _add(found, raw["sk"]["S"], raw)
    fence = min(ends, default=None)
    keys = sorted(key for key in found if fence is None or key <= fence)
    if len(keys) > limit:
        keys, fence = keys[:limit], keys[limit - 1]
    return [(key, found[key]) for key in keys], fence


def _query(span: SumKeyRange, **options: Any) -> bytes:
    partition, low, high = span
    keys = ("pk", partition), ("sk", low, high)
    return query_json(Sum.Meta.table_name, *keys, names=("sk", *_SOLD), ConsistentRead=True, **options)


def _decoded(answer: bytes) -> tuple[list[dict[str, Any]], str | None]:
    """Returns the raw items of a response, and its last sort key if more follow."""
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
