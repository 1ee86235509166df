"""Sums as versions before the shards of all sums stored them: four shards of days and totals, one of the others."""

import zlib
from collections.abc import Iterable

from oms.reports.sum_keys import DAYS, SumKey
from oms.reports.sums import Chunk, amounts_to_json, applied_contribution, total
from oms.reports.user_sums import USERS
from tests.support.database import table

_SHARDS = 4


def store_as_earlier(chunks: Iterable[Chunk]) -> None:
    """Stores these contributions and their sums. A contributor had one shard; users' sums are left out."""
    parts = []
    for chunk in chunks:
        amounts = {_earlier(key, chunk): by_name for key, by_name in chunk.amounts.items()}
        applied = applied_contribution(chunk)
        applied.amounts = amounts_to_json(amounts)
        table("reports").put(applied.serialize())
        parts.append(amounts)
    for key, by_name in total(parts).items():
        if not key.is_of_user:
            numbers = {name: {"N": str(amount)} for name, amount in ({"changes": 3} | by_name).items()}
            table("reports").put({"pk": {"S": key.pk}, "sk": {"S": key.sk}, "kind": {"S": "sum"}} | numbers)


def _earlier(key: SumKey, chunk: Chunk) -> SumKey:
    if key == USERS or key.pk not in (DAYS, USERS.pk):
        return key
    return key.in_shard(zlib.crc32(chunk.contributor.encode()) % _SHARDS)
