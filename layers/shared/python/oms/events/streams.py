"""Consuming a table's stream: every change is carried out once or more, or stands whole in the poison queue.

A consumer finishes its batch or raises, and then the batch comes again. So what it does must be safe to do twice, and
what can never succeed must not hold up what comes after it.
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
"""An item as DynamoDB writes it: {"version": {"N": "3"}, …}."""

type RawRecord = dict[str, Any]
"""A record of a stream, as Lambda brings it."""


@dataclass(frozen=True)
class Change:
    """One write to an item of a table. `old` is None for a new item, `new` for one that was removed; `at` is in Unix
    seconds.
    """

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


# The attribute by which `make restore` marks what it puts back: see `is_restored`.
RESTORED = "restored"
# How that ends on an item which it removes next.
REMOVED = " removed"


def is_restored(change: Change) -> bool:
    """Whether `make restore` made the change. What it puts back is no news: that happened, and was published, before.

    A later change of such an item is news again: then both images have the mark, or the new one has none.
    """
    before = str((change.old or {}).get(RESTORED, {}).get("S", ""))
    if change.new is None:
        return before.endswith(REMOVED)
    return change.new.get(RESTORED, {}).get("S", "") not in ("", before)


class HopelessError(Exception):
    """What a change asks for can never be done, however often its batch comes again."""


_FAILURES = (HopelessError, ClientError, TransactWriteError)


def understood[T](
    records: Iterable[RawRecord],
    understand: Callable[[Change], T | None],
    shown: Callable[[RawItem], RawItem] = lambda item: item,
) -> Iterator[tuple[RawRecord, T]]:
    """Each record that asks for something, and what, in their order.

    `understand` is pure and tells what a change asks for (None: nothing). Where it raises, whatever it is, the record
    will never be understood: it goes into the poison queue, and its neighbours go on. `shown` is what the poison queue
    may hold of an item, or of its keys.
    """
    for record in records:
        try:
            wanted = understand(Change.of(record))
        except Exception as cause:
            set_aside(record, cause, shown)
            continue
        if wanted is not None:
            yield record, wanted


def carry_out[T](wanted: Iterable[tuple[RawRecord, T]], do: Callable[[T], object]) -> int:
    """Does what each record asks for, in their order; returns how much that was.

    `do` does I/O: where it raises, all of the batch comes again, unless that is hopeless. Then the record alone is set
    aside.
    """
    done = 0
    for record, it in wanted:
        try:
            do(it)
        except _FAILURES as cause:
            if not _is_hopeless(cause):
                raise
            set_aside(record, cause)
        else:
            done += 1
    return done


def carry_out_together[T](wanted: Sequence[tuple[RawRecord, T]], do: Callable[[Sequence[T]], object]) -> None:
    """Does what the records ask for at once. Where that is hopeless, one by one: so none holds up its neighbours."""
    try:
        do([it for _, it in wanted])
    except _FAILURES as cause:
        if not _is_hopeless(cause):
            raise
        carry_out(wanted, lambda it: do([it]))


def _is_hopeless(cause: Exception) -> bool:
    """Whether it never succeeds, however often. DynamoDB calls such a write invalid, or one of a transaction's."""
    if isinstance(cause, ClientError):
        return cause.response["Error"].get("Code") == "ValidationException"
    if isinstance(cause, TransactWriteError):
        reasons = {reason.code for reason in cause.cancellation_reasons if reason}
        return cause.cause_response_code == "ValidationException" or "ValidationError" in reasons
    return isinstance(cause, HopelessError)


def set_aside(record: RawRecord, cause: Exception, shown: Callable[[RawItem], RawItem] = lambda item: item) -> None:
    """Puts the record, keys and both images, into the poison queue. A queue that refuses it makes the batch come again.

    Not left to an on-failure destination: that would get the record's place in the stream, which forgets after a day.
    """
    why = f"{type(cause).__name__}: {cause}"
    logger.error("a record was set aside", cause=why, event_id=record.get("eventID"))
    change = record.get("dynamodb", {})
    images = {name: shown(change[name]) for name in ("Keys", "OldImage", "NewImage") if name in change}
    kept = record | {"dynamodb": change | images}
    queues.send(settings().poison_queue_url, {"cause": why, "record": kept})
