"""What is told of schedules: to their worker, that one has come or gone."""

from oms.events.envelope import Internal
from oms.events.streams import Change

# To the worker: look at this schedule.
RECONCILE_TRIGGER = "schedule.look"


def events_from_change(change: Change) -> list[Internal]:
    """What a change of a schedule asks to be told. What a run moves in it is nobody's business."""
    if (change.new or change.old or {})["kind"]["S"] != "schedule" or (change.new and change.old):
        return []
    return [Internal(RECONCILE_TRIGGER, {"schedule": change.keys["sk"]["S"]})]
