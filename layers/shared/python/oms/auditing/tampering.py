"""What the audit table's stream tells: entries to seal, and what no part of the system ever does to that table."""

from dataclasses import dataclass

from oms.auditing.counters import is_tampered
from oms.streams import Change, RawItem

# Put once, and never changed. Heads move.
_LASTING = ("entry", "link")


@dataclass(frozen=True)
class Entry:
    item: RawItem


@dataclass(frozen=True)
class Tampering:
    """An item was changed or removed that never is; `place` is its key."""

    how: str
    place: str


def understand(change: Change) -> Entry | Tampering | None:
    place = "/".join(change.keys[name]["S"] for name in ("pk", "sk"))
    if change.new is None:
        return Tampering("removed", place)
    if change.old is None:
        return Entry(change.new) if change.new["kind"]["S"] == "entry" else None
    if change.old["kind"]["S"] in _LASTING or is_tampered(change.old, change.new):
        return Tampering("changed", place)
    return None
