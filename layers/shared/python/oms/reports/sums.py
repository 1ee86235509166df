"""Sums to which contributors (orders, users and stock items) add amounts.

A contribution is a pure function of the contributor's state at a version. The applied contribution is stored. One
transaction replaces it and adds the difference to the sums, on condition that it is unchanged since it was read. So
states can arrive repeatedly, late and in any order: the sums include the newest one, once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from oms.core.dynamodb import ConcurrentUpdateError, batch_get, batch_get_raw, retrying
from oms.core.transactions import Transaction, TransactionError, transaction
from oms.identity.models import User, user_key
from oms.reports.models import AppliedContribution, Sum

# The maximum of operations in a transaction.
MAX_OPERATIONS = 100
# The sums of a chunk that fit into one transaction, beside its applied contribution.
MAX_SUMS = MAX_OPERATIONS - 1
_USERS = user_key("")[0]


class SumKey(NamedTuple):
    """The key of a sum: an item of the reports table, or the item of a user with a count of open orders."""

    pk: str
    sk: str

    @property
    def is_of_user(self) -> bool:
        return self.pk.startswith(_USERS)


type Amounts = Mapping[SumKey, Mapping[str, int]]
"""The amount of each attribute, by sum."""


@dataclass(frozen=True)
class Chunk:
    """A part of a contribution, as of a version of its contributor, to at most `MAX_SUMS` sums.

    `listed`: the list of the table's index that has the contributor, and its place there.
    """

    contributor: str
    number: int
    version: int
    amounts: Amounts
    listed: tuple[str, str] | None = None

    @property
    def key(self) -> tuple[str, str]:
        return AppliedContribution.key(self.contributor, self.number)


def chunks(contributor: str, version: int, amounts: Amounts, *, listed: tuple[str, str] | None = None) -> list[Chunk]:
    """A contribution in parts that each fit into one transaction. `listed` applies to each part.

    `amounts` must name the same sums in the same order at each version, with zeros if need be. So a sum is always in
    the same chunk, and chunks are applied independently of each other.
    """
    keys = list(amounts)
    return [
        Chunk(contributor, number, version, {key: amounts[key] for key in keys[start : start + MAX_SUMS]}, listed)
        for number, start in enumerate(range(0, len(keys), MAX_SUMS))
    ]


def apply(wanted: Iterable[Chunk]) -> int:
    """Applies these contributions to the sums, except those of which newer ones are applied already.

    Returns the number of applied chunks. Each is applied completely or not at all. Raises UnavailableError after long
    contention, and botocore's errors; some chunks may be applied then, and all can be retried.
    """
    newest: dict[tuple[str, str], Chunk] = {}
    for chunk in sorted(wanted, key=lambda it: it.version):
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
        for group in _groups(moves):
            _write(group, gone)
            moved.update(it.chunk.key for it in group)

    retrying(attempt)
    return len(moved)


@dataclass(frozen=True)
class SumUpdate:
    """A chunk to apply, and its applied contribution so far."""

    chunk: Chunk
    seen: AppliedContribution | None

    @property
    def difference(self) -> dict[SumKey, dict[str, int]]:
        old = amounts_from_json(self.seen.amounts) if self.seen else {}
        return difference(self.chunk.amounts, old)


def _groups(moves: Sequence[SumUpdate]) -> Iterator[list[SumUpdate]]:
    """The updates in groups that fit into one transaction. A sum that several updates change is one operation."""
    group: list[SumUpdate] = []
    touched: set[SumKey] = set()
    for move in moves:
        union = touched | move.difference.keys()
        if group and len(group) + 1 + len(union) > MAX_OPERATIONS:
            yield group
            group, union = [], set(move.difference)
        group.append(move)
        touched = union
    if group:
        yield group


def _write(group: Sequence[SumUpdate], gone: set[SumKey]) -> None:
    """Writes a group by one transaction. Adds deleted users, who need no sum, to `gone`.

    Raises ConcurrentUpdateError after that, or if another worker has changed an applied contribution.
    """
    added = {key: amounts for key, amounts in _total_additions(group).items() if key not in gone}
    try:
        with transaction() as write:
            for move in group:
                write.save(applied_contribution(move.chunk), condition=_is_unchanged(move.seen))
            for key, amounts in added.items():
                add(write, key, amounts)
    except TransactionError as error:
        gone |= {key for key in added if key.is_of_user and error.failed(User(*key))}
        if error.any_failed:
            raise ConcurrentUpdateError from error
        raise


def _total_additions(group: Sequence[SumUpdate]) -> dict[SumKey, dict[str, int]]:
    """The total that the updates add to each sum. A zero total still counts as a change of the sum.

    Otherwise a process that reads one applied contribution before and another one after could not detect the change.
    """
    differences = [it.difference for it in group]
    nothing: dict[SumKey, dict[str, int]] = {key: {} for it in differences for key in it if not key.is_of_user}
    return nothing | total(differences)


def applied_contribution(chunk: Chunk) -> AppliedContribution:
    listing, place = chunk.listed or (None, None)
    return AppliedContribution(
        *chunk.key, version=chunk.version, amounts=amounts_to_json(chunk.amounts), listing=listing, created_key=place
    )


def _is_unchanged(seen: AppliedContribution | None) -> Condition:
    return AppliedContribution.version == seen.version if seen else AppliedContribution.pk.does_not_exist()


def add(write: Transaction, key: SumKey, amounts: Mapping[str, int]) -> None:
    """Adds to a sum, which begins at 0, and counts the change. A user's sum requires that the user exists."""
    if key.is_of_user:
        write.update(User(*key), _add_actions(amounts), User.pk.exists())
    else:
        write.update(Sum(*key), additions(amounts))


