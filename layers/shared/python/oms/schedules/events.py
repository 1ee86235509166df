"""The message that a schedule was created or deleted, for the scheduler function."""

from oms.events.envelope import InternalMessage
from oms.events.streams import Change

RECONCILE_TRIGGER = "schedule.look"


def events_from_change(change: Change) -> list[InternalMessage]:
    """Returns a message if a schedule was created or deleted. Updates by runs need no message."""
    if (change.new or change.old or {})["kind"]["S"] != "schedule" or (change.new and change.old):
        return []
    return [InternalMessage(RECONCILE_TRIGGER, {"schedule": change.keys["sk"]["S"]})]
