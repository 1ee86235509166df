"""The open chain, and the transactions that open and close chains.

A chain has the name of the day on which it was opened (`2026-01-31`). If another party wrote its head, the sealer does
not continue the chain. It opens a new chain (`2026-01-31.001`), and the verifier reports the head. Other items in the
partition of the heads are skipped.
"""

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta

from pynamodb.expressions.condition import Condition

from oms.audit import bucket, macs
from oms.audit.models import ChainHead
from oms.audit.storage import decode, latest_heads
from oms.core import clock
from oms.core.errors import UnavailableError
from oms.core.retries import retrying
from oms.core.transactions import Transaction, TransactionError, transaction

NAME = re.compile(r"\d{4}-\d{2}-\d{2}(\.\d{3})?", re.ASCII)
_DAY = len("2026-01-31")
# Limits the alarms of one batch: every batch reads all foreign heads again. The verifier reports each of them.
_MAX_ALARMS = 10

type Alarm = Callable[[str], None]
"""Called with the key of an item that the system did not write."""


class ChainMovedError(Exception):
    """Another sealer has moved the head. The retry needs no wait, since the other sealer made progress."""


def retry_conflicts[T](attempt: Callable[[], T]) -> T:
    """Repeats `attempt` until no other sealer moves the head meanwhile. Returns its result.

    Raises UnavailableError at the deadline.
    """
    while True:
        try:
            return retrying(attempt)
        except ChainMovedError:
            pass


@contextmanager
def chain_transaction() -> Iterator[Transaction]:
    """Yields a transaction on the chain. Raises ChainMovedError if another sealer has moved the head."""
    try:
        with transaction() as write:
            yield write
    except TransactionError as error:
        if error.any_failed or error.any_conflicted:
            raise ChainMovedError from error
        raise


def open_head(alarm: Alarm) -> ChainHead:
    """Returns the head of the open chain: today's, or one that a sealer with a faster clock has opened.

    If no chain is open, it closes the previous one and opens a new one. Raises ChainMovedError.
    """
    today = clock.now().date().isoformat()
    foreign: list[str] = []
    latest = None
    for name, raw in latest_heads(_tomorrow() + ".999"):
        head = decode(ChainHead, raw) if NAME.fullmatch(name) else None
        if head and _is_usable(head):
            latest = head
            break
        foreign.append(name)
    for name in foreign[:_MAX_ALARMS]:
        alarm("/".join(ChainHead.key_of(name)))
    if latest is None:
        return _begin(_free_name(today, None, foreign), None)
    if latest.next is None and latest.day[:_DAY] >= today:
        return latest
    return _close(latest, _free_name(today, latest, foreign))


def is_unmoved(head: ChainHead) -> Condition:
    """Returns the condition that no sealer has added to this chain or closed it since `head` was read."""
    unmoved: Condition = (
        (ChainHead.mac == head.mac) & (ChainHead.position == head.position) & ChainHead.next.does_not_exist()
    )
    return unmoved


def sign_head(head: ChainHead) -> ChainHead:
    head.key = macs.newest_version(macs.KEYS.get())
    head.seal = macs.head_seal(head, macs.KEYS.get())
    return head


def _is_usable(head: ChainHead) -> bool:
    """Returns whether the head is authentic and `next`, which is not signed, has a possible value."""
    is_next_sane = head.next is None or (NAME.fullmatch(head.next) and head.day < head.next <= _tomorrow() + ".999")
    return bool(is_next_sane) and macs.is_authentic_head(head, macs.KEYS.get())


def _close(latest: ChainHead, name: str) -> ChainHead:
    """Puts the chain's anchor, then closes the chain and opens the next one. Returns the new head.

    The anchor is valid even if two sealers put it, or if another sealer adds links meanwhile.
    """
    bucket.put(latest)
    if latest.next is not None:  # the next head was removed
        return _begin(name, latest)
    following = _new(name, latest)
    closed = ChainHead.from_raw_data(latest.serialize())
    closed.next = name
    with chain_transaction() as write:
        write.save(closed, condition=is_unmoved(latest))
        write.save(following, condition=ChainHead.pk.does_not_exist())
    return following


def _begin(name: str, after: ChainHead | None) -> ChainHead:
    head = _new(name, after)
    with chain_transaction() as write:
        write.save(head, condition=ChainHead.pk.does_not_exist())
    return head


def _new(name: str, after: ChainHead | None) -> ChainHead:
    day = name[:_DAY]
    head = ChainHead(
        *ChainHead.key_of(name),
        position=0,
        previous_day=after.day if after else None,
        previous_mac=after.mac if after else None,
        earliest=day,
        latest=day,
        key=macs.newest_version(macs.KEYS.get()),
    )
    head.mac = macs.opening_mac(head, macs.KEYS.get())
    return sign_head(head)


def _free_name(today: str, after: ChainHead | None, taken: Collection[str]) -> str:
    """Returns the name of the chain to open after this one.

    Two sealers that read the same heads choose the same name, so one of them gets a conflict.

    It is never the name of a removed chain, since a new chain of that name would hide the removal. Raises
    UnavailableError while all names of today and tomorrow are taken.
    """
    last, lost = (after.day, after.next or "") if after else ("", "")
    for day in (max(today, last[:_DAY], lost[:_DAY]), _tomorrow()):
        for name in (day, *(f"{day}.{number:03d}" for number in range(1, 1000))):
            if name > last and name != lost and name not in taken:
                return name
    raise UnavailableError


def _tomorrow() -> str:
    """Returns the last day of which a chain can be open, even with wrong clocks. The system writes no head with a later
    name.
    """
    return (clock.now() + timedelta(days=1)).date().isoformat()
