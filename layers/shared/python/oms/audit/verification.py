"""Walks the audit log, its links, heads and the bucket, and names each place that is not as it was sealed.

What goes on meanwhile is no finding: heads are read first, then the bucket, then entries with their links, and what
seems to be missing is looked for again by its key.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from oms.audit import bucket, findings, macs
from oms.audit.counters import is_only_counted
from oms.audit.findings import Chain, Finding, Place, Witness
from oms.audit.heads import NAME
from oms.audit.macs import Keys
from oms.audit.models import ChainItem, Head, Link
from oms.audit.sealing import SETTLED
from oms.audit.storage import decoded, first_day, pairs
from oms.core import clock
from oms.core.dynamodb import batch_get_raw, query_raw
from oms.core.pages import HIGHEST, LOWEST
from oms.events.streams import RawItem

_DAY = len("2026-01-31")
# Counters of denials are sealed each hour.
_COUNTERS_SETTLED = timedelta(hours=3)


@dataclass
class Verification:
    """`first` and `last` are the days to look at (`2026-01-31`). Counts what it has seen."""

    keys: Keys
    bucket: str
    first: str = ""
    last: str = ""
    entries: int = 0
    links: int = 0
    chains: int = 0
    objects: int = 0
    _heads: dict[str, Head | None] = field(default_factory=dict)
    _witnesses: dict[str, list[Witness]] = field(default_factory=lambda: defaultdict(list))
    _places: dict[str, list[Place]] = field(default_factory=lambda: defaultdict(list))

    def run(self) -> Iterator[Finding]:
        """The findings as they are found, each place once for each kind."""
        said: set[tuple[str, str]] = set()
        for finding in self._walk():
            if (finding.code, finding.place) not in said:
                said.add((finding.code, finding.place))
                yield finding

    def _walk(self) -> Iterator[Finding]:
        yield from self._read_heads()
        self.first = self.first or min(
            filter(None, (first_day(), *(name[:_DAY] for name in self._heads if self._standing(name)))), default=""
        )
        self.last = self.last or clock.now().date().isoformat()
        yield from findings.of_heads(self._heads, self.keys)
        for day in _span(self.first, self.last):
            yield from self._look_into_bucket(day)
        asked = {name for name in self._heads if self._is_asked_for(name)}
        for day in self._days():
            yield from self._look_at_day(day)
            # All links of these chains have been seen: what they take in memory is free again.
            done = {name for name in asked if (head := self._standing(name)) and head.latest <= day}
            yield from self._finish(done)
            asked -= done
        yield from self._finish({*asked, *self._places, *self._witnesses})

    def _read_heads(self) -> Iterator[Finding]:
        for raw in query_raw(ChainItem, Head.PARTITION, LOWEST, HIGHEST):
            name = raw["sk"]["S"]
            if NAME.fullmatch(name):
                self._heads[name] = decoded(Head, raw)
            else:
                yield Finding("head-changed", f"{Head.PARTITION}/{name}", "no chain has such a name")
        for name in list(self._heads)[:-1]:
            head = self._heads[name]
            if head and head.next is None:  # it may just have been closed, after it was read
                raw = _look_again(Head.key_of(name))
                self._heads[name] = decoded(Head, raw) if raw else None

    def _look_into_bucket(self, day: str) -> Iterator[Finding]:
        for name, head in bucket.heads(self.bucket, day):
            self.objects += 1
            if head and macs.head_stands(head, self.keys):
                self._witnesses[head.day].append(Witness(name, head))
            else:
                yield findings.of_object(name)

    def _look_at_day(self, day: str) -> Iterator[Finding]:
        is_asked_for = self._is_asked_for(day)
        for place, entry, raw in pairs(day):
            link = decoded(Link, raw) if raw else None
            if is_asked_for or (link and self._is_asked_for(link.chain)):
                self.entries += entry is not None
                self.links += raw is not None
                yield from self._look_at_pair((f"day#{day}", place), entry, raw, link)

    def _look_at_pair(
        self, key: tuple[str, str], entry: RawItem | None, raw: RawItem | None, link: Link | None
    ) -> Iterator[Finding]:
        if raw is None:
            if entry and _is_overdue(entry) and _look_again(Link.key_of(key)) is None:
                yield findings.of_unsealed(key)
            return
        yield from findings.of_pair(key, entry or _look_again(key), link, self.keys)
        if link and self._is_asked_for(link.chain):
            place = Place.of(link, self.keys)
            if place.stands or link.chain in self._heads:
                self._places[link.chain].append(place)

    def _finish(self, names: set[str]) -> Iterator[Finding]:
        for name in sorted(names):
            self.chains += 1
            places, witnesses = self._places.pop(name, []), self._witnesses.pop(name, [])
            head = self._standing(name)
            reached = max((it.head.position for it in witnesses), default=0)
            if name not in self._heads and _look_again(Head.key_of(name)) is None:
                yield findings.of_lost_head(name)
            now = head if head is None or head.next else self._read_again(head)
            yield from findings.of_chain(Chain(name, now, places, reached), self.keys)
            for witness in witnesses:
                yield from findings.of_witness(witness, places, self.keys)
            if head:
                yield from findings.of_closing(head, witnesses)

    def _standing(self, name: str) -> Head | None:
        head = self._heads.get(name)
        return head if head and macs.head_stands(head, self.keys) else None

    def _read_again(self, head: Head) -> Head | None:
        """The head of an open chain, which may have gone on while its links were read."""
        raw = _look_again(Head.key_of(head.day))
        now = decoded(Head, raw) if raw else None
        return now if now and macs.head_stands(now, self.keys) else None

    def _is_asked_for(self, name: str) -> bool:
        """Whether a chain or a day is."""
        return self.first <= name[:_DAY] <= self.last

    def _days(self) -> Iterator[str]:
        """Those that were asked for, and those of what was sealed late in their chains."""
        heads = [head for name in self._heads if self._is_asked_for(name) and (head := self._standing(name))]
        first = min([self.first, *(head.earliest for head in heads)])
        return _span(first, max([self.last, *(head.latest for head in heads)]))


def _span(first: str, last: str) -> Iterator[str]:
    """The days from the first to the last. None if there is no first one, as in an empty log."""
    return clock.days(date.fromisoformat(first), date.fromisoformat(last)) if first else iter(())


def _look_again(key: tuple[str, str]) -> RawItem | None:
    return batch_get_raw(ChainItem, [key]).get(key)


def _is_overdue(entry: RawItem) -> bool:
    """Whether it should have been sealed by now."""
    if is_only_counted(entry):
        return False
    settled = _COUNTERS_SETTLED if entry.get("kind") == {"S": "denials"} else SETTLED
    return str(entry["sk"]["S"]) < clock.timestamp(clock.now() - settled)
