"""Downloads of orders: equal queries of a user within one minute share one export, and wait for its file."""

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from oms.audit.models import AuditEntry
from oms.core import clock
from oms.core.actors import Actor
from oms.core.dynamodb import get_item
from oms.core.errors import UnavailableError
from oms.core.retries import ConcurrentUpdateError, extend_deadline, retrying
from oms.core.transactions import TransactionError, transaction
from oms.exports import unfinished
from oms.exports.building import FileOptions, RequestedFilters, build_export, hash_of
from oms.exports.models import CANCELLED, FAILED, UNFINISHED, Export, RecentExport
from oms.exports.schemas import ExportOrdersQuery
from oms.exports.service import Link, audit_entry, link

SHARING_TIME = timedelta(seconds=60)
WAIT_SECONDS = 20.0
# The calls of a request begin within 13 s. A waiting request may begin calls within 22 s of its start, so its last call
# ends after 28 s, even without a response.
_EXTRA_DEADLINE_SECONDS = 9.0


@dataclass(frozen=True)
class SharedExport:
    """An export to store, unless `recent` names one of the last minute. `ended` has the ids that must not be shared."""

    export: Export
    entry: AuditEntry
    recent: RecentExport
    ended: set[str] = field(default_factory=set)


def share_and_wait(query: ExportOrdersQuery, *, by: Actor, address: str) -> tuple[Export, Link]:
    """Waits up to 20 seconds for the end of a shared export. Returns the export after that time, with its link."""
    until, pause = clock.monotonic() + WAIT_SECONDS, 0.2
    export = share_export(query, by=by, address=address)
    with extend_deadline(_EXTRA_DEADLINE_SECONDS):
        with suppress(UnavailableError):
            while export.status in UNFINISHED and clock.monotonic() + pause < until:
                clock.sleep(pause)
                pause = min(1.0, pause * 1.5)
                # The export is only seconds old, so it has not expired.
                export = get_item(Export, Export.key(export.id)) or export
        return export, link(export, by=by, address=address)


def share_export(query: ExportOrdersQuery, *, by: Actor, address: str) -> Export:
    """Creates an export of orders, or returns an export of the last minute with the same user and filters.

    A failed or cancelled export is not shared. Raises TooManyExportsError (409), UnavailableError.
    """
    query_hash, options = hash_of(query, "orders"), FileOptions.of(query)
    options.check("orders", where="parameter", named="{}")
    export = build_export(
        "orders",
        export_id=clock.random_id(),
        by=by,
        filters=RequestedFilters.of(query),
        options=options,
        stored_hash=query_hash.stored,
    )
    digest = hashlib.sha256(json.dumps([by.id, query_hash.sparse]).encode()).hexdigest()
    key = RecentExport.key(digest)
    recent = RecentExport(*key, export_id=export.id, at=export.created_at, expires_at=export.expires_at)
    shared = SharedExport(export, audit_entry("export.requested", export, by, address), recent)
    return retrying(lambda: _try_to_share(shared))


def _try_to_share(shared: SharedExport) -> Export:
    """Stores the export, or returns the recent one.

    Raises ConcurrentUpdateError if the recent one must not be shared.
    """
    export, recent = shared.export, shared.recent
    long_ago = clock.timestamp(clock.instant(export.created_at) - SHARING_TIME)
    free = RecentExport.pk.does_not_exist() | (RecentExport.at < long_ago)
    for export_id in shared.ended:
        free |= RecentExport.export_id == export_id
    try:
        with transaction() as write:
            write.save(recent, condition=free, return_values="ALL_OLD")
            write.save(export, condition=Export.pk.does_not_exist())
            write.save(shared.entry)
            unfinished.reserve_slot(write, export)
    except TransactionError as error:
        if not error.failed(recent):
            unfinished.free_slots(export, error)
            raise
        other = RecentExport.from_raw_data(error.stored(recent)).export_id
        found = get_item(Export, Export.key(other))
        if found is None or found.status in (FAILED, CANCELLED):
            shared.ended.add(other)
            raise ConcurrentUpdateError from error
        return found  # after a lost response to an earlier attempt, the export of this request
    return export
