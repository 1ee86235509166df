"""The worker of imports: claims an import, applies section after section with a checkpoint after each, and finishes it.

A message only names an import. After an interruption the next run continues from the last checkpoint. If two workers
run for one import, only the later one can store checkpoints: its claim has raised `run`. The earlier one can only be
working on the section after its last checkpoint, so only the first section of a run may have been applied before.
"""

from dataclasses import dataclass
from typing import Any

from pynamodb.expressions.update import Action

from oms.core import clock, queues
from oms.core.clock import HasTime
from oms.core.dynamodb import ConditionFailedError, get_item, update_item
from oms.core.retries import retrying
from oms.core.settings import settings
from oms.imports import files, reading
from oms.imports.kinds import KINDS
from oms.imports.models import DONE, FAILED, RUNNING, STARTED, Import
from oms.imports.reading import CSV, FileError
from oms.imports.rows import Counts, Job, Row
from oms.imports.sections import apply, sections

# So that no file causes a result without end.
MAX_FAILED = 100_000


class ClaimLostError(Exception):
    """The import has ended, or another worker has claimed it."""


class OutOfTimeError(Exception):
    """A run timed out without completing a section, so a retry cannot help."""


@dataclass(frozen=True)
class Importer:
    """The user or the service key that created the import."""

    id: str
    role: str


def work(import_id: str, *, has_time: HasTime) -> Import | None:
    """Continues an import while `has_time`; then finishes it, or queues it for another run.

    Returns the resulting import, or None if it does not exist. Cleans up after an import that has ended. After any
    exception, the last checkpoint stays valid and the import can be retried.
    """
    it = _claim(import_id)
    if it is not None and it.status in STARTED:
        try:
            it = _advance(it, has_time)
        except ClaimLostError:
            it = get_item(Import, Import.key(import_id))
    if it is not None and it.status not in STARTED:
        files.clean_up(it)
    return it


def fail(import_id: str, why: str, detail: str | None = None) -> None:
    """Marks an import as failed, unless it has ended. Its result has the errors until then."""
    it = _claim(import_id)
    if it is None or it.status not in STARTED:
        return
    files.put_result(it)
    ended = {"status": FAILED, "failure": why, "failure_detail": detail}
    _checkpoint(it, **ended, finished_at=clock.timestamp(clock.now()))
    files.clean_up(it)


def _claim(import_id: str) -> Import | None:
    """Claims the import with a new `run`, and returns it. Returns an import that has ended, or has not started, without
    claiming it, and None for an unknown import.
    """
    actions: list[Action] = [Import.run.add(1), Import.version.add(1), Import.status.set(RUNNING)]
    try:
        return retrying(lambda: update_item(Import(*Import.key(import_id)), actions, Import.status.is_in(*STARTED)))
    except ConditionFailedError as error:
        return Import.from_raw_data(error.item) if error.item else None


def _advance(it: Import, has_time: HasTime) -> Import:
    if it.offset is None:
        it = _check_file(it)
    begun_at, kind = it.offset, KINDS[it.content]
    job = Job(it.id, Importer(it.created_by, it.created_by_role), it.mode, it.dry_run)
    found = reading.records(
        files.chunks(it, it.offset),
        offset=it.offset,
        number=it.rows,
        columns=[str(name) for name in it.columns or ()],
        kind=kind,
    )
    is_repeated = it.run > 1
    for section in sections(found, kind, job):
        if not has_time():
            return _continue_later(it, begun_at)
        it = _apply(it, section, job, is_repeated=is_repeated)
        is_repeated = False
        if it.failed > MAX_FAILED:
            raise FileError("too-many-errors", f"More than {MAX_FAILED:,} rows failed, so the rest was not imported.")
    files.put_result(it)
    return _checkpoint(it, status=DONE, offset=it.size, finished_at=clock.timestamp(clock.now()))


def _continue_later(it: Import, begun_at: int) -> Import:
    if it.offset == begun_at:
        raise OutOfTimeError
    queues.send(settings().import_queue_url, {"import": it.id})
    return it


def _check_file(it: Import) -> Import:
    """Checks the encoding of the whole file and its header, before anything is written. Raises FileError."""
    reading.check_text(files.chunks(it, 0))
    if it.format != CSV:
        return _checkpoint(it, offset=0)
    columns, offset = reading.read_header(files.chunks(it, 0), KINDS[it.content])
    return _checkpoint(it, offset=offset, columns=columns)


def _apply(it: Import, section: list[Row], job: Job, *, is_repeated: bool) -> Import:
    """Applies a section, and stores its errors and a checkpoint."""
    results = apply(
        section,
        KINDS[it.content],
        job,
        check_claim=lambda: _check_claim(it),
        is_repeated=is_repeated and not it.dry_run,
    )
    counts = Counts.of(results)
    # A repeated section may have had other errors before, which these replace.
    if counts.errors or is_repeated:
        files.put_errors(it, it.offset, counts.errors)
    return _checkpoint(
        it,
        offset=section[-1].end,
        rows=section[-1].number,
        created=it.created + counts.created,
        updated=it.updated + counts.updated,
        unchanged=it.unchanged + counts.unchanged,
        failed=it.failed + len(counts.errors),
    )


def _check_claim(it: Import) -> None:
    stored = get_item(Import, Import.key(it.id))
    if stored is None or stored.run != it.run or stored.status != RUNNING:
        raise ClaimLostError


def _checkpoint(it: Import, **values: Any) -> Import:
    """Stores these values if this worker still has the claim. Returns the import. Raises ClaimLostError."""
    actions: list[Action] = [_set(getattr(Import, name), value) for name, value in values.items()]
    actions.append(Import.version.set(it.version + 1))
    is_ours = (Import.run == it.run) & (Import.status == RUNNING)
    try:
        return retrying(lambda: update_item(it, actions, is_ours))
    except ConditionFailedError as error:
        stored = Import.from_raw_data(error.item) if error.item else None
        if stored is not None and stored.run == it.run and stored.version == it.version + 1:
            return stored  # an earlier attempt stored it, but its response was lost
        raise ClaimLostError from error


def _set(attribute: Any, value: Any) -> Action:
    action: Action = attribute.remove() if value is None else attribute.set(value)
    return action
