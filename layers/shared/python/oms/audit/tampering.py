"""What the audit table's stream tells: entries to seal, and what no part of the system ever does to that table."""

from dataclasses import dataclass
from datetime import date, timedelta

from oms.audit.counters import is_tampered
from oms.core import clock
from oms.events.streams import Change, RawItem

# Put once, and never changed. Heads move.
_LASTING = ("entry", "link")
# The stream forgets after a day, and what was set aside is tried again by people.
_OLDEST = timedelta(days=400)


@dataclass(frozen=True)
class Entry:
    item: RawItem


@dataclass(frozen=True)
class Tampering:
    """An item was changed or removed that never is; `place` is its key."""

    how: str
    place: str


def understand(change: Change) -> Entry | Tampering | None:
    partition, sort = (change.keys[name]["S"] for name in ("pk", "sk"))
    place = f"{partition}/{sort}"
    if change.new is None:
        return Tampering("removed", place)
    if change.old is None:
        if change.new["kind"]["S"] != "entry":
            return None
        return Entry(change.new) if _is_key(partition, sort) else Tampering("put under a key that no entry has", place)
    if change.old["kind"]["S"] in _LASTING or is_tampered(change.old, change.new):
        return Tampering("changed", place)
    return None


def _is_key(partition: str, sort: str) -> bool:
    """Whether an entry may have it: sealed, one of the year 9999 would have the verifier walk there day by day."""
    try:
        day = date.fromisoformat(sort[: len("2026-01-31")])
    except ValueError:
        return False
    age = clock.now().date() - day
    return -timedelta(days=1) <= age <= _OLDEST and partition == f"day#{day}" and sort.startswith(str(day))
