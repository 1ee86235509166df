"""The worker of exports: claims an export, uploads its parts to S3 with a checkpoint after each part, and finishes it.

A message only names an export. After an interruption the next run continues from the last checkpoint. If two workers
run for one export, only the later one can write: its claim has raised `run`, and each write requires the worker's own
`run`. The earlier one may still upload a part, but its number is never used again. A part's number is the number of
parts plus `run`, which is higher for the later worker. The file consists of the checkpointed parts only.
"""

from collections.abc import Mapping
from typing import Any

from pynamodb.expressions.update import Action

from oms.core import clock, queues
from oms.core.clock import HasTime
from oms.core.dynamodb import ConditionFailedError, get_item, update_item
from oms.core.retries import retrying
from oms.core.settings import settings
from oms.exports import files
from oms.exports.files import UploadGoneError
from oms.exports.formats import file_of
from oms.exports.models import CANCELLED, DONE, FAILED, RUNNING, UNFINISHED, Export
from oms.exports.parts import FileTooLargeError, Part
from oms.exports.sources import ExportSource

# The parts of 16 GB. One run can read them for the digest, and their list is well below the limit of an item.
MAX_PARTS = 2000

type Sources = Mapping[str, ExportSource]


class ClaimLostError(Exception):
    """The export has ended, or another worker has claimed it."""


class OutOfTimeError(Exception):
    """A run timed out without completing a part or passing an item, so a retry cannot help."""


def work(export_id: str, *, sources: Sources, has_time: HasTime) -> Export | None:
    """Continues an export while `has_time`; then finishes it, or queues it for another run.

    Returns the resulting export, or None if it does not exist. Cleans up after an export that has ended. After any
    exception, the last checkpoint stays valid and the export can be retried.
    """
    export = _claim(export_id)
    if export is not None and export.status in UNFINISHED:
        try:
            export = _advance(export, sources, has_time)
        except (ClaimLostError, UploadGoneError):
            mine, export = export, get_item(Export, Export.key(export_id))
            if export is not None and export.status in UNFINISHED and export.run == mine.run:
                raise  # no other worker has ended the upload, so the next run starts a new one
    if export is not None and export.status not in UNFINISHED:
        _clean_up(export)
    return export


def fail(export_id: str, why: str) -> None:
    """Marks an export as failed, unless it has ended."""
    ended: list[Action] = [
        Export.status.set(FAILED),
        Export.failure.set(why),
        Export.finished_at.set(clock.timestamp(clock.now())),
        Export.version.add(1),
    ]
    try:
        export = retrying(lambda: update_item(Export(*Export.key(export_id)), ended, Export.status.is_in(*UNFINISHED)))
    except ConditionFailedError as error:
        if error.item is None:
            return
        export = Export.from_raw_data(error.item)
    _clean_up(export)


def _claim(export_id: str) -> Export | None:
    """Claims the export with a new `run`, and returns it. Returns an ended export without claiming it, and None for an
    unknown export.
    """
    actions: list[Action] = [Export.run.add(1), Export.version.add(1), Export.status.set(RUNNING)]
    try:
        return retrying(lambda: update_item(Export(*Export.key(export_id)), actions, Export.status.is_in(*UNFINISHED)))
    except ConditionFailedError as error:
        return Export.from_raw_data(error.item) if error.item else None


def _clean_up(export: Export) -> None:
    """Aborts all uploads, and deletes the file of a cancelled or failed export."""
    for upload_id in files.uploads_of(export):
        files.abort_upload(export, upload_id)
    if export.status in (CANCELLED, FAILED):
        files.delete(export)


def _advance(export: Export, sources: Sources, has_time: HasTime) -> Export:
    export, assembled = _resume(export)
    begun_at = _position_reached(export)
    if not export.ended:
        export = _write(export, sources[export.report], has_time)
    found = None
    if export.ended:
        if not assembled:
            _assemble(export)
        found = files.digest(export, has_time)
    if found is not None:
        return _finish(export, *found)
    if _position_reached(export) == begun_at:
        raise OutOfTimeError
    queues.send(settings().export_queue_url, {"export": export.id})
    return export


def _position_reached(export: Export) -> tuple[object, ...]:
    return len(export.parts), export.position, export.ended


