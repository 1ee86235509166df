"""The message that a schedule was created or deleted, for the scheduler function."""

from oms.events.envelope import Internal
from oms.events.streams import Change

RECONCILE_TRIGGER = "schedule.look"


def events_from_change(change: Change) -> list[Internal]:
    """A message for each schedule that was created or deleted. The updates by runs need none."""
    if (change.new or change.old or {})["kind"]["S"] != "schedule" or (change.new and change.old):
        return []
    return [Internal(RECONCILE_TRIGGER, {"schedule": change.keys["sk"]["S"]})]
