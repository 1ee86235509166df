"""Sums to which contributors (orders, users and stock items) add amounts.

A contribution is a pure function of the contributor's state at a version. The applied contribution is stored. One
transaction replaces it and adds the difference to the sums, if it has not changed since it was read. So states can
arrive repeatedly, late and in any order: the sums include the newest state, once.

Each attempt adds its differences to one shard of all sums, which it draws. The sum is the total of its shards, so the
shard to which an earlier version was added does not matter. Workers that draw different shards write different items.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import batched
from typing import Any

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from oms.core.dynamodb import batch_get, batch_get_raw
from oms.core.retries import ConcurrentUpdateError, ShardConflictError, retrying
from oms.core.transactions import MAX_OPERATIONS, Transaction, TransactionError, transaction
from oms.identity.models import User
from oms.reports.models import AppliedContribution, Sum
from oms.reports.sum_keys import SHARDS, SumKey

# The sums of a chunk fit into one transaction, together with its applied contribution.
MAX_SUMS = MAX_OPERATIONS - 1
# A batch draws from one shard for each ten of its contributions. Batches are small while few events arrive, and then
# workers hardly ever meet: all sums stay in few shards, of which each is a Query of a report.
_CONTRIBUTIONS_PER_SHARD = 10


type SumAmounts = Mapping[SumKey, Mapping[str, int]]
"""The amount of each attribute, by sum."""


@dataclass(frozen=True)
class Chunk:
    """A part of a contribution, at a version of its contributor, to at most `MAX_SUMS` sums.

    `listed` is the contributor's list in the table's index, and its position there.
    """

    contributor: str
    number: int
    version: int
    amounts: SumAmounts
    listed: tuple[str, str] | None = None

    @property
    def key(self) -> tuple[str, str]:
        return AppliedContribution.key(self.contributor, self.number)


def chunks(
    contributor: str, version: int, amounts: SumAmounts, *, listed: tuple[str, str] | None = None
) -> list[Chunk]:
    """Returns a contribution in parts that each fit into one transaction. `listed` applies to each part.

    `amounts` must have the same sums in the same order at each version; amounts can be zero. So a sum is always in the
    same chunk, and chunks are independent of each other.
    """
    return [
        Chunk(contributor, number, version, {key: amounts[key] for key in keys}, listed)
        for number, keys in enumerate(batched(amounts, MAX_SUMS, strict=False))
    ]


def apply(contributions: Iterable[Chunk], *, shards: int | None = None) -> int:
    """Applies these contributions to the sums, except those with a newer applied contribution.

    Each attempt draws one of the first `shards` shards; by default, of fewer for a small batch. Returns the number of
    applied chunks. Each is applied completely or not at all. Raises UnavailableError after long contention, and
    botocore's errors; some chunks may be applied then, and all can be retried.
    """
    newest: dict[tuple[str, str], Chunk] = {}
    for chunk in sorted(contributions, key=lambda chunk: chunk.version):
        newest[chunk.key] = chunk
    moved: set[tuple[str, str]] = set()
    gone: set[SumKey] = set()

    def attempt() -> None:
        seen = batch_get(AppliedContribution, newest)
        moves = [
            SumUpdate(chunk, seen.get(key))
            for key, chunk in newest.items()
            if key not in seen or seen[key].version < chunk.version
        ]
        shard = random.randrange(shards or _shards_for(len(newest)))  # noqa: S311 - spreads load
        for group in _groups(moves):
            _write(group, shard, gone)
            moved.update(update.chunk.key for update in group)

    retrying(attempt)
    return len(moved)


def _shards_for(contributions: int) -> int:
    return min(SHARDS, max(1, contributions // _CONTRIBUTIONS_PER_SHARD))


@dataclass(frozen=True)
class SumUpdate:
    """A chunk to apply, and its current applied contribution."""

    chunk: Chunk
    seen: AppliedContribution | None

    @cached_property
    def difference(self) -> dict[SumKey, dict[str, int]]:
        old = amounts_from_json(self.seen.amounts) if self.seen else {}
        return difference(self.chunk.amounts, old)

    @cached_property
    def written(self) -> set[SumKey]:
        """The sums that change; with a product or category, also its day, so that readers find the shard by the day."""
        changed = self.difference.keys()
        return {*changed, *(day for key in changed if (day := key.sum_of_day))}


def _groups(moves: Sequence[SumUpdate]) -> Iterator[list[SumUpdate]]:
    """Yields the updates in groups that fit into one transaction.

    A sum that several updates change is one operation.
    """
    group: list[SumUpdate] = []
    touched: set[SumKey] = set()
    for move in moves:
        union = touched | move.written
        if group and len(group) + 1 + len(union) > MAX_OPERATIONS:
            yield group
            group, union = [], move.written
        group.append(move)
        touched = union
    if group:
        yield group


def _write(group: Sequence[SumUpdate], shard: int, gone: set[SumKey]) -> None:
    """Writes a group in one transaction, to this shard of the sums. Adds deleted users, who need no sum, to `gone`.

    Raises ConcurrentUpdateError if it has found deleted users, or if another worker has changed an applied
    contribution. Raises ShardConflictError if another transaction was writing one of the items.
    """
    added = {key: amounts for key, amounts in _total_additions(group).items() if key not in gone}
    try:
        with transaction() as write:
            for move in group:
                write.save(applied_contribution(move.chunk), condition=_is_unchanged(move.seen))
            for key, amounts in added.items():
                _add(write, key.in_shard(shard), amounts)
    except TransactionError as error:
        gone |= {key for key in added if key.is_of_user and error.failed(User(*key))}
        if error.any_failed:
            raise ConcurrentUpdateError from error
        if error.any_conflicted:
            raise ShardConflictError from error
        raise


def _total_additions(group: Sequence[SumUpdate]) -> dict[SumKey, dict[str, int]]:
    """Returns the total that the updates add to each sum that they write. A zero total still counts as a change.

    Otherwise a process that reads applied contributions before and after the change could not detect it.
    """
    nothing: dict[SumKey, dict[str, int]] = {
        key: {} for update in group for key in update.written if not key.is_of_user
    }
    return nothing | total(update.difference for update in group)


def applied_contribution(chunk: Chunk) -> AppliedContribution:
    listing, place = chunk.listed or (None, None)
    return AppliedContribution(
        *chunk.key, version=chunk.version, amounts=amounts_to_json(chunk.amounts), listing=listing, created_key=place
    )


def _is_unchanged(seen: AppliedContribution | None) -> Condition:
    return AppliedContribution.version == seen.version if seen else AppliedContribution.pk.does_not_exist()


def _add(write: Transaction, shard: SumKey, amounts: Mapping[str, int]) -> None:
    """Adds amounts to a shard, which begins at 0, and counts the change. For a user's sum, the user must exist."""
    if shard.is_of_user:
        write.update(User(*shard), _add_actions(amounts), User.pk.exists())
    else:
        write.update(Sum(*shard), [Sum.kind.set(Sum), Sum.changes.add(1), *_add_actions(amounts)])