def _resume(export: Export) -> tuple[Export, bool]:
    """Returns the export with its open upload, and whether the file is already assembled. Aborts all other uploads."""
    uploads = files.uploads_of(export)
    for upload_id in uploads:
        if upload_id != export.upload_id:
            files.abort_upload(export, upload_id)
    if export.upload_id in uploads:
        return export, False
    if export.ended and files.exists(export):
        return export, True
    return _restart(export), False


def _restart(export: Export) -> Export:
    """Starts again with a new upload."""
    upload_id = files.start_upload(export)
    try:
        return _checkpoint(
            export,
            upload_id=upload_id,
            parts=[],
            state=None,
            rows=0,
            progress=0,
            ended=False,
            position=None,
            begun_with=None,
        )
    except ClaimLostError:
        files.abort_upload(export, upload_id)
        raise


def _write(export: Export, report: ExportSource, has_time: HasTime) -> Export:
    """Writes parts until all rows are written or the time runs out. The next run repeats an unfinished part.

    If that part has no rows yet, the next run continues after the items that were filtered out.
    """
    file = file_of(export)
    part = file.part(first=not export.parts, state=export.state)
    position = passed = export.position
    for position, rows in report.rows_of(export, export.position, file):
        part.add(rows)
        if not part.lines:
            passed = position
        if part.is_full:
            export = _put_part(export, part, position)
            part, passed = file.part(first=False, state=export.state), position
        if not has_time():
            return _checkpoint_at(export, passed) if passed != export.position else export
    return _put_part(export, part, position, ended=True, is_needed=file.has_end)


def _put_part(
    export: Export, part: Part, position: str | None, *, ended: bool = False, is_needed: bool = False
) -> Export:
    """Uploads the part, and stores a checkpoint. Skips the upload of a part without rows, unless it is the only one or
    `is_needed`.
    """
    parts, state = list(export.parts), export.state
    if part.lines or not parts or is_needed:
        if len(parts) == MAX_PARTS:
            raise FileTooLargeError
        content, state = part.close(last=ended)
        parts.append(files.upload_part(export, len(parts) + export.run, content))
    return _checkpoint_at(export, position, parts=parts, state=state, rows=export.rows + part.lines, ended=ended)


def _checkpoint_at(export: Export, position: str | None, **values: Any) -> Export:
    """Stores a checkpoint at a position. Returns the export."""
    begun_with = export.begun_with or position
    progress = _progress(export, begun_with, position)
    return _checkpoint(export, position=position, begun_with=begun_with, progress=progress, **values)


def _progress(export: Export, begun_with: str | None, position: str | None) -> int:
    """Returns the progress in percent of the time range. At most 99, since the file must still be assembled after the
    last row.
    """
    if begun_with is None or position is None:
        return 0
    start, now = (clock.instant(text.partition("#")[0]) for text in (export.from_ or begun_with, position))
    end = clock.instant(min(export.to, export.created_at) if export.to else export.created_at)
    return min(99, int(100 * (now - start) / (end - start))) if end > start else 99


def _assemble(export: Export) -> None:
    try:
        files.complete_upload(export, export.parts)
    except UploadGoneError:
        if not files.exists(export):  # otherwise another worker has completed it
            raise


def _finish(export: Export, sha256: str, size: int) -> Export:
    return _checkpoint(
        export,
        status=DONE,
        sha256=sha256,
        size=size,
        progress=100,
        finished_at=clock.timestamp(clock.now()),
    )


def _checkpoint(export: Export, **values: Any) -> Export:
    """Stores these values if this worker still has the claim. Returns the export. Raises ClaimLostError."""
    actions: list[Action] = [_set(getattr(Export, name), value) for name, value in values.items()]
    actions.append(Export.version.set(export.version + 1))
    is_ours = (Export.run == export.run) & (Export.status == RUNNING)
    try:
        return retrying(lambda: update_item(export, actions, is_ours))
    except ConditionFailedError as error:
        stored = Export.from_raw_data(error.item) if error.item else None
        if stored is not None and stored.run == export.run and stored.status == DONE:
            return stored  # an earlier attempt stored it, but its response was lost
        raise ClaimLostError from error


def _set(attribute: Any, value: Any) -> Action:
    action: Action = attribute.remove() if value is None else attribute.set(value)
    return action
