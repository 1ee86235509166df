"""Events and messages emitted for exports: triggers of the worker, `report.ready`, and mails to recipients."""

from oms.events.envelope import Event, EventActor, InternalMessage, event_id
from oms.events.streams import Change
from oms.exports.models import CANCELLED, DONE, Export
from oms.exports.schemas import ReportReadyData

READY = "report.ready"
PAYLOADS = {READY: ReportReadyData}

# Triggers the worker, which acts according to the export's status.
WORK_TRIGGER = "export.look"
# Triggers the notifier to mail a user that the export is ready.
MAIL_TRIGGER = "report.mail"


def events_from_change(change: Change) -> list[Event[ReportReadyData] | InternalMessage]:
    """Returns the events and messages of a change of an export."""
    if change.new is None or change.new["kind"]["S"] != "export":
        return []
    export = Export.from_raw_data(change.new)
    before = Export.from_raw_data(change.old).status if change.old else None
    if before is None or (export.status == CANCELLED and before != CANCELLED):
        return [InternalMessage(WORK_TRIGGER, {"export": export.id})]
    if export.status != DONE or before == DONE:
        return []
    return [
        _ready(export),
        *(
            InternalMessage(MAIL_TRIGGER, {"report": export.id, "user": str(user_id)})
            for user_id in export.recipients or []
        ),
    ]


def _ready(export: Export) -> Event[ReportReadyData]:
    at = str(export.finished_at)
    return Event(
        id=event_id(READY, at, export.id, export.version),
        type=READY,
        occurred_at=at,
        sequence=export.version,
        actor=EventActor(id=export.created_by, role=export.created_by_role),
        data=ReportReadyData.of(export),
    )
