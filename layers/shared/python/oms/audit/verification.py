"""Verification: walks entries, links, heads and anchors, and reports each changed place.

Concurrent writes cause no finding: heads are read first, then the bucket, then entries with their links, and an item
that seems to be missing is read again by its key.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from oms.audit import bucket, findings, macs
from oms.audit.counters import is_only_counted
from oms.audit.findings import Anchor, AuditFinding, Chain, LinkPlace
from oms.audit.heads import NAME
from oms.audit.macs import SealKeys
from oms.audit.models import ChainHead, ChainItem, ChainLink
from oms.audit.sealing import SETTLED_AFTER
from oms.audit.storage import decode, entry_link_pairs, first_day
from oms.core import clock
from oms.core.dynamodb import batch_get_raw, query_raw
from oms.core.pages import HIGHEST, LOWEST
from oms.events.streams import RawItem

_DAY = len("2026-01-31")
# Counters of denials are sealed each hour.
_COUNTERS_SETTLED_AFTER = timedelta(hours=3)


@dataclass
class Verification:
    """One walk over the days from `first` to `last` (`2026-01-31`; empty: all), with the numbers of items that it has
    read.
    """

    keys: SealKeys
    bucket: str
    first: str = ""
    last: str = ""
    entries: int = 0
    links: int = 0
    chains: int = 0
    objects: int = 0
    _heads: dict[str, ChainHead | None] = field(default_factory=dict)
    _anchors: dict[str, list[Anchor]] = field(default_factory=lambda: defaultdict(list))
    _places: dict[str, list[LinkPlace]] = field(default_factory=lambda: defaultdict(list))

    def run(self) -> Iterator[AuditFinding]:
        """Yields the findings in the order of the walk, one for each code and place."""
        reported: set[tuple[str, str]] = set()
        for finding in self._walk():
            if (finding.code, finding.place) not in reported:
                reported.add((finding.code, finding.place))
                yield finding

    def _walk(self) -> Iterator[AuditFinding]:
        yield from self._read_heads()
        self.first = self.first or min(
            filter(None, (first_day(), *(name[:_DAY] for name in self._heads if self._authentic_head(name)))),
            default="",
        )
        self.last = self.last or clock.now().date().isoformat()
        yield from findings.of_heads(self._heads, self.keys)
        for day in _days(self.first, self.last):
            yield from self._read_anchors(day)
        unfinished = {name for name in self._heads if self._is_selected(name)}
        for day in self._days_of_links():
            yield from self._check_day(day)
            # All links of these chains have been read, so their memory can be freed.
            done = {name for name in unfinished if (head := self._authentic_head(name)) and head.latest <= day}
            yield from self._finish(done)
            unfinished -= done
        yield from self._finish({*unfinished, *self._places, *self._anchors})

    def _read_heads(self) -> Iterator[AuditFinding]:
        for raw in query_raw(ChainItem, ChainHead.PARTITION, LOWEST, HIGHEST):
            name = raw["sk"]["S"]
            if NAME.fullmatch(name):
                self._heads[name] = decode(ChainHead, raw)
            else:
                yield AuditFinding("head-changed", f"{ChainHead.PARTITION}/{name}", "a chain cannot have this name")
        for name in list(self._heads)[:-1]:
            head = self._heads[name]
            if head and head.next is None:  # the sealer may have closed it since the read
                raw = _read_now(ChainHead.key_of(name))
                self._heads[name] = decode(ChainHead, raw) if raw else None

    def _read_anchors(self, day: str) -> Iterator[AuditFinding]:
        for name, head in bucket.anchored_heads(self.bucket, day):
            self.objects += 1
            if head and macs.is_authentic_head(head, self.keys):
                self._anchors[head.day].append(Anchor(name, head))
            else:
                yield findings.of_object(name)

    def _check_day(self, day: str) -> Iterator[AuditFinding]:
        is_selected = self._is_selected(day)
        for sort_key, entry, raw in entry_link_pairs(day):
            link = decode(ChainLink, raw) if raw else None
            if is_selected or (link and self._is_selected(link.chain)):
                self.entries += entry is not None
                self.links += raw is not None
                yield from self._check_pair((f"day#{day}", sort_key), entry, raw, link)

    def _check_pair(
        self, key: tuple[str, str], entry: RawItem | None, raw: RawItem | None, link: ChainLink | None
    ) -> Iterator[AuditFinding]:
        if raw is None:
            if entry and _is_overdue(entry) and _read_now(ChainLink.key_of(key)) is None:
                yield findings.of_unsealed(key)
            return
        yield from findings.of_pair(key, entry or _read_now(key), link, self.keys)
        if link and self._is_selected(link.chain):
            place = LinkPlace.of(link, self.keys)
            if place.is_authentic or link.chain in self._heads:
                self._places[link.chain].append(place)

    def _finish(self, names: set[str]) -> Iterator[AuditFinding]:
        """Checks the chains of these names, of which all links have been read."""
        for name in sorted(names):
            self.chains += 1
            places, anchors = self._places.pop(name, []), self._anchors.pop(name, [])
            head = self._authentic_head(name)
            reached = max((anchor.head.position for anchor in anchors), default=0)
            if name not in self._heads and _read_now(ChainHead.key_of(name)) is None:
                yield findings.of_lost_head(name)
            current = head if head is None or head.next else self._read_again(head)
            yield from findings.of_chain(Chain(name, current, places, reached), self.keys)
            for anchor in anchors:
                yield from findings.of_anchor(anchor, places, self.keys)
            if head:
                yield from findings.of_closing(head, anchors)

    def _authentic_head(self, name: str) -> ChainHead | None:
        head = self._heads.get(name)
        return head if head and macs.is_authentic_head(head, self.keys) else None

    def _read_again(self, head: ChainHead) -> ChainHead | None:
        """Returns the current head of an open chain, which may have grown while its links were read."""
        raw = _read_now(ChainHead.key_of(head.day))
        current = decode(ChainHead, raw) if raw else None
        return current if current and macs.is_authentic_head(current, self.keys) else None

    def _is_selected(self, name: str) -> bool:
        """Returns whether a chain or a day is within the requested days."""
        return self.first <= name[:_DAY] <= self.last

    def _days_of_links(self) -> Iterator[str]:
        """Yields the days whose links are read: the requested ones, and all days of the entries in their chains.

        A chain also seals late entries, which have an earlier day.
        """
        heads = [head for name in self._heads if self._is_selected(name) and (head := self._authentic_head(name))]
        first = min([self.first, *(head.earliest for head in heads)])
        return _days(first, max([self.last, *(head.latest for head in heads)]))


def _days(first: str, last: str) -> Iterator[str]:
    """Yields the days from the first to the last. It yields nothing if `first` is empty, as in an empty log."""
    return clock.days(date.fromisoformat(first), date.fromisoformat(last)) if first else iter(())


def _read_now(key: tuple[str, str]) -> RawItem | None:
    return batch_get_raw(ChainItem, [key]).get(key)


def _is_overdue(entry: RawItem) -> bool:
    """Returns whether the sealer should have sealed the entry by now."""
    if is_only_counted(entry):
        return False
    settled_after = _COUNTERS_SETTLED_AFTER if entry.get("kind") == {"S": "denials"} else SETTLED_AFTER
    return str(entry["sk"]["S"]) < clock.timestamp(clock.now() - settled_after)