def _add_actions(amounts: Mapping[str, int]) -> list[Action]:
    return [Path(name).add({"N": str(amount)}) for name, amount in amounts.items()]


def read(keys: Iterable[SumKey]) -> dict[SumKey, dict[str, int]]:
    """Returns the sums without zeros, by eventually consistent reads. One call reads 100 shards."""
    found = batch_get_raw(Sum, [shard for key in keys for shard in key.shards], consistent=False)
    return total({SumKey(*shard).whole: amounts_in(raw)} for shard, raw in found.items())


# ---- amounts --------------------------------------------------------------------------------------------------------


def total(parts: Iterable[SumAmounts]) -> dict[SumKey, dict[str, int]]:
    """Returns the total of all parts, without zeros."""
    result: dict[SumKey, dict[str, int]] = {}
    for part in parts:
        for key, amounts in part.items():
            into = result.setdefault(key, {})
            for name, amount in amounts.items():
                into[name] = into.get(name, 0) + amount
    return without_zeros(result)


def difference(new: SumAmounts, old: SumAmounts) -> dict[SumKey, dict[str, int]]:
    """Returns the amounts to add to `old` to get `new`."""
    return total([new, {key: {name: -amount for name, amount in amounts.items()} for key, amounts in old.items()}])


def without_zeros(amounts: SumAmounts) -> dict[SumKey, dict[str, int]]:
    kept = {key: {name: amount for name, amount in by_name.items() if amount} for key, by_name in amounts.items()}
    return {key: by_name for key, by_name in kept.items() if by_name}


def amounts_in(raw: Mapping[str, Any]) -> dict[str, int]:
    """Returns the amounts of a raw shard of a sum, without the count of its changes."""
    return {name: int(value["N"]) for name, value in raw.items() if "N" in value and name != Sum.changes.attr_name}


def amounts_to_json(amounts: SumAmounts) -> dict[str, dict[str, dict[str, int]]]:
    """Returns the amounts without zeros, by partition key, sort key and attribute."""
    result: dict[str, dict[str, dict[str, int]]] = {}
    for key, by_name in without_zeros(amounts).items():
        result.setdefault(key.pk, {})[key.sk] = by_name
    return result


def amounts_from_json(stored: Mapping[str, Mapping[str, Mapping[str, int]]]) -> dict[SumKey, dict[str, int]]:
    """Returns stored amounts by sum. Earlier versions stored the keys of shards."""
    return {
        SumKey(pk, sk).whole: dict(by_name) for pk, by_sort_key in stored.items() for sk, by_name in by_sort_key.items()
    }
