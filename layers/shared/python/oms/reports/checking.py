"""Compares sums with the orders, stock and users that contribute to them; each difference has a repair.

Orders, stock and users change meanwhile. So a sum is compared only if it did not change while the applied contributions
were read, and a difference counts only if two looks find the same one, because the indexes that list the contributors
lag behind. A repair is a write on condition that the item still has not changed. An event that has not arrived yet is
not a difference; one that has not been counted long after it happened is.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action

from oms.core.dynamodb import ConditionFailedError, Key, put_item, retrying, update_item
from oms.identity.models import User
from oms.reports import sums
from oms.reports.models import Sum
from oms.reports.sums import Amounts, Chunk, SumKey, amounts_in

# The number of looks after which a sum that changed during each one is reported as moving.
_MAX_LOOKS = 8
# The attributes that place a contributor in a list.
_LIST_ATTRIBUTES = ("listing", "created_key")


@dataclass(frozen=True)
class SumDifference:
    """`where` names an item. `repair` corrects it; it returns False, and writes nothing, if the item has changed."""

    where: str
    text: str
    repair: Callable[[], bool]


@dataclass(frozen=True)
class CheckResult:
    """`moving` are the sums that changed during every look, and so were not compared."""

    differences: Sequence[SumDifference]
    moving: Sequence[str]


@dataclass(frozen=True)
class StoredSum:
    """A sum as it was read. `changes` is a different number after each change of it; None if it does not exist."""

    amounts: Mapping[str, int] = field(default_factory=dict)
    changes: int | None = None

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "StoredSum":
        return cls(amounts_in(raw), int(raw["changes"]["N"]) if "N" in raw.get("changes", {}) else None)


type Sums = Mapping[SumKey, StoredSum]
type Part = tuple[Sequence[SumDifference], Amounts]
"""The differences of one applied contribution, and the amounts that it should have in the sums."""

_MISSING = StoredSum()


@dataclass(frozen=True)
class Look:
    """The sums before and after the applied contributions were read, and the parts that follow from those."""

    before: Sums
    after: Sums
    parts: Iterable[Part]

    def is_unchanged(self, key: SumKey) -> bool:
        return self.before.get(key, _MISSING).changes == self.after.get(key, _MISSING).changes


def compare(look: Callable[[], Look], *, concerns: Callable[[SumKey], bool] = lambda _: True) -> CheckResult:
    """Compares the sums that a look reads with the total of its parts.

    A sum that does not exist is missing only if the check `concerns` it. Repair the differences in their order: the
    sums first, since counting a contribution changes sums.
    """
    wrong: list[SumDifference] = []
    of_parts: list[SumDifference] = []
    suspected: dict[SumKey, Mapping[str, int]] = {}
    pending: set[SumKey] | None = None
    for _ in range(_MAX_LOOKS):
        seen = look()
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
    write: Callable[[], object]
    if key.is_of_user:
        absent = User.open_orders.does_not_exist() & User.pk.exists()
        unchanged = absent if stored.changes is None else User.open_orders == stored.changes
        write = partial(update_item, User(*key), _set(due), unchanged)
    else:
        unchanged = Sum.changes.does_not_exist() if stored.changes is None else Sum.changes == stored.changes
        write = partial(update_item, Sum(*key), [Sum.kind.set(Sum), Sum.changes.add(1), *_set(due)], unchanged)
    text = f"{'has' if stored.amounts else 'is missing'}: {wrong}"
    return SumDifference(_name(key), text, partial(_write_if_unchanged, write))


def _set(amounts: Mapping[str, int]) -> list[Action]:
    return [Path(name).set(amount) for name, amount in amounts.items()]


def _name(key: SumKey) -> str:
    return f"{key.pk}/{key.sk}"


# ---- applied contributions ------------------------------------------------------------------------------------------


type Applications = Mapping[Key, Mapping[str, Any]]
"""The applied contributions by key, raw."""


def parts_of(chunks: Iterable[Chunk], applied: Applications, *, is_settled: bool) -> Iterator[Part]:
    """A part for each chunk of a contributor's current contribution.

    `applied` was read before the contributor, so no part of it is newer. An older one counts as it is until the
    contributor is settled: the event that replaces it is still on its way. After that, the event is lost.
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


def read_applied(raw: Mapping[str, Any]) -> tuple[int | None, Amounts]:
    """The version and the amounts; no version if the item cannot be read."""
    try:
        stored = sums.amounts_from_json(json.loads(raw["amounts"]["S"]))
        amounts = {key: {name: int(amount) for name, amount in it.items()} for key, it in stored.items()}
        return int(raw["version"]["N"]), amounts
    except (AttributeError, LookupError, TypeError, ValueError):
        return None, {}


def _differences_of_applied(chunk: Chunk, raw: Mapping[str, Any]) -> list[SumDifference]:
    """Compares an applied contribution with the chunk that it should have."""
    expected = sums.applied_contribution(chunk)
    due = expected.serialize()
    if read_applied(raw) == (chunk.version, _amounts(chunk)) and all(
        raw.get(name) == due.get(name) for name in _LIST_ATTRIBUTES
    ):
        return []
    unchanged = _is_as_read("version", raw) & _is_as_read("amounts", raw)
    write = partial(put_item, expected, unchanged)
    text = f"has {_text_of(raw)}, not {_text_of(due)}"
    return [SumDifference("/".join(chunk.key), text, partial(_write_if_unchanged, write))]


def _is_as_read(name: str, raw: Mapping[str, Any]) -> Condition:
    return Path(name) == raw[name] if name in raw else Path(name).does_not_exist()


def _text_of(raw: Mapping[str, Any]) -> str:
    names = ("version", "amounts", *_LIST_ATTRIBUTES)
    return " ".join(f"{name}={next(iter(raw[name].values()))}" for name in names if name in raw)


def _amounts(chunk: Chunk) -> Amounts:
    return sums.without_zeros(chunk.amounts)


def _count(chunk: Chunk) -> bool:
    sums.apply([chunk])
    return True


def _write_if_unchanged(write: Callable[[], object]) -> bool:
    """Makes a conditional write; returns whether its condition held."""
    try:
        retrying(write)
    except ConditionFailedError:
        return False
    return True
