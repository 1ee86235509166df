"""Creates, starts, reads and cancels imports. A change of the stored item triggers the worker: see `events`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from oms.audit import audit_log
from oms.audit.models import AuditEntry
from oms.core import clock
from oms.core.actors import Actor
from oms.core.dynamodb import ConditionFailedError, batch_get, get_item, put_item
from oms.core.errors import ImportFinishedError, ImportNotUploadedError, InvalidRequestError, NotFoundError, OmsError
from oms.core.idempotency import (
    IdempotentResult,
    RequestHash,
    check_same_request,
    keyed_id,
    request_hash,
    run_idempotent,
)
from oms.core.pages import KeyRange, Page, merged_page
from oms.core.retries import retrying
from oms.core.transactions import TransactionError, transaction
from oms.core.versions import ANY_VERSION, ExpectedVersion
from oms.imports import files
from oms.imports.kinds import CREATING, NESTED
from oms.imports.models import CANCELLED, CREATED, DONE, FAILED, IMPORTS, LISTED, QUEUED, UNFINISHED, Import
from oms.imports.reading import CSV
from oms.imports.schemas import CreateImportRequest, ImportUpload

RETENTION = timedelta(days=30)


# ---- creating -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NewImport:
    """An import to store. `request_hash` shows whether an earlier request was the same."""

    item: Import
    request_hash: RequestHash
    keyed: bool


def create_import(request: CreateImportRequest, *, by: Actor, key: str | None = None) -> IdempotentResult[Import]:
    """Creates an import, once for each idempotency key. It does nothing until its file is uploaded and it is started.

    Raises InvalidRequestError, IdempotencyKeyReusedError (422), UnavailableError.
    """
    if request.mode == "create" and request.kind not in CREATING:
        raise InvalidRequestError.at(f"must be upsert, since rows of {request.kind} create nothing", pointer="#/mode")
    if request.format == CSV and request.kind in NESTED:
        raise InvalidRequestError.at(f"must be jsonl, since {request.kind} are not flat", pointer="#/format")
    hashed, now = request_hash(request), clock.now()
    import_id, at = keyed_id(by.id, "POST /imports", key), clock.timestamp(now)
    item = Import(
        *Import.key(import_id),
        id=import_id,
        content=request.kind,
        mode=request.mode,
        dry_run=request.dry_run,
        format=request.format,
        size=request.size,
        status=CREATED,
        created_at=at,
        created_by=by.id,
        created_by_role=by.role,
        request_hash=hashed.stored,
        version=1,
        run=0,
        rows=0,
        created=0,
        updated=0,
        unchanged=0,
        failed=0,
        listing=IMPORTS,
        created_key=f"{at}#{import_id}",
        expires_at=int((now + RETENTION).timestamp()),
    )
    new = NewImport(item, hashed, keyed=key is not None)
    return run_idempotent(lambda: _try_to_store(new), find_previous=lambda: _find_stored(new), keyed=new.keyed)


def _try_to_store(new: NewImport) -> IdempotentResult[Import]:
    try:
        put_item(new.item, Import.pk.does_not_exist())
    except ConditionFailedError as error:
        return _replayed(Import.from_raw_data(error.item or {}), new)
    return IdempotentResult(new.item, replayed=False)


def _find_stored(new: NewImport) -> IdempotentResult[Import] | None:
    stored = get_item(Import, Import.key(new.item.id))
    return _replayed(stored, new) if stored else None


def _replayed(stored: Import, new: NewImport) -> IdempotentResult[Import]:
    """Returns the import of an earlier request. Raises IdempotencyKeyReusedError if that request was different."""
    if stored.created_by != new.item.created_by:
        # The id is a hash that includes the user's id. A match would show another user's import.
        raise OmsError("The import could not be stored.")
    check_same_request(stored.request_hash, new.request_hash)
    return IdempotentResult(stored, replayed=new.keyed)


# ---- reading --------------------------------------------------------------------------------------------------------


def get(import_id: str) -> Import:
    """Returns an import. Raises NotFoundError, also for an expired one that DynamoDB has not removed yet."""
    it = get_item(Import, Import.key(import_id))
    if it is None or _is_expired(it):
        raise NotFoundError("Import not found.")
    return it


def list_imports(*, limit: int, after: str | None) -> Page[Import]:
    """Returns a page of imports, newest first, by one Query and one BatchGetItem."""
    page = merged_page(LISTED, [IMPORTS], KeyRange(limit, descending=True, after=after))
    found = batch_get(Import, [(entry["pk"], entry["sk"]) for entry in page.items])
    imports = [(place, found.get((entry["pk"], entry["sk"]))) for place, entry in page.placed]
    return Page([(place, it) for place, it in imports if it is not None and not _is_expired(it)], page.position)


def _is_expired(it: Import) -> bool:
    return it.expires_at <= clock.now().timestamp()


def upload_of(it: Import) -> ImportUpload | None:
    """Returns the request that uploads the file, until the import is started."""
    if it.status != CREATED:
        return None
    until = clock.timestamp(clock.now() + files.UPLOAD_VALIDITY)
    return ImportUpload(url=files.upload_url(it), headers=files.upload_headers(it), expires_at=until)


def result_of(it: Import) -> tuple[str, str] | tuple[None, None]:
    """Returns the URL of the result with its expiry, if there is a result."""
    if it.status not in (DONE, FAILED):
        return None, None
    return files.result_url(it), clock.timestamp(clock.now() + files.LINK_VALIDITY)


# ---- starting and cancelling ----------------------------------------------------------------------------------------


def start(import_id: str, *, by: Actor, address: str) -> Import:
    """Starts an import whose file is uploaded. Idempotent.

    Raises NotFoundError, ImportNotUploadedError (409), ImportFinishedError (409) if it was cancelled, UnavailableError.
    """
    it = get(import_id)
    if it.status == CREATED:
        size, etag = files.uploaded(it) or (None, None)
        if size != it.size or etag is None:
            detail = f"It has {size} bytes instead of {it.size}." if size else "There is none."
            raise ImportNotUploadedError(f"The file is not uploaded. {detail} Upload it with the request in upload.")
        created, entry = it, _entry("import.started", it, by, address)
        started = {"status": QUEUED, "etag": etag, "started_at": clock.timestamp(clock.now())}
        it = retrying(lambda: _change(created, started, Import.status == CREATED, entry))
    if it.status == CANCELLED:
        raise ImportFinishedError("An import that is cancelled cannot be started. Create another one.")
    return it


def cancel(import_id: str, *, by: Actor, address: str, expected_version: ExpectedVersion = ANY_VERSION) -> None:
    """Cancels an import. The rows until then stay applied. Idempotent.

    Raises NotFoundError, StaleVersionError (412), ImportFinishedError (409), UnavailableError.
    """
    found = it = get(import_id)
    expected_version.check(it.version)
    if it.status in UNFINISHED:
        entry = _entry("import.cancelled", it, by, address)
        it = retrying(lambda: _try_to_cancel(found, entry, expected_version))
    if it.status != CANCELLED:
        raise ImportFinishedError(f"An import that is {it.status} cannot be cancelled.")


def _try_to_cancel(it: Import, entry: AuditEntry, expected_version: ExpectedVersion) -> Import:
    cancelled = {"status": CANCELLED, "finished_at": clock.timestamp(clock.now())}
    condition: Condition = Import.status.is_in(*UNFINISHED)
    if expected_version.tags is not None:
        condition &= Import.version == it.version
    stored = _change(it, cancelled, condition, entry)
    if stored.status in UNFINISHED:
        expected_version.check(stored.version)
    return stored


def _change(it: Import, values: Mapping[str, str], condition: Condition, entry: AuditEntry) -> Import:
    """Stores these values with the audit entry, if the condition holds. Returns the import as it is stored then."""
    actions: list[Action] = [getattr(Import, name).set(value) for name, value in values.items()]
    try:
        with transaction() as write:
            write.update(it, [*actions, Import.version.add(1)], condition, return_values="ALL_OLD")
            write.save(entry)
    except TransactionError as error:
        if not error.failed(it):
            raise
        if not (stored := error.stored(it)):
            raise NotFoundError("Import not found.") from error
        return Import.from_raw_data(stored)
    for name, value in values.items():
        setattr(it, name, value)
    it.version += 1
    return it


def _entry(action: str, it: Import, by: Actor, address: str) -> AuditEntry:
    details: dict[str, str | int] = {"kind": it.content, "dry_run": int(it.dry_run)}
    return audit_log.entry(
        action, actor_id=by.id, actor_role=by.role, address=address, target=f"import#{it.id}", details=details
    )
