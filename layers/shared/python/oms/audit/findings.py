"""The verifier's rules: its findings about entries, links, heads and anchors. They have no I/O.

Each link is first checked by its own MAC. So a finding can name a changed link or a changed entry, and the links after
a missing one are still checked.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from oms.audit import macs
from oms.audit.macs import SealKeys
from oms.audit.models import ChainHead, ChainLink
from oms.events.streams import RawItem


@dataclass(frozen=True)
class AuditFinding:
    """One inconsistency. `place` is the key of an item, the name of an object, or `<chain>#<position>`."""

    code: str
    place: str
    why: str

    def __str__(self) -> str:
        return f"{self.code:<16}{self.place}: {self.why}"


@dataclass(frozen=True)
class LinkPlace:
    """The position of a link in its chain. `is_authentic`: the link equals the one that the sealer signed."""

    position: int
    previous: str
    mac: str
    key: str
    is_authentic: bool

    @classmethod
    def of(cls, link: ChainLink, keys: SealKeys) -> "LinkPlace":
        return cls(link.position, link.previous, link.mac, f"{link.pk}/{link.sk}", macs.is_authentic_link(link, keys))


@dataclass(frozen=True)
class Chain:
    """The stored data of a chain. `head` is None if it is not authentic.

    `reached` is the highest position that an anchor has.
    """

    name: str
    head: ChainHead | None
    places: Sequence[LinkPlace]
    reached: int


@dataclass(frozen=True)
class Anchor:
    """A copy of a head in an object of the bucket."""

    name: str
    head: ChainHead


def of_pair(
    key: tuple[str, str], entry: RawItem | None, link: ChainLink | None, keys: SealKeys
) -> Iterator[AuditFinding]:
    """Compares an entry with its link. `entry` is None if it is missing; `link` is None if the item is not a link."""
    place, place_of_link = "/".join(key), "/".join(ChainLink.key_of(key))
    if link is None:
        yield AuditFinding("link-changed", place_of_link, "the item is not a link")
    elif not macs.is_authentic_link(link, keys):
        yield AuditFinding("link-changed", place_of_link, "the link differs from the signed one")
    elif entry is None:
        yield AuditFinding("entry-removed", place, f"it was sealed as {link.chain}#{link.position}")
    elif link.digest != macs.digest(entry):
        yield AuditFinding(
            "entry-changed", place, f"it differs from the entry that was sealed as {link.chain}#{link.position}"
        )


def of_unsealed(key: tuple[str, str]) -> AuditFinding:
    return AuditFinding("entry-unsealed", "/".join(key), "it has no link: it was never sealed, or the link was removed")


def of_chain(chain: Chain, keys: SealKeys) -> Iterator[AuditFinding]:
    ordered = sorted(chain.places, key=lambda place: place.position)
    yield from _doubled(chain.name, ordered)
    yield from _missing(chain, ordered)
    for before, after in pairwise(ordered):
        follows = before.is_authentic and after.is_authentic and after.position == before.position + 1
        if follows and after.previous != before.mac:
            yield AuditFinding(
                "chain-broken", f"{chain.name}#{after.position}", f"{after.key} was signed after a different link"
            )
    if chain.head is not None:
        yield from _ends(chain.head, ordered, keys)


def _doubled(name: str, ordered: Sequence[LinkPlace]) -> Iterator[AuditFinding]:
    authentic = (place for place in ordered if place.is_authentic)
    for position, same in groupby(authentic, key=lambda place: place.position):
        taken = [place.key for place in same]
        if len(taken) > 1:
            yield AuditFinding(
                "chain-broken", f"{name}#{position}", f"this position has several links: {', '.join(taken)}"
            )


def _missing(chain: Chain, ordered: Sequence[LinkPlace]) -> Iterator[AuditFinding]:
    # A link that is not authentic has another finding. Its position may be any number, so it does not count for the
    # end.
    found = {place.position: place.key for place in ordered}
    authentic = (place.position for place in ordered if place.is_authentic)
    end = max(chain.reached, chain.head.position if chain.head else 0, *authentic, 0)
    missing = [position for position in range(1, end + 1) if position not in found]
    for _, run in groupby(enumerate(missing), key=lambda pair: pair[1] - pair[0]):
        first, *_, last = [position for _, position in run] * 2
        between = f"between {found.get(first - 1, 'the beginning')} and {found.get(last + 1, 'the end')}"
        span = f"{first}" if first == last else f"{first}-{last}"
        yield AuditFinding("link-removed", f"{chain.name}#{span}", f"no link has this position, {between}")


def _ends(head: ChainHead, ordered: Sequence[LinkPlace], keys: SealKeys) -> Iterator[AuditFinding]:
    """Compares a chain's first and last link with its head, which was read after the links."""
    opening = macs.opening_mac(head, keys)
    authentic = {place.position: place for place in ordered if place.is_authentic}
    if 1 in authentic and authentic[1].previous != opening:
        yield AuditFinding(
            "chain-broken", f"{head.day}#1", f"{authentic[1].key} was signed after a different beginning"
        )
    at_head = authentic[head.position].mac if head.position in authentic else opening if head.position == 0 else None
    if at_head is not None and head.mac != at_head:
        yield AuditFinding(
            "head-changed", _place(head.day), f"its MAC is not that of the link at position {head.position}"
        )
    farthest = max(authentic, default=0)
    if farthest > head.position:
        yield AuditFinding("head-changed", _place(head.day), f"it ends at {head.position}, but the chain at {farthest}")


