"""Sums that are kept as things change: an order, a user, a stock item contributes to some of them.

What a thing contributes is a pure function of its state at a version. What of it stands in the sums is written down as
applied, and one transaction moves that and adds the difference, on condition that nobody has moved it since it was
read. So the states may come twice, late and in any order: the newest that came is in the sums, once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from oms.core.dynamodb import ConcurrentUpdateError, batch_get, batch_get_raw, failed, retrying, transaction
from oms.identity.models import User, user_key
from oms.reports.models import AppliedContribution, Sum

# Operations that a transaction takes.
MAX_OPERATIONS = 100
# What one transaction takes of a chunk, beside what is applied of it.
MAX_SUMS = MAX_OPERATIONS - 1
_USERS = user_key("")[0]


class SumKey(NamedTuple):
    """The key of a sum: an item of the reports table, or a user's, whose attribute follows other things."""

    pk: str
    sk: str

    @property
    def is_of_user(self) -> bool:
        return self.pk.startswith(_USERS)


type Amounts = Mapping[SumKey, Mapping[str, int]]
"""By sum, what there is of each of its attributes."""


@dataclass(frozen=True)
class Chunk:
    """What a part of a thing contributes as of a version of the thing, to at most `MAX_SUMS` sums.

    `listed` is the list of the table's index in which the thing stands, and its place there.
    """

    thing: str
    number: int
    version: int
    amounts: Amounts
    listed: tuple[str, str] | None = None

    @property
    def key(self) -> tuple[str, str]:
        return AppliedContribution.key(self.thing, self.number)


def chunks(thing: str, version: int, amounts: Amounts, *, listed: tuple[str, str] | None = None) -> list[Chunk]:
    """A contribution in parts that fit into a transaction each; all of them stand in the list, if any.

    `amounts` names the same sums in the same order at each version, with zeros where there is nothing: so a sum is
    always in the same chunk, and each chunk goes its own way from version to version.
    """
    keys = list(amounts)
    return [
        Chunk(thing, number, version, {key: amounts[key] for key in keys[start : start + MAX_SUMS]}, listed)
        for number, start in enumerate(range(0, len(keys), MAX_SUMS))
    ]


def apply(wanted: Iterable[Chunk]) -> int:
    """Brings the sums to where they have these contributions, but for those of which newer ones are in them.

    How many chunks were moved. Each is moved whole or not at all. Raises UnavailableError after contention that did
    not pass, and botocore's errors; then some may be moved, and all may be brought again.
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
    """A chunk on its way into the sums, and what is applied of it so far."""

    chunk: Chunk
    seen: AppliedContribution | None

    @property
    def difference(self) -> dict[SumKey, dict[str, int]]:
        old = amounts_from_json(self.seen.amounts) if self.seen else {}
        return difference(self.chunk.amounts, old)


def _groups(moves: Sequence[SumUpdate]) -> Iterator[list[SumUpdate]]:
    """As many moves at once as one transaction takes; sums that several move are one operation."""
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
    """One transaction. A user who is not there any more needs no sum: who turns out to be gone is noted as such.

    Raises ConcurrentUpdateError then, and where somebody else was faster.
    """
    added = {key: amounts for key, amounts in _total_additions(group).items() if key not in gone}
    try:
        with transaction() as write:
            for move in group:
                write.save(applied_contribution(move.chunk), condition=_is_unchanged(move.seen))
            for key, amounts in added.items():
                add(write, key, amounts)
    except TransactWriteError as error:
        reasons = error.cancellation_reasons or []
        # As they stand in the transaction: what is put, then what is updated.
        gone |= {key for key, reason in zip(added, reasons[len(group) :], strict=False) if failed(reason)}
        if any(failed(reason) for reason in reasons):
            raise ConcurrentUpdateError from error
        raise


def _total_additions(group: Sequence[SumUpdate]) -> dict[SumKey, dict[str, int]]:
    """By sum, what the moves together add. Where that comes to nothing it is a change of the sum all the same: who
    reads what is applied of one before and of the other after would not find the sum.
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


def add(write: TransactWrite, key: SumKey, amounts: Mapping[str, int]) -> None:
    """Adds to a sum, which begins at 0 and of which one more change is counted; a user's only where the user is."""
    if key.is_of_user:
        write.update(User(*key), _add_actions(amounts), User.pk.exists())
    else:
        write.update(Sum(*key), additions(amounts))


def additions(amounts: Mapping[str, int]) -> list[Action]:
    """What adds these to a sum of the reports table."""
    return [Sum.kind.set(Sum), Sum.changes.add(1), *_add_actions(amounts)]


def _add_actions(amounts: Mapping[str, int]) -> list[Action]:
    return [Path(name).add({"N": str(amount)}) for name, amount in amounts.items()]


def read(keys: Iterable[SumKey]) -> dict[SumKey, dict[str, int]]:
    """The sums that are there, as they were a moment ago: one call for 100 of them."""
    found = batch_get_raw(Sum, keys, consistent=False)
    return {SumKey(*key): amounts_in(raw) for key, raw in found.items()}


# ---- amounts --------------------------------------------------------------------------------------------------------


def total(parts: Iterable[Amounts]) -> dict[SumKey, dict[str, int]]:
    """All of them added up, without what comes to nothing."""
    result: dict[SumKey, dict[str, int]] = {}
    for part in parts:
        for key, amounts in part.items():
            into = result.setdefault(key, {})
            for name, amount in amounts.items():
                into[name] = into.get(name, 0) + amount
    return without_zeros(result)


def difference(new: Amounts, old: Amounts) -> dict[SumKey, dict[str, int]]:
    """What makes `new` of `old`."""
    return total([new, {key: {name: -amount for name, amount in amounts.items()} for key, amounts in old.items()}])


def without_zeros(amounts: Amounts) -> dict[SumKey, dict[str, int]]:
    kept = {key: {name: amount for name, amount in it.items() if amount} for key, it in amounts.items()}
    return {key: it for key, it in kept.items() if it}


def amounts_in(raw: Mapping[str, Any]) -> dict[str, int]:
    """What a raw item of a sum has, but for the count of its changes."""
    return {name: int(value["N"]) for name, value in raw.items() if "N" in value and name != Sum.changes.attr_name}


def amounts_to_json(amounts: Amounts) -> dict[str, dict[str, dict[str, int]]]:
    """partition key → sort key → attribute → amount, without zeros."""
    result: dict[str, dict[str, dict[str, int]]] = {}
    for key, it in without_zeros(amounts).items():
        result.setdefault(key.pk, {})[key.sk] = it
    return result


def amounts_from_json(stored: Mapping[str, Mapping[str, Mapping[str, int]]]) -> dict[SumKey, dict[str, int]]:
    return {SumKey(pk, sk): dict(it) for pk, by_sort_key in stored.items() for sk, it in by_sort_key.items()}
