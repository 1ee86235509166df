"""Consumers of table streams: at-least-once processing, with a poison queue for records that can never succeed.

A consumer processes its whole batch, or raises an exception; then Lambda delivers the batch again. So processing must
be safe to repeat. A record that can never succeed is quarantined, so that later records are processed.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError
from pynamodb.exceptions import TransactWriteError

from oms.core import queues
from oms.core.settings import settings

logger = Logger(child=True)

type RawItem = dict[str, Any]
"""An item in DynamoDB's JSON: {"version": {"N": "3"}, …}."""

type RawRecord = dict[str, Any]
"""A record of a stream, as Lambda delivers it."""


@dataclass(frozen=True)
class Change:
    """One write to an item. `old` is None for a new item, `new` for a removed one; `at` is in Unix seconds."""

    table: str
    keys: RawItem
    old: RawItem | None
    new: RawItem | None
    sequence: str
    at: float

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Change":
        change = record["dynamodb"]
        return cls(
            # arn:aws:dynamodb:<region>:<account>:table/<table>/stream/<time>
            table=record["eventSourceARN"].split("/")[1],
            keys=change["Keys"],
            old=change.get("OldImage"),
            new=change.get("NewImage"),
            sequence=change["SequenceNumber"],
            at=float(change["ApproximateCreationDateTime"]),
        )


# `make restore` marks the items that it writes with this attribute: see `is_restored`.
RESTORED = "restored"
# The end of an item's mark before `make restore` removes the item.
REMOVED = " removed"


def is_restored(change: Change) -> bool:
    """Whether `make restore` made the change. Such a change is not published, since the original one was.

    A later change of a restored item is published: then both images have the same mark, or the new image has no mark.
    """
    before = str((change.old or {}).get(RESTORED, {}).get("S", ""))
    if change.new is None:
        return before.endswith(REMOVED)
    return change.new.get(RESTORED, {}).get("S", "") not in ("", before)


class PermanentFailureError(Exception):
    """Processing a change fails, and every retry would fail too."""


_FAILURES = (PermanentFailureError, ClientError, TransactWriteError)


def decode_records[T](
    records: Iterable[RawRecord],
    decode: Callable[[Change], T | None],
    redact: Callable[[RawItem], RawItem] = lambda item: item,
) -> Iterator[tuple[RawRecord, T]]:
    """Yields each record with the work that `decode` derives from its change, in order; omits records without work.

    `decode` is pure, and returns None for a change that causes no work. If it raises an exception, a retry would raise
    it too, so the record is quarantined, and the next one is decoded. `redact` removes secrets from an item, or from
    its keys, before it is stored in the poison queue.
    """
    for record in records:
        try:
            work = decode(Change.of(record))
        except Exception as cause:
            quarantine(record, cause, redact)
            continue
        if work is not None:
            yield record, work


def process_each[T](decoded: Iterable[tuple[RawRecord, T]], process: Callable[[T], object]) -> int:
    """Processes the work of each record, in order; returns the number of processed records.

    `process` does I/O. If it fails permanently, the record is quarantined. Any other exception is raised, and Lambda
    delivers the whole batch again.
    """
    processed = 0
    for record, work in decoded:
        try:
            process(work)
        except _FAILURES as cause:
            if not _is_permanent(cause):
                raise
            quarantine(record, cause)
        else:
            processed += 1
    return processed


def process_batch[T](decoded: Sequence[tuple[RawRecord, T]], process: Callable[[Sequence[T]], object]) -> None:
    """Processes the work of all records at once. If that fails permanently, processes them one by one."""
    try:
        process([work for _, work in decoded])
    except _FAILURES as cause:
        if not _is_permanent(cause):
            raise
        process_each(decoded, lambda work: process([work]))


def _is_permanent(cause: Exception) -> bool:
    """Whether every retry would fail, for example because DynamoDB reports a write of the work as invalid."""
    if isinstance(cause, ClientError):
        return cause.response["Error"].get("Code") == "ValidationException"
    if isinstance(cause, TransactWriteError):
        reasons = {reason.code for reason in cause.cancellation_reasons if reason}
        return cause.cause_response_code == "ValidationException" or "ValidationError" in reasons
    return isinstance(cause, PermanentFailureError)


def quarantine(record: RawRecord, cause: Exception, redact: Callable[[RawItem], RawItem] = lambda item: item) -> None:
    """Sends the record, with keys and both images, to the poison queue. Raises if the queue refuses it.

    Lambda's on-failure destination is not enough: it receives only the record's position in the stream, which keeps
    records for one day.
    """
    why = f"{type(cause).__name__}: {cause}"
    logger.error("a record was quarantined", cause=why, event_id=record.get("eventID"))
    change = record.get("dynamodb", {})
    images = {name: redact(change[name]) for name in ("Keys", "OldImage", "NewImage") if name in change}
    redacted = record | {"dynamodb": change | images}
    queues.send(settings().poison_queue_url, {"cause": why, "record": redacted})