def of_heads(heads: Mapping[str, ChainHead | None], keys: SealKeys) -> Iterator[AuditFinding]:
    """Compares all heads with each other. `heads` has them by chain name, in order; None for an item that is not a
    head.
    """
    authentic = {name: head for name, head in heads.items() if head and macs.is_authentic_head(head, keys)}
    for name in heads:
        if name not in authentic:
            yield AuditFinding("head-changed", _place(name), "the head differs from the signed one")
    for name, head in authentic.items():
        for other in (head.previous_day, head.next):
            if other and other not in heads:
                yield AuditFinding("head-removed", _place(other), f"the head of {name} names it")
    for (before_name, before), (name, head) in pairwise(authentic.items()):
        # If a head between them is missing or not authentic, it has a finding already.
        if head.previous_day != before_name and (head.previous_day is None or head.previous_day in authentic):
            yield AuditFinding("head-changed", _place(name), f"it does not continue {before_name}, the chain before it")
        if before.next != name and (before.next is None or before.next in authentic):
            yield AuditFinding("head-changed", _place(before_name), f"it does not name {name} as the next chain")
        if head.previous_day == before_name and head.previous_mac != before.mac:
            yield AuditFinding("head-changed", _place(before_name), f"it does not end where {name} continues")


def of_lost_head(name: str) -> AuditFinding:
    return AuditFinding("head-removed", _place(name), "links or objects name it")


def of_object(name: str) -> AuditFinding:
    return AuditFinding("object-changed", name, "the object differs from the signed one")


def of_anchor(anchor: Anchor, places: Iterable[LinkPlace], keys: SealKeys) -> Iterator[AuditFinding]:
    """Compares an authentic anchor with the link at its position. `of_chain` reports a chain that is too short."""
    head = anchor.head
    authentic = {place.position: place.mac for place in places if place.is_authentic}
    authentic |= {0: macs.opening_mac(head, keys)}
    if authentic.get(head.position, head.mac) != head.mac:
        yield AuditFinding(
            "chain-broken", f"{head.day}#{head.position}", f"the object {anchor.name} has a different link"
        )


def of_closing(head: ChainHead, anchors: Iterable[Anchor]) -> Iterator[AuditFinding]:
    """Checks that a closed chain has an anchor of its end, which the sealer puts before it closes a chain."""
    if head.next is not None and head.position not in {anchor.head.position for anchor in anchors}:
        yield AuditFinding("object-missing", _place(head.day), "no object of the bucket has the end of this chain")


def _place(name: str) -> str:
    return "/".join(ChainHead.key_of(name))
