"""Rules that recognize the counters of denials that the system writes. They have no I/O and take any raw item."""

from oms.audit import audit_log, models
from oms.events.streams import RawItem


def is_only_counted(item: RawItem) -> bool:
    """Returns whether the item is a counter of at most 100 denials. These have entries, so the counter is not listed or
    sealed.
    """
    return _is_counter(item) and "listing" not in item and 0 <= _number(item) <= models.DENIALS_PER_MINUTE


def is_forged(item: RawItem) -> bool:
    """Returns whether the item is a listed counter that the system would not list."""
    is_ours = _number(item) > models.DENIALS_PER_MINUTE and item.get("action") == {"S": audit_log.DENIED}
    return _is_counter(item) and "listing" in item and not is_ours


def is_tampered(old: RawItem, new: RawItem) -> bool:
    """Returns whether a listed counter changed in any way other than by an increase of its number."""
    has_only_risen = _number(new) >= _number(old) and {**new, "n": None} == {**old, "n": None}
    return _is_counter(old) and "listing" in old and not has_only_risen


def _is_counter(item: RawItem) -> bool:
    return item.get("kind") == {"S": "denials"}


def _number(item: RawItem) -> int:
    """Returns the number of denials, or -1 if the attribute is missing or not a number of denials."""
    number = str(item.get("n", {}).get("N", ""))
    return int(number) if number.isdecimal() else -1
