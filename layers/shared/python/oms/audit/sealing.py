"""Each entry of the audit log gets one link, in the chain that is open, signed with a key that only the sealer has.

One transaction at a time moves the head of the chain and puts the links, so what is written late is sealed in the chain
that is open then.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from itertools import batched

from oms.audit import bucket, macs
from oms.audit.counters import is_forged, is_only_counted
from oms.audit.heads import Ring, in_turn, is_as, open_head, overtaking, signed
from oms.audit.models import ChainItem, Head, Link
from oms.audit.storage import pairs
from oms.core import clock
from oms.core.dynamodb import batch_get_raw, patience, transaction
from oms.events.streams import RawItem

# A transaction takes 100 operations: the head, and a link for each entry.
MOST_AT_ONCE = 99
# After so long no request is under way that could put an entry or count a denial of then.
SETTLED = timedelta(minutes=15)
# Seconds in which calls are begun for one invocation.
_PATIENCE = 240

type Key = tuple[str, str]


def seal(entries: Iterable[RawItem], *, ring: Ring) -> int:
    """Seals the entries that are not yet, each once; how many. Raises UnavailableError, and botocore's errors of S3."""
    digests = {(entry["pk"]["S"], entry["sk"]["S"]): macs.digest(entry) for entry in entries}
    sealed = 0
    with patience(_PATIENCE):
        for batch in batched(digests.items(), MOST_AT_ONCE, strict=False):
            sealed += in_turn(partial(_seal, dict(batch), ring))
    return sealed


def seal_left_out(*, since: timedelta, ring: Ring) -> int:
    """Seals what is not older than so long and has no link: denials that are only counted, and what the stream lost."""
    end = clock.now() - SETTLED
    start = clock.now() - since
    days = clock.days(start.date(), end.date())
    return seal((entry for day in days for entry in _without_link(day, start, end, ring)), ring=ring)


def witness(*, ring: Ring) -> Head:
    """Opens the chain of today, if it is not open, and puts its head into the bucket as it is now."""
    with patience(_PATIENCE):
        head = in_turn(lambda: open_head(ring))
    bucket.put(head)
    return head


def _without_link(day: str, start: datetime, end: datetime, ring: Ring) -> Iterator[RawItem]:
    for place, entry, link in pairs(day, clock.timestamp(start), clock.timestamp(end)):
        if not entry or link or is_only_counted(entry):
            continue
        if is_forged(entry):  # for the verifier to find: sealed, it would be as good as the system's own
            ring(f"day#{day}/{place}")
        else:
            yield entry


def _seal(digests: Mapping[Key, str], ring: Ring) -> int:
    """One transaction. Raises OvertakenError when the head was not any more as it was read."""
    keys = {Link.key_of(entry): entry for entry in digests}
    known = batch_get_raw(ChainItem, keys)
    new = {entry: digests[entry] for key, entry in keys.items() if key not in known}
    if not new:
        return 0
    seen = open_head(ring)
    links = _links(seen, new)
    days = [seen.earliest, seen.latest, *(link.pk.removeprefix("links#") for link in links)]
    head = Head(
        *Head.key_of(seen.day),
        position=links[-1].position,
        mac=links[-1].mac,
        previous_day=seen.previous_day,
        previous_mac=seen.previous_mac,
        earliest=min(days),
        latest=max(days),
    )
    with overtaking(), transaction() as write:
        write.save(signed(head), condition=is_as(seen))
        for link in links:
            write.save(link, condition=Link.pk.does_not_exist())
    return len(links)


def _links(seen: Head, digests: Mapping[Key, str]) -> list[Link]:
    signing, version = macs.KEYS.get(), macs.newest(macs.KEYS.get())
    links: list[Link] = []
    previous = seen.mac
    for position, (entry, digest) in enumerate(digests.items(), seen.position + 1):
        link = Link(
            *Link.key_of(entry), chain=seen.day, position=position, digest=digest, previous=previous, key=version
        )
        link.mac = previous = macs.link_mac(link, signing)
        links.append(link)
    return links
