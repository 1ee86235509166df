"""The work on an export: claimed, written part by part into S3 with a checkpoint after each, handed on, ended.

A message only says which export to look at. Whatever is cut off, the next look goes on at the last checkpoint. Of two
workers at one export the younger goes on: it has raised `run`, and the elder writes to the item on condition of its own
alone. What the elder may still upload has a number that nobody uses again (parts so far + run: of two workers the
younger has no less of the one, and more of the other), and the file is made of the parts that are checkpointed.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pynamodb.expressions.update import Action

from oms.core import clock, queues
from oms.core.dynamodb import ConditionFailedError, get_item, retrying, update_item
from oms.core.settings import settings
from oms.exports import files
from oms.exports.files import UploadGoneError
from oms.exports.formats import file_of
from oms.exports.models import CANCELLED, DONE, FAILED, RUNNING, UNFINISHED, Export
from oms.exports.parts import Part, TooLargeError
from oms.exports.sources import ExportSource

# 16 GB: what one run can read for its digest, and an item holds with room to spare.
MAX_PARTS = 2000

type HasTime = Callable[[], bool]
type Sources = Mapping[str, ExportSource]


class ClaimLostError(Exception):
    """The export is another worker's now, or has ended."""


class OutOfTimeError(Exception):
    """The time of a run did not suffice for a part, nor to get behind what is left out: it would be so again."""


def work(export_id: str, *, reports: Sources, has_time: HasTime) -> Export | None:
    """Goes on with an export while `has_time`, and ends it or hands it on. As it is then; None: it is not there.

    Of one that has ended it takes away what is not to stay. Whatever it raises, the export is as at its last
    checkpoint, and may be looked at again.
    """
    export = _claim(export_id)
    if export is not None and export.status in UNFINISHED:
        try:
            export = _advance(export, reports, has_time)
        except (ClaimLostError, UploadGoneError):
            mine, export = export, get_item(Export, Export.key(export_id))
            if export is not None and export.status in UNFINISHED and export.run == mine.run:
                raise  # the upload is gone, and nobody else was here: the next look begins a new one
    if export is not None and export.status not in UNFINISHED:
        _clean_up(export)
    return export


def fail(export_id: str, why: str) -> None:
    """Gives it up, unless it has ended."""
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
    """The export with a run of this worker's own; as it is where it has ended."""
    actions: list[Action] = [Export.run.add(1), Export.version.add(1), Export.status.set(RUNNING)]
    try:
        return retrying(lambda: update_item(Export(*Export.key(export_id)), actions, Export.status.is_in(*UNFINISHED)))
    except ConditionFailedError as error:
        return Export.from_raw_data(error.item) if error.item else None


def _clean_up(export: Export) -> None:
    """Nothing of an export stays but the file of one that is done."""
    for upload_id in files.uploads_of(export):
        files.abort_upload(export, upload_id)
    if export.status in (CANCELLED, FAILED):
        files.delete(export)


def _advance(export: Export, reports: Sources, has_time: HasTime) -> Export:
    export, assembled = _resume(export)
    begun_at = _position_reached(export)
    if not export.ended:
        export = _write(export, reports[export.report], has_time)
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
    """The export with an upload that is under way, and no other; or whole already, which is the second value."""
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
    """With a new upload, from the start."""
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
    """Writes parts until the end, or the end of the time: what was begun of a part then is made again.

    Where that has no line yet, nothing is to be made again, and the work goes on behind what was left out.
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
    """Uploads the part, and puts it on record. A last one without rows only where there is no other or `is_needed`."""
    parts, state = list(export.parts), export.state
    if part.lines or not parts or is_needed:
        if len(parts) == MAX_PARTS:
            raise TooLargeError
        content, state = part.close(last=ended)
        parts.append(files.upload_part(export, len(parts) + export.run, content))
    return _checkpoint_at(export, position, parts=parts, state=state, rows=export.rows + part.lines, ended=ended)


def _checkpoint_at(export: Export, position: str | None, **values: Any) -> Export:
    """A checkpoint at a position."""
    begun_with = export.begun_with or position
    progress = _progress(export, begun_with, position)
    return _checkpoint(export, position=position, begun_with=begun_with, progress=progress, **values)


def _progress(export: Export, begun_with: str | None, position: str | None) -> int:
    """Percent of the span of time; 99 at most, as there is something to do after the last line."""
    if begun_with is None or position is None:
        return 0
    start, now = (clock.instant(it.partition("#")[0]) for it in (export.from_ or begun_with, position))
    end = clock.instant(min(export.to, export.created_at) if export.to else export.created_at)
    return min(99, int(100 * (now - start) / (end - start))) if end > start else 99


def _assemble(export: Export) -> None:
    try:
        files.complete_upload(export, export.parts)
    except UploadGoneError:
        if not files.exists(export):  # else another worker was faster
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
    """The export with these values, if it is still this worker's. Raises ClaimLostError."""
    actions: list[Action] = [_set(getattr(Export, name), value) for name, value in values.items()]
    actions.append(Export.version.set(export.version + 1))
    is_ours = (Export.run == export.run) & (Export.status == RUNNING)
    try:
        return retrying(lambda: update_item(export, actions, is_ours))
    except ConditionFailedError as error:
        stored = Export.from_raw_data(error.item) if error.item else None
        if stored is not None and stored.run == export.run and stored.status == DONE:
            return stored  # an earlier attempt, whose answer was lost
        raise ClaimLostError from error


def _set(attribute: Any, value: Any) -> Action:
    action: Action = attribute.remove() if value is None else attribute.set(value)
    return action
