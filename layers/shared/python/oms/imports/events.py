"""Messages emitted for imports: triggers of the worker."""

from oms.events.envelope import InternalMessage
from oms.events.streams import Change
from oms.imports.models import CANCELLED, QUEUED, Import

# Triggers the worker, which acts according to the import's status.
WORK_TRIGGER = "import.look"


def events_from_change(change: Change) -> list[InternalMessage]:
    """Returns the messages of a change of an import: it was started or cancelled."""
    if change.new is None or change.new["kind"]["S"] != "import":
        return []
    new = Import.from_raw_data(change.new)
    before = Import.from_raw_data(change.old).status if change.old else None
    if new.status == before or new.status not in (QUEUED, CANCELLED):
        return []
    return [InternalMessage(WORK_TRIGGER, {"import": new.id})]
