"""Sums against the things that contribute to them: what differs, named, with a way to mend it.

The things go on changing meanwhile. A sum is compared only if it did not move while what is applied of the things was
read; a difference counts only if it is the same at two looks, since the indexes that list the things lag behind; and it
is mended by a write on condition that the sum still has not moved. What is applied of a thing is compared with what it
contributed at that version. So an event that is still on its way is no difference; one that is not counted long after
it happened is.
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
from oms.reports.models import AppliedContribution, Sum
from oms.reports.sums import Amounts, Chunk, SumKey, amounts_in

# How often what moves, or may be wrong, is looked at, until it is called moving.
_LOOKS = 8
# What places a thing in a list.
_PLACE = ("listing", "created_key")


@dataclass(frozen=True)
class Difference:
    """`where` names an item. `mend` puts it right; False where it is not as it was found any more, and was left alone.

    What `counts` moves sums itself, so it is mended last.
    """

    where: str
    what: str
    mend: Callable[[], bool]
    counts: bool = False


@dataclass(frozen=True)
class Findings:
    """`moving` are the sums that were never the same at two looks, and so were compared with nothing."""

    differences: Sequence[Difference]
    moving: Sequence[str]


@dataclass(frozen=True)
class StoredSum:
    """A sum as it was read. `changes` is another number after each change of it; None where there is none."""

    amounts: Mapping[str, int] = field(default_factory=dict)
    changes: int | None = None

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "StoredSum":
        return cls(amounts_in(raw), int(raw["changes"]["N"]) if "N" in raw.get("changes", {}) else None)


type Sums = Mapping[SumKey, StoredSum]
type Part = tuple[Sequence[Difference], Amounts]
"""What is wrong with what is applied of something, and what of it should be in the sums."""

_NOTHING = StoredSum()


@dataclass(frozen=True)
class Look:
    """The sums before and after what is applied was read; and the parts that follow from that."""

    before: Sums
    after: Sums
    parts: Iterable[Part]

    def shows_still(self, key: SumKey) -> bool:
        return self.before.get(key, _NOTHING).changes == self.after.get(key, _NOTHING).changes


def compare(look: Callable[[], Look], *, concerns: Callable[[SumKey], bool] = lambda _: True) -> Findings:
    """The sums that a look is at against all that should be in them. Those that are not there are missing only where it
    `concerns` them.
    """
    wrong: list[Difference] = []
    of_parts: list[Difference] = []
    suspected: dict[SumKey, Mapping[str, int]] = {}
    waiting: set[SumKey] | None = None
    for _ in range(_LOOKS):
        seen = look()
        parts = list(seen.parts)
        of_parts = [it for found, _ in parts for it in found]
        right = sums.total(amounts for _, amounts in parts)
        if waiting is None:
            waiting = {*seen.before, *seen.after, *filter(concerns, right)}
        for key in filter(seen.shows_still, sorted(waiting)):
            found, expected = seen.after.get(key, _NOTHING), right.get(key, {})
            by = sums.difference({key: expected}, {key: found.amounts}).get(key)
            if by and by != suspected.get(key):
                suspected[key] = by
                continue
            waiting.discard(key)
            if by:
                wrong.append(_of_sum(key, found, expected))
        if not waiting:
            break
    return Findings([*wrong, *of_parts], sorted(map(_name, waiting or ())))


def _of_sum(key: SumKey, found: StoredSum, right: Mapping[str, int]) -> Difference:
    due = {name: right.get(name, 0) for name in sorted(found.amounts.keys() | right)}
    wrong = "; ".join(
        f"{name} {found.amounts.get(name, 0)}, not {n}" for name, n in due.items() if n != found.amounts.get(name, 0)
    )
    write: Callable[[], object]
    if key.is_of_user:
        absent = User.open_orders.does_not_exist() & User.pk.exists()
        unmoved = absent if found.changes is None else User.open_orders == found.changes
        write = partial(update_item, User(*key), _set(due), unmoved)
    else:
        unmoved = Sum.changes.does_not_exist() if found.changes is None else Sum.changes == found.changes
        write = partial(update_item, Sum(*key), [Sum.kind.set(Sum), Sum.changes.add(1), *_set(due)], unmoved)
    return Difference(_name(key), f"{'has' if found.amounts else 'is missing'}: {wrong}", partial(_still, write))


def _set(amounts: Mapping[str, int]) -> list[Action]:
    return [Path(name).set(amount) for name, amount in amounts.items()]


def _name(key: SumKey) -> str:
    return f"{key.pk}/{key.sk}"


# ---- what is applied ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Thing:
    """What contributes: `now`, and at a version (None: that is forgotten). What happened to one that is `settled` has
    been told long ago.
    """

    now: Sequence[Chunk]
    at: Callable[[int], Sequence[Chunk] | None]
    settled: bool


type Applications = Mapping[Key, Mapping[str, Any]]
"""What is applied, raw, by key."""


def parts_of(thing: Thing, applied: Applications) -> Iterator[Part]:
    """A part for each chunk. What is applied was read before the thing: so it is never newer."""
    for chunk in thing.now:
        where, raw = "/".join(chunk.key), applied.get(chunk.key)
        count = partial(Difference, where, mend=partial(_count, chunk), counts=True)
        if raw is None:
            yield [count(f"is missing: version {chunk.version} is not counted")] if thing.settled else [], {}
            continue
        version, stands = read_applied(raw)
        right = chunk if version is None or version >= chunk.version else _at(thing, chunk.number, version)
        if right is None:
            found, due = [], stands
        else:
            found, due = _against(right, raw), _amounts(right)
        if version is not None and version < chunk.version and thing.settled and due != _amounts(chunk):
            found.append(count(f"is behind: version {version} is counted, not {chunk.version}"))
        yield found, due


def read_applied(raw: Mapping[str, Any]) -> tuple[int | None, Amounts]:
    """The version, and what stands in the sums; no version where that cannot be read."""
    try:
        stands = sums.amounts_from_json(json.loads(raw["amounts"]["S"]))
        whole = {key: {name: int(amount) for name, amount in it.items()} for key, it in stands.items()}
        return int(raw["version"]["N"]), whole
    except (AttributeError, LookupError, TypeError, ValueError):
        return None, {}


def _at(thing: Thing, number: int, version: int) -> Chunk | None:
    chunks = thing.at(version)
    return chunks[number] if chunks else None


def _against(right: Chunk, raw: Mapping[str, Any]) -> list[Difference]:
    """How what is applied differs from what it should be."""
    expected = sums.applied_contribution(right)
    due = expected.serialize()
    version, stands = read_applied(raw)
    if (version, stands) == (right.version, _amounts(right)) and all(raw.get(it) == due.get(it) for it in _PLACE):
        return []
    unmoved = _is_as_read("amounts", raw)
    if version is not None:
        unmoved &= AppliedContribution.version == version
    mend = partial(_still, partial(put_item, expected, unmoved))
    return [Difference("/".join(right.key), f"has {_told(raw)}, not {_told(due)}", mend)]


def _is_as_read(name: str, raw: Mapping[str, Any]) -> Condition:
    if name not in raw:
        return Path(name).does_not_exist()
    return Path(name) == raw[name]["S"] if "S" in raw[name] else Path(name).exists()


def _told(raw: Mapping[str, Any]) -> str:
    return " ".join(f"{it}={next(iter(raw[it].values()))}" for it in ("version", "amounts", *_PLACE) if it in raw)


def _amounts(chunk: Chunk) -> Amounts:
    return sums.without_zeros(chunk.amounts)


def _count(chunk: Chunk) -> bool:
    sums.apply([chunk])
    return True


def _still(write: Callable[[], object]) -> bool:
    """Makes a conditional write; whether its condition held."""
    try:
        retrying(write)
    except ConditionFailedError:
        return False
    return True
