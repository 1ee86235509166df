"""Consuming a table's stream: every change is carried out once or more, or stands whole in the poison queue.

A consumer finishes its batch or raises, and then the batch comes again. So what it does must be safe to do twice, and
what can never succeed must not hold up what comes after it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from oms import queues
from oms.settings import settings

logger = Logger(child=True)

type RawItem = dict[str, Any]
"""An item as DynamoDB writes it: {"version": {"N": "3"}, …}."""


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


class HopelessError(Exception):
    """What a change asks for can never be done, however often its batch comes again."""


def consume[T](
    records: Iterable[dict[str, Any]],
    *,
    understand: Callable[[Change], T | None],
    carry_out: Callable[[T], None],
    shown: Callable[[RawItem], RawItem] = lambda item: item,
) -> int:
    """Does what the records of a stream ask for, in their order; returns how much that was.

    `understand` is pure and tells what a change asks for (None: nothing). Where it raises, whatever it is, the record
    will never be understood: it goes into the poison queue, and its neighbours go on. `carry_out` does I/O: where it
    raises, all of the batch comes again, unless that is hopeless, or DynamoDB calls the write itself invalid.
    `shown` is what the poison queue may hold of an item, or of its keys.
    """
    done = 0
    for record, wanted in understood(records, understand, shown):
        try:
            carry_out(wanted)
        except (HopelessError, ClientError) as cause:
            if isinstance(cause, ClientError) and cause.response["Error"].get("Code") != "ValidationException":
                raise
            set_aside(record, cause, shown)
        else:
            done += 1
    return done


def understood[T](
    records: Iterable[dict[str, Any]],
    understand: Callable[[Change], T | None],
    shown: Callable[[RawItem], RawItem] = lambda item: item,
) -> Iterator[tuple[dict[str, Any], T]]:
    """Each record that asks for something, and what. Sets aside those that cannot be understood: see `consume`."""
    for record in records:
        try:
            wanted = understand(Change.of(record))
        except Exception as cause:
            set_aside(record, cause, shown)
            continue
        if wanted is not None:
            yield record, wanted


def set_aside(record: dict[str, Any], cause: Exception, shown: Callable[[RawItem], RawItem]) -> None:
    """Puts the record, keys and both images, into the poison queue. A queue that refuses it makes the batch come again.

    Not left to an on-failure destination: that would get the record's place in the stream, which forgets after a day.
    """
    why = f"{type(cause).__name__}: {cause}"
    logger.error("a record was set aside", cause=why, event_id=record.get("eventID"))
    change = record.get("dynamodb", {})
    images = {name: shown(change[name]) for name in ("Keys", "OldImage", "NewImage") if name in change}
    kept = record | {"dynamodb": change | images}
    queues.send(settings().poison_queue_url, {"cause": why, "record": kept})
