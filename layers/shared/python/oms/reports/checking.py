"""Compares sums with the orders, stock and users that contribute to them, and repairs differences.

Orders, stock and users change during a check. So a sum is compared only if it did not change while the applied
contributions were read. A difference counts only if two snapshots have it, because the indexes that list the
contributors lag behind. A repair is a conditional write, which requires that the item has not changed. An event that
has not arrived yet is not a difference; an event that is still not counted much later is one.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from oms.core.dynamodb import Key, is_written, put_item, update_item
from oms.core.retries import retrying
from oms.core.transactions import TransactionError, transaction
from oms.identity.models import User
from oms.reports import sums
from oms.reports.models import Sum
from oms.reports.sum_keys import SumKey
from oms.reports.sums import Chunk, SumAmounts, amounts_in

# Snapshots of a sum. If it changed during each of them, it is reported as moving.
_MAX_SNAPSHOTS = 8
# The attributes by which an index lists a contributor.
_LIST_ATTRIBUTES = ("listing", "created_key")


@dataclass(frozen=True)
class SumDifference:
    """One wrong item, with its name in `where`. `repair` corrects it, or returns False if the item has changed."""

    where: str
    text: str
    repair: Callable[[], bool]


@dataclass(frozen=True)
class CheckResult:
    """The differences, and in `moving` the sums that were not compared because they changed during every snapshot."""

    differences: Sequence[SumDifference]
    moving: Sequence[str]


@dataclass(frozen=True)
class StoredSum:
    """A stored sum. `changes` has the number of changes of each shard that exists, or None if that is not a number."""

    amounts: Mapping[str, int] = field(default_factory=dict)
    changes: Mapping[SumKey, int | None] = field(default_factory=dict)


type Sums = Mapping[SumKey, StoredSum]
type CheckedPart = tuple[Sequence[SumDifference], SumAmounts]
"""The differences of one applied contribution, and the amounts that it should add to the sums."""

_MISSING = StoredSum()


def sums_of(items: Iterable[Mapping[str, Any]]) -> Sums:
    """Returns the sums of these raw shards. Amounts are without zeros."""
    shards = {SumKey(raw["pk"]["S"], raw["sk"]["S"]): raw for raw in items}
    amounts = sums.total({shard.whole: amounts_in(raw)} for shard, raw in shards.items())
    changes: dict[SumKey, dict[SumKey, int | None]] = {}
    for shard, raw in shards.items():
        number = raw.get("changes", {}).get("N")
        changes.setdefault(shard.whole, {})[shard] = None if number is None else int(number)
    return {key: StoredSum(amounts.get(key, {}), of_shards) for key, of_shards in changes.items()}


@dataclass(frozen=True)
class SumSnapshot:
    """The sums before and after the applied contributions were read, and the parts of those contributions."""

    before: Sums
    after: Sums
    parts: Iterable[CheckedPart]

    def is_unchanged(self, key: SumKey) -> bool:
        return self.before.get(key, _MISSING).changes == self.after.get(key, _MISSING).changes


def compare(
    take_snapshot: Callable[[], SumSnapshot], *, concerns: Callable[[SumKey], bool] = lambda _: True
) -> CheckResult:
    """Compares the sums of snapshots with the totals of their parts.

    A sum that does not exist is missing only if the check `concerns` it. Callers must repair the differences in this
    order, sums first, because the repair of a contribution changes sums.
    """
    wrong: list[SumDifference] = []
    of_parts: list[SumDifference] = []
    suspected: dict[SumKey, Mapping[str, int]] = {}
    pending: set[SumKey] | None = None
    for _ in range(_MAX_SNAPSHOTS):
        seen = take_snapshot()
        parts = list(seen.parts)
        of_parts = [difference for found, _ in parts for difference in found]
        right = sums.total(amounts for _, amounts in parts)
        if pending is None:
            pending = {*seen.before, *seen.after, *filter(concerns, right)}
        for key in filter(seen.is_unchanged, sorted(pending)):
            stored, expected = seen.after.get(key, _MISSING), right.get(key, {})
            by = sums.difference({key: expected}, {key: stored.amounts}).get(key)
            if by and by != suspected.get(key):
                suspected[key] = by
                continue
            pending.discard(key)
            if by:
                wrong.append(_difference_of_sum(key, stored, expected))
        if not pending:
            break
    return CheckResult([*wrong, *of_parts], sorted(map(_name, pending or ())))


def _difference_of_sum(key: SumKey, stored: StoredSum, right: Mapping[str, int]) -> SumDifference:
    due = {name: right.get(name, 0) for name in sorted(stored.amounts.keys() | right)}
    wrong = "; ".join(
        f"{name} {stored.amounts.get(name, 0)}, not {n}" for name, n in due.items() if n != stored.amounts.get(name, 0)
    )
    repair: Callable[[], bool]
    if key.is_of_user:
        number = stored.changes.get(key)
        absent = User.open_orders.does_not_exist() & User.pk.exists()
        unchanged = absent if number is None else User.open_orders == number
        repair = partial(is_written, partial(update_item, User(*key), _set(due), unchanged))
    else:
        repair = partial(_replace, {key: None, **stored.changes}, key, due)
    text = f"{'has' if stored.changes else 'is missing'}: {wrong}"
    return SumDifference(_name(key), text, repair)


def _replace(changes: Mapping[SumKey, int | None], key: SumKey, amounts: Mapping[str, int]) -> bool:
    """Stores these amounts in shard 0 and zeros in the others, if none of these shards has changed; returns whether.

    A shard that another process creates meanwhile has only its own changes, which are not in `amounts` either.
    """

    def write_all() -> None:
        with transaction() as write:
            for shard, number in changes.items():
                unchanged = Sum.changes.does_not_exist() if number is None else Sum.changes == number
                due = amounts if shard == key else dict.fromkeys(amounts, 0)
                write.update(Sum(*shard), [Sum.kind.set(Sum), Sum.changes.add(1), *_set(due)], unchanged)

    try:
        retrying(write_all)
    except TransactionError as error:
        if error.any_failed:
            return False
        raise
    return True


def _set(amounts: Mapping[str, int]) -> list[Action]:
    return [Path(name).set(amount) for name, amount in amounts.items()]


def _name(key: SumKey) -> str:
    return f"{key.pk}/{key.sk}"


# ---- applied contributions ------------------------------------------------------------------------------------------


type Applications = Mapping[Key, Mapping[str, Any]]
"""The raw applied contributions by key."""


def parts_of(chunks: Iterable[Chunk], applied: Applications, *, is_settled: bool) -> Iterator[CheckedPart]:
    """Yields a part for each chunk of a contributor's current contribution.

    `applied` was read before the contributor, so no part of it is newer. An older one counts until the contributor is
    settled, since its event may still arrive. After that, the event is lost.
    """
    for chunk in chunks:
        where, raw = "/".join(chunk.key), applied.get(chunk.key)
        if raw is None:
            missing = SumDifference(
                where, f"is missing: version {chunk.version} is not counted", partial(_count, chunk)
            )
            yield [missing] if is_settled else [], {}
            continue
        version, amounts = read_applied(raw)
        if version is None or version >= chunk.version:
            yield _differences_of_applied(chunk, raw), _amounts(chunk)
        else:
            behind = f"is behind: version {version} is counted, not {chunk.version}"
            is_lost = is_settled and amounts != _amounts(chunk)
            yield [SumDifference(where, behind, partial(_count, chunk))] if is_lost else [], amounts


def read_applied(raw: Mapping[str, Any]) -> tuple[int | None, SumAmounts]:
    """Returns the version and the amounts. The version is None if the item is unreadable."""
    try:
        stored = sums.amounts_from_json(json.loads(raw["amounts"]["S"]))
        amounts = {key: {name: int(amount) for name, amount in by_name.items()} for key, by_name in stored.items()}
        return int(raw["version"]["N"]), amounts
    except (AttributeError, LookupError, TypeError, ValueError):
        return None, {}


def _differences_of_applied(chunk: Chunk, raw: Mapping[str, Any]) -> list[SumDifference]:
    """Returns the differences between an applied contribution and its current chunk."""
    expected = sums.applied_contribution(chunk)
    due = expected.serialize()
    if read_applied(raw) == (chunk.version, _amounts(chunk)) and all(
        raw.get(name) == due.get(name) for name in _LIST_ATTRIBUTES
    ):
        return []
    unchanged = _is_unchanged("version", raw) & _is_unchanged("amounts", raw)
    write = partial(put_item, expected, unchanged)
    text = f"has {_text_of(raw)}, not {_text_of(due)}"
    return [SumDifference("/".join(chunk.key), text, partial(is_written, write))]


def _is_unchanged(name: str, raw: Mapping[str, Any]) -> Condition:
    return Path(name) == raw[name] if name in raw else Path(name).does_not_exist()


def _text_of(raw: Mapping[str, Any]) -> str:
    names = ("version", "amounts", *_LIST_ATTRIBUTES)
    return " ".join(f"{name}={next(iter(raw[name].values()))}" for name in names if name in raw)


def _amounts(chunk: Chunk) -> SumAmounts:
    return sums.without_zeros(chunk.amounts)


def _count(chunk: Chunk) -> bool:
    sums.apply([chunk])
    return True
