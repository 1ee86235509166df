"""Which chain is open, and how one ends and the next begins.

A chain has the name of the day on which it was opened (`2026-01-31`). Where somebody else has written its head, nothing
is built on that: what follows goes into a new chain (`2026-01-31.001`), and the verifier finds the place. What somebody
has put beside the heads, under whatever name, is stepped over.
"""

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta

from pynamodb.exceptions import TransactWriteError
from pynamodb.expressions.condition import Condition

from oms.audit import bucket, macs
from oms.audit.models import Head
from oms.audit.storage import decoded, latest_heads
from oms.core import clock
from oms.core.dynamodb import conflicted, failed, retrying, transaction
from oms.core.errors import UnavailableError

NAME = re.compile(r"\d{4}-\d{2}-\d{2}(\.\d{3})?", re.ASCII)
_DAY = len("2026-01-31")
# Of a thousand, the verifier names each. They are met with every batch.
_MOST_RUNG_FOR = 10

type Ring = Callable[[str], None]
"""Called with the key of what somebody else has written."""


class OvertakenError(Exception):
    """Another sealer has moved the head. It got on, so this one tries again at once."""


def in_turn[T](attempt: Callable[[], T]) -> T:
    """What `attempt` returns once it is not overtaken. Ends by `patience`, with UnavailableError."""
    while True:
        try:
            return retrying(attempt)
        except OvertakenError:
            pass


@contextmanager
def overtaking() -> Iterator[None]:
    """Around a transaction of which another sealer's may have been the first."""
    try:
        yield
    except TransactWriteError as error:
        if any(failed(reason) or conflicted(reason) for reason in error.cancellation_reasons):
            raise OvertakenError from error
        raise


def open_head(ring: Ring) -> Head:
    """The head of the chain that is open: today's, or one that a faster clock has opened.

    Opens it where there is none, after the one before is closed. Raises OvertakenError.
    """
    today = clock.now().date().isoformat()
    foreign: list[str] = []
    seen = None
    for name, raw in latest_heads(_tomorrow() + ".999"):
        head = decoded(Head, raw) if NAME.fullmatch(name) else None
        if head and _stands(head):
            seen = head
            break
        foreign.append(name)
    for name in foreign[:_MOST_RUNG_FOR]:
        ring("/".join(Head.key_of(name)))
    if seen is None:
        return _begin(_free_name(today, None, foreign), None)
    if seen.next is None and seen.day[:_DAY] >= today:
        return seen
    return _close(seen, _free_name(today, seen, foreign))


def is_as(seen: Head) -> Condition:
    """That nobody has gone on from this head, or closed its chain."""
    unmoved: Condition = (Head.mac == seen.mac) & (Head.position == seen.position) & Head.next.does_not_exist()
    return unmoved


def signed(head: Head) -> Head:
    head.key = macs.newest(macs.KEYS.get())
    head.seal = macs.head_seal(head, macs.KEYS.get())
    return head


def _stands(head: Head) -> bool:
    is_next_sane = head.next is None or (NAME.fullmatch(head.next) and head.day < head.next <= _tomorrow() + ".999")
    return bool(is_next_sane) and macs.head_stands(head, macs.KEYS.get())


def _close(seen: Head, name: str) -> Head:
    """The head is in the bucket before the next chain is there; put by two, or before others went on, it is a witness
    all the same.
    """
    bucket.put(seen)
    if seen.next is not None:  # the head that followed was taken away
        return _begin(name, seen)
    following = _new(name, seen)
    closed = Head.from_raw_data(seen.serialize())
    closed.next = name
    with overtaking(), transaction() as write:
        write.save(closed, condition=is_as(seen))
        write.save(following, condition=Head.pk.does_not_exist())
    return following


def _begin(name: str, after: Head | None) -> Head:
    head = _new(name, after)
    with overtaking(), transaction() as write:
        write.save(head, condition=Head.pk.does_not_exist())
    return head


def _new(name: str, after: Head | None) -> Head:
    day = name[:_DAY]
    head = Head(
        *Head.key_of(name),
        position=0,
        previous_day=after.day if after else None,
        previous_mac=after.mac if after else None,
        earliest=day,
        latest=day,
        key=macs.newest(macs.KEYS.get()),
    )
    head.mac = macs.opening_mac(head, macs.KEYS.get())
    return signed(head)


def _free_name(today: str, after: Head | None, taken: Collection[str]) -> str:
    """The name of the chain to open after this one: two sealers who read the same draw the same, and one of them is
    overtaken.

    Not the name of a chain that is gone, or there would be nothing to show for it. Raises UnavailableError when
    somebody has taken all names, until a day is over.
    """
    last, lost = (after.day, after.next or "") if after else ("", "")
    for day in (max(today, last[:_DAY], lost[:_DAY]), _tomorrow()):
        for name in (day, *(f"{day}.{number:03d}" for number in range(1, 1000))):
            if name > last and name != lost and name not in taken:
                return name
    raise UnavailableError


def _tomorrow() -> str:
    """The last day whose chains may be open, by any clock. What stands above its names is not ours."""
    return (clock.now() + timedelta(days=1)).date().isoformat()
