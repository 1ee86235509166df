"""Sealing: adds one signed link for each audit entry to the open chain. Only the sealer has the key.

Each transaction moves the chain's head and puts links, one transaction at a time. A late entry is sealed in the chain
that is open when it arrives.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from itertools import batched

from oms.audit import bucket, macs
from oms.audit.counters import is_forged, is_only_counted
from oms.audit.heads import Alarm, chain_transaction, is_unmoved, open_head, retry_conflicts, sign_head
from oms.audit.models import ChainHead, ChainItem, ChainLink
from oms.audit.storage import entry_link_pairs
from oms.core import clock
from oms.core.dynamodb import batch_get_raw
from oms.core.retries import deadline
from oms.events.streams import RawItem

# A transaction allows 100 operations: one on the head, and one for each link.
MAX_BATCH = 99
# Longer than any request runs: no entry or denial of an earlier time can be added.
SETTLED_AFTER = timedelta(minutes=15)
# No call starts later than this after the start of an invocation.
_DEADLINE_SECONDS = 240

type EntryKey = tuple[str, str]


def seal(entries: Iterable[RawItem], *, alarm: Alarm) -> int:
    """Seals the entries that have no link, each once, and returns their number.

    Raises UnavailableError, and botocore's errors of S3.
    """
    digests = {(entry["pk"]["S"], entry["sk"]["S"]): macs.digest(entry) for entry in entries}
    sealed = 0
    with deadline(_DEADLINE_SECONDS):
        for batch in batched(digests.items(), MAX_BATCH, strict=False):
            sealed += retry_conflicts(partial(_seal, dict(batch), alarm))
    return sealed


def seal_unsealed(*, since: timedelta, alarm: Alarm) -> int:
    """Seals listed counters of denials, and entries that the stream did not deliver, if they are younger than `since`.

    Returns their number.
    """
    end = clock.now() - SETTLED_AFTER
    start = clock.now() - since
    days = clock.days(start.date(), end.date())
    return seal((entry for day in days for entry in _without_link(day, start, end, alarm)), alarm=alarm)


def anchor_head(*, alarm: Alarm) -> ChainHead:
    """Puts the head of the open chain into the bucket, and returns it. Opens today's chain if it is not open."""
    with deadline(_DEADLINE_SECONDS):
        head = retry_conflicts(lambda: open_head(alarm))
    bucket.put(head)
    return head


def _without_link(day: str, start: datetime, end: datetime, alarm: Alarm) -> Iterator[RawItem]:
    for sort_key, entry, link in entry_link_pairs(day, clock.timestamp(start), clock.timestamp(end)):
        if not entry or link or is_only_counted(entry):
            continue
        if is_forged(entry):  # the verifier must report it, and a seal would make it look like an entry of the system
            alarm(f"day#{day}/{sort_key}")
        else:
            yield entry


def _seal(digests: Mapping[EntryKey, str], alarm: Alarm) -> int:
    """Seals one batch in one transaction, and returns its size. Raises ChainMovedError if the head has changed since
    the read.
    """
    keys = {ChainLink.key_of(entry): entry for entry in digests}
    known = batch_get_raw(ChainItem, keys)
    new = {entry: digests[entry] for key, entry in keys.items() if key not in known}
    if not new:
        return 0
    before = open_head(alarm)
    links = _links(before, new)
    days = [before.earliest, before.latest, *(link.pk.removeprefix("links#") for link in links)]
    head = ChainHead(
        *ChainHead.key_of(before.day),
        position=links[-1].position,
        mac=links[-1].mac,
        previous_day=before.previous_day,
        previous_mac=before.previous_mac,
        earliest=min(days),
        latest=max(days),
    )
    with chain_transaction() as write:
        write.save(sign_head(head), condition=is_unmoved(before))
        for link in links:
            write.save(link, condition=ChainLink.pk.does_not_exist())
    return len(links)


def _links(head: ChainHead, digests: Mapping[EntryKey, str]) -> list[ChainLink]:
    """Returns the links of these entries, in order, after the head's last link."""
    signing, version = macs.KEYS.get(), macs.newest_version(macs.KEYS.get())
    links: list[ChainLink] = []
    previous = head.mac
    for position, (entry, digest) in enumerate(digests.items(), head.position + 1):
        link = ChainLink(
            *ChainLink.key_of(entry), chain=head.day, position=position, digest=digest, previous=previous, key=version
        )
        link.mac = previous = macs.link_mac(link, signing)
        links.append(link)
    return links
