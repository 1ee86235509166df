"""What is told of exports: to their worker that there is something to do, to everybody that one is ready, to the
notifier whom to mail of it. And of schedules: to their worker that one has come or gone.
"""

from oms.events import Event, EventActor, EventType, Internal, event_id
from oms.exports.models import CANCELLED, DONE, Export
from oms.exports.schemas import ReportReadyData
from oms.streams import Change

READY = EventType("report.ready", ReportReadyData, "An export is done, and its file can be fetched")
EVENTS = [READY]

# To the worker: look at this export. What there is to do, the export itself says.
LOOK = "export.look"
# To the worker of schedules: look at this one. And to the notifier: that a user is to be told of an export.
SCHEDULE_LOOK, MAIL = "schedule.look", "report.mail"


def events_of(change: Change) -> list[Event[ReportReadyData] | Internal]:
    """What a change of the reports table asks to be told."""
    if (change.new or change.old or {})["kind"]["S"] == "schedule":
        # What a run moves in it is nobody's business.
        is_edge = change.new is None or change.old is None
        return [Internal(SCHEDULE_LOOK, {"schedule": change.keys["sk"]["S"]})] if is_edge else []
    if change.new is None or change.new["kind"]["S"] != "export":
        return []
    export = Export.from_raw_data(change.new)
    before = Export.from_raw_data(change.old).status if change.old else None
    if before is None or (export.status == CANCELLED and before != CANCELLED):
        return [Internal(LOOK, {"export": export.id})]
    if export.status != DONE or before == DONE:
        return []
    return [_ready(export), *(Internal(MAIL, {"report": export.id, "user": str(it)}) for it in export.recipients or [])]


def _ready(export: Export) -> Event[ReportReadyData]:
    at = str(export.finished_at)
    return Event(
        id=event_id(READY.name, at, export.id, export.version),
        type=READY.name,
        occurred_at=at,
        sequence=export.version,
        actor=EventActor(id=export.created_by, role=export.created_by_role),
        data=ReportReadyData.of(export),
    )
