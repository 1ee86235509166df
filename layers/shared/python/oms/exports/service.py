"""Creates, reads and cancels exports. A change of the stored item triggers the worker: see `events`."""

from dataclasses import dataclass

from pynamodb.expressions.update import Action

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock
from oms.core.actors import Actor
from oms.core.dynamodb import batch_get_raw, get_item
from oms.core.errors import ExportFinishedError, NotFoundError, OmsError
from oms.core.idempotency import IdempotentResult, RequestHash, check_same_request, keyed_id, run_idempotent
from oms.core.pages import KeyRange, Page, merged_page
from oms.core.retries import ConcurrentUpdateError, retrying
from oms.core.transactions import TransactionError, transaction
from oms.core.versions import ANY_VERSION, ExpectedVersion
from oms.exports import files, unfinished
from oms.exports.building import FileOptions, RequestedFilters, build_export, hash_of
from oms.exports.models import CANCELLED, DONE, EXPORTS, LISTED, UNFINISHED, Export
from oms.exports.schemas import CreateExportRequest

type Link = tuple[str, str] | tuple[None, None]
"""A URL that downloads the file, and the time when the URL expires."""


# ---- creating -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NewExport:
    """An export to store with its audit entry. `request_hash` shows whether an earlier request was the same."""

    export: Export
    entry: AuditEntry
    request_hash: RequestHash
    keyed: bool


def create_export(
    request: CreateExportRequest, *, by: Actor, address: str, key: str | None = None
) -> IdempotentResult[Export]:
    """Creates an export, once for each idempotency key.

    Raises InvalidRequestError, IdempotencyKeyReusedError (422), TooManyExportsError (409), UnavailableError.
    """
    hashed = hash_of(request, request.report)
    export = build_export(
        request.report,
        export_id=keyed_id(by.id, "POST /reports/exports", key),
        by=by,
        filters=RequestedFilters.of(request),
        options=FileOptions.of(request),
        stored_hash=hashed.stored,
    )
    new = NewExport(export, audit_entry("export.requested", export, by, address), hashed, keyed=key is not None)
    return run_idempotent(lambda: _try_to_store(new), find_previous=lambda: _find_stored(new), keyed=new.keyed)


def _try_to_store(new: NewExport) -> IdempotentResult[Export]:
    """Stores the export, or returns the stored one. Raises ConcurrentUpdateError if the owner has free slots now."""
    try:
        with transaction() as write:
            write.save(new.export, condition=Export.pk.does_not_exist(), return_values="ALL_OLD")
            write.save(new.entry)
            unfinished.reserve_slot(write, new.export)
    except TransactionError as error:
        if error.failed(new.export):
            return _replayed(Export.from_raw_data(error.stored(new.export)), new)
        unfinished.free_slots(new.export, error)
        raise
    return IdempotentResult(new.export, replayed=False)


def _find_stored(new: NewExport) -> IdempotentResult[Export] | None:
    stored = get_item(Export, Export.key(new.export.id))
    return _replayed(stored, new) if stored else None


def _replayed(stored: Export, new: NewExport) -> IdempotentResult[Export]:
    """Returns the export of an earlier request. Raises IdempotencyKeyReusedError if that request was different."""
    if stored.created_by != new.export.created_by:
        # The id is a hash that includes the user's id. A match would show another user's export.
        raise OmsError("The export could not be stored.")
    check_same_request(stored.request_hash, new.request_hash)
    return IdempotentResult(stored, replayed=new.keyed)


# ---- reading --------------------------------------------------------------------------------------------------------


def get(export_id: str) -> Export:
    """Returns an export. Raises NotFoundError, also for an expired export that DynamoDB has not removed yet."""
    export = get_item(Export, Export.key(export_id))
    if export is None or _is_expired(export):
        raise NotFoundError("Export not found.")
    return export


def list_exports(*, limit: int, after: str | None) -> Page[Export]:
    """Returns a page of exports, newest first, without their parts, by one Query and one BatchGetItem."""
    page = merged_page(LISTED, [EXPORTS], KeyRange(limit, descending=True, after=after))
    found = batch_get_raw(Export, [(entry["pk"], entry["sk"]) for entry in page.items], only=_LISTED_ATTRIBUTES)
    raws = [(place, found.get((entry["pk"], entry["sk"]))) for place, entry in page.placed]
    exports = [(place, Export.from_raw_data(raw)) for place, raw in raws if raw is not None]
    return Page([(place, export) for place, export in exports if not _is_expired(export)], page.position)


# Without the parts, since a file can have 2,000 of them.
_LISTED_ATTRIBUTES = [
    str(attribute.attr_name) for attribute in Export.get_attributes().values() if attribute is not Export.parts
]


def _is_expired(export: Export) -> bool:
    """Returns whether the export has expired, since DynamoDB removes expired items days later."""
    return export.expires_at <= clock.now().timestamp()


def link(export: Export, *, by: Actor, address: str) -> Link:
    """Returns the URL of a finished export's file, with its expiry. The audit log records each user who gets a URL."""
    if export.status != DONE:
        return None, None
    audit_log.record(audit_entry("export.downloaded", export, by, address))
    until = clock.now() + files.LINK_VALIDITY
    return files.signed_url(export), clock.timestamp(until)


# ---- cancelling -----------------------------------------------------------------------------------------------------


def cancel(export_id: str, *, by: Actor, address: str, expected_version: ExpectedVersion = ANY_VERSION) -> None:
    """Cancels an export. The worker then deletes its file. Idempotent.

    Raises NotFoundError, StaleVersionError (412), ExportFinishedError (409), UnavailableError.
    """
    export = get(export_id)
    entry = audit_entry("export.cancelled", export, by, address)
    expected_version.check(export.version)

    def attempt() -> None:
        nonlocal export
        try:
            _put_cancelled(export, entry)
        except TransactionError as error:
            if not error.failed(export):
                raise
            if not (stored := error.stored(export)):
                raise NotFoundError("Export not found.") from error
            export = Export.from_raw_data(stored)
            if export.status == CANCELLED:
                return
            expected_version.check(export.version)
            if export.status not in UNFINISHED:
                raise ExportFinishedError(f"An export that is {export.status} cannot be cancelled.") from error
            raise ConcurrentUpdateError from error  # the export has changed since it was read

    if export.status != CANCELLED:
        retrying(attempt)


def _put_cancelled(export: Export, entry: AuditEntry) -> None:
    actions: list[Action] = [
        Export.status.set(CANCELLED),
        Export.finished_at.set(clock.timestamp(clock.now())),
        Export.version.add(1),
    ]
    is_unchanged = Export.status.is_in(*UNFINISHED) & (Export.version == export.version)
    with transaction() as write:
        write.update(export, actions, is_unchanged, return_values="ALL_OLD")
        write.save(entry)


def audit_entry(action: str, export: Export, by: Actor, address: str) -> AuditEntry:
    return audit_log.entry(
        action,
        actor_id=by.id,
        actor_role=by.role,
        address=address,
        target=f"export#{export.id}",
        details={"report": export.report},
    )