def additions(amounts: Mapping[str, int]) -> list[Action]:
    """The actions that add these amounts to a sum of the reports table."""
    return [Sum.kind.set(Sum), Sum.changes.add(1), *_add_actions(amounts)]


def _add_actions(amounts: Mapping[str, int]) -> list[Action]:
    return [Path(name).add({"N": str(amount)}) for name, amount in amounts.items()]


def read(keys: Iterable[SumKey]) -> dict[SumKey, dict[str, int]]:
    """The stored sums, by eventually consistent reads: one call per 100 sums."""
    found = batch_get_raw(Sum, keys, consistent=False)
    return {SumKey(*key): amounts_in(raw) for key, raw in found.items()}


# ---- amounts --------------------------------------------------------------------------------------------------------


def total(parts: Iterable[Amounts]) -> dict[SumKey, dict[str, int]]:
    """The total of all parts, without zeros."""
    result: dict[SumKey, dict[str, int]] = {}
    for part in parts:
        for key, amounts in part.items():
            into = result.setdefault(key, {})
            for name, amount in amounts.items():
                into[name] = into.get(name, 0) + amount
    return without_zeros(result)


def difference(new: Amounts, old: Amounts) -> dict[SumKey, dict[str, int]]:
    """The amounts to add to `old` to get `new`."""
    return total([new, {key: {name: -amount for name, amount in amounts.items()} for key, amounts in old.items()}])


def without_zeros(amounts: Amounts) -> dict[SumKey, dict[str, int]]:
    kept = {key: {name: amount for name, amount in it.items() if amount} for key, it in amounts.items()}
    return {key: it for key, it in kept.items() if it}


def amounts_in(raw: Mapping[str, Any]) -> dict[str, int]:
    """The amounts of a raw item of a sum, without the count of its changes."""
    return {name: int(value["N"]) for name, value in raw.items() if "N" in value and name != Sum.changes.attr_name}


def amounts_to_json(amounts: Amounts) -> dict[str, dict[str, dict[str, int]]]:
    """partition key → sort key → attribute → amount, without zeros."""
    result: dict[str, dict[str, dict[str, int]]] = {}
    for key, it in without_zeros(amounts).items():
        result.setdefault(key.pk, {})[key.sk] = it
    return result


def amounts_from_json(stored: Mapping[str, Mapping[str, Mapping[str, int]]]) -> dict[SumKey, dict[str, int]]:
    return {SumKey(pk, sk): dict(it) for pk, by_sort_key in stored.items() for sk, it in by_sort_key.items()}
