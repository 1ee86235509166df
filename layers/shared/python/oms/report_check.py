"""Sums against the things that contribute to them: what differs, named, with a way to mend it.

The things go on changing meanwhile. A sum counts the transactions that touched it, so it is compared only if none did
while the things around it were read; and it is mended by a write on condition that still none has. What is applied of a
thing is compared with what it contributed at that version. So an event that is still on its way is no difference; one
that is not counted long after it happened is.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from oms.dynamodb import ConditionFailedError, Key, put_item, retrying, update_item
from oms.reports import sums
from oms.reports.models import Applied, Sum
from oms.reports.sums import Amounts, Chunk, SumKey, amounts_in

# How often what moves is looked at, until it is called moving.
_LOOKS = 5


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
    """`moving` are the sums that changed at each look, and so were compared with nothing."""

    differences: Sequence[Difference] = ()
    moving: Sequence[str] = ()


@dataclass(frozen=True)
class StoredSum:
    """A sum as it was read. `changes` is None where there is none."""

    amounts: Mapping[str, int] = field(default_factory=dict)
    changes: int | None = None

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "StoredSum":
        return cls(amounts_in(raw), int(raw["changes"]["N"]) if "changes" in raw else None)


type Sums = Mapping[SumKey, StoredSum]

_NOTHING = StoredSum()


@dataclass(frozen=True)
class Thing:
    """What contributes: `now`, and at a version (None: that is forgotten). What happened to one that is `settled` has
    been told long ago.
    """

    now: Sequence[Chunk]
    at: Callable[[int], Sequence[Chunk] | None]
    settled: bool


type Applications = Mapping[Key, Applied]
type Part = tuple[Sequence[Difference], Amounts]
"""What is wrong with what is applied of something, and what of it should be in the sums."""


def compare(
    read: Callable[[], Sums], parts: Callable[[], Iterable[Part]], *, concerns: Callable[[SumKey], bool]
) -> Findings:
    """The sums that `read` gives, those that it `concerns`, against all that should be in them."""
    differences: dict[str, Difference] = {}
    waiting: set[SumKey] | None = None
    for _ in range(_LOOKS):
        before = read()
        standing: list[Amounts] = []
        for found, amounts in parts():
            differences |= {it.where: it for it in found}
            standing.append(amounts)
        after = read()
        right = {key: amounts for key, amounts in sums.total(standing).items() if concerns(key)}
        keys = before.keys() | after.keys() | right.keys()
        unmoved = {it for it in keys if before.get(it, _NOTHING).changes == after.get(it, _NOTHING).changes}
        for key in unmoved if waiting is None else unmoved & waiting:
            differences |= {it.where: it for it in compared(key, after.get(key, _NOTHING), right.get(key, {}))}
        waiting = (keys if waiting is None else waiting) - unmoved
        if not waiting:
            break
    return Findings(list(differences.values()), sorted(map(_name, waiting or ())))


def parts_of(thing: Thing, applied: Applications) -> Iterator[Part]:
    """A part for each chunk. `applied` may be read before the thing, but never after: so it is never newer."""
    for chunk in thing.now:
        where, seen = "/".join(chunk.key), applied.get(chunk.key)
        count = partial(Difference, where, mend=partial(_count, chunk), counts=True)
        if seen is None:
            yield [count(f"is missing: version {chunk.version} is not counted")] if thing.settled else [], {}
            continue
        found, right = _check_applied(thing, chunk, seen)
        if seen.version < chunk.version and thing.settled and right != _amounts(chunk):
            found.append(count(f"is behind: version {seen.version} is counted, not {chunk.version}"))
        yield found, right


def _check_applied(thing: Thing, now: Chunk, seen: Applied) -> tuple[list[Difference], Amounts]:
    """What is wrong with it, and what it should be."""
    was = thing.at(seen.version) if seen.version < now.version else thing.now
    stands = sums.from_json(seen.amounts)
    if was is None:
        return [], stands
    right = was[now.number]
    expected = sums.applied(right)
    if (seen.version, stands, seen.listing) == (right.version, _amounts(right), expected.listing):
        return [], stands
    what = f"has version {seen.version} with {seen.amounts}, not {right.version} with {expected.amounts}"
    mend = partial(still, partial(put_item, expected, Applied.version == seen.version))
    return [Difference("/".join(now.key), what, mend)], _amounts(right)


def _amounts(chunk: Chunk) -> Amounts:
    return sums.without_zeros(chunk.amounts)


def _count(chunk: Chunk) -> bool:
    sums.apply([chunk])
    return True


def compared(key: SumKey, found: StoredSum, right: Mapping[str, int]) -> list[Difference]:
    by = sums.difference({key: right}, {key: found.amounts}).get(key)
    if not by:
        return []
    wrong = "; ".join(f"{name} {found.amounts.get(name, 0)}, not {right.get(name, 0)}" for name in sorted(by))
    what = f"{'is missing' if found.changes is None else 'has'}: {wrong}"
    unmoved = Sum.changes == found.changes if found.changes is not None else Sum.changes.does_not_exist()
    mend = partial(still, partial(update_item, Sum(*key), sums.additions(by), unmoved))
    return [Difference(_name(key), what, mend)]


def _name(key: SumKey) -> str:
    return f"{key.pk}/{key.sk}"


def still(write: Callable[[], object]) -> bool:
    """Makes a conditional write; whether its condition held."""
    try:
        retrying(write)
    except ConditionFailedError:
        return False
    return True
