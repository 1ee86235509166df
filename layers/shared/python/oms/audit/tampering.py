"""Classification of the audit table's changes: new entries to seal, and changes that no part of the system makes."""

from dataclasses import dataclass
from datetime import date, timedelta

from oms.audit.counters import is_tampered
from oms.core import clock
from oms.events.streams import Change, RawItem

# Kinds of items that never change after they are put. Heads change.
_IMMUTABLE = ("entry", "link")
# The stream keeps changes for a day, but an operator may redrive a quarantined one much later.
_MAX_AGE = timedelta(days=400)


@dataclass(frozen=True)
class NewEntry:
    item: RawItem


@dataclass(frozen=True)
class Tampering:
    """A change that the system never makes. `how` completes the sentence "an item was …"; `place` is the item's key."""

    how: str
    place: str


def classify_change(change: Change) -> NewEntry | Tampering | None:
    partition, sort = (change.keys[name]["S"] for name in ("pk", "sk"))
    place = f"{partition}/{sort}"
    if change.new is None:
        return Tampering("removed", place)
    if change.old is None:
        if change.new["kind"]["S"] != "entry":
            return None
        return (
            NewEntry(change.new)
            if _is_key(partition, sort)
            else Tampering("put under a key that no entry can have", place)
        )
    if change.old["kind"]["S"] in _IMMUTABLE or is_tampered(change.old, change.new):
        return Tampering("changed", place)
    return None


def _is_key(partition: str, sort: str) -> bool:
    """Returns whether an entry may have this key.

    If an entry of the year 9999 was sealed, the verifier would have to walk all days up to it.
    """
    try:
        day = date.fromisoformat(sort[: len("2026-01-31")])
    except ValueError:
        return False
    age = clock.now().date() - day
    return -timedelta(days=1) <= age <= _MAX_AGE and partition == f"day#{day}" and sort.startswith(str(day))
