"""What the system makes of counters of denials, and what it never does: rules without I/O, for items of any shape."""

from oms.audit import audit_log, models
from oms.events.streams import RawItem


def is_only_counted(item: RawItem) -> bool:
    """Whether it is a counter of so few denials that each has an entry: that is neither shown nor sealed."""
    return _is_counter(item) and "listing" not in item and 0 <= _number(item) <= models.DENIALS_PER_MINUTE


def is_forged(item: RawItem) -> bool:
    """Whether it is a counter that is listed, and none of those that the system lists."""
    is_ours = _number(item) > models.DENIALS_PER_MINUTE and item.get("action") == {"S": audit_log.DENIED}
    return _is_counter(item) and "listing" in item and not is_ours


def is_tampered(old: RawItem, new: RawItem) -> bool:
    """Whether a counter that was listed has not only risen."""
    has_only_risen = _number(new) >= _number(old) and {**new, "n": None} == {**old, "n": None}
    return _is_counter(old) and "listing" in old and not has_only_risen


def _is_counter(item: RawItem) -> bool:
    return item.get("kind") == {"S": "denials"}


def _number(item: RawItem) -> int:
    """-1 for what is no number of denials."""
    number = str(item.get("n", {}).get("N", ""))
    return int(number) if number.isdecimal() else -1
