"""What the verifier says of each place: rules without I/O.

A link is first checked by its own MAC. So it is known whether a link or its entry was changed, and those after a link
that is missing are checked all the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from oms.audit import macs
from oms.audit.macs import Keys
from oms.audit.models import Head, Link
from oms.events.streams import RawItem


@dataclass(frozen=True)
class Finding:
    """What is wrong, and where: `place` is the key of an item, the name of an object, or `<chain>#<position>`."""

    code: str
    place: str
    why: str

    def __str__(self) -> str:
        return f"{self.code:<16}{self.place}: {self.why}"


@dataclass(frozen=True)
class Place:
    """A link's place in its chain; `stands` if it is as it was signed."""

    position: int
    previous: str
    mac: str
    key: str
    stands: bool

    @classmethod
    def of(cls, link: Link, keys: Keys) -> "Place":
        return cls(link.position, link.previous, link.mac, f"{link.pk}/{link.sk}", macs.link_stands(link, keys))


@dataclass(frozen=True)
class Chain:
    """All that is known of a chain; `head` is None unless there is one that stands.

    `reached` is the farthest place that an object of the bucket tells of.
    """

    name: str
    head: Head | None
    places: Sequence[Place]
    reached: int


@dataclass(frozen=True)
class Witness:
    """A head as an object of the bucket has it."""

    name: str
    head: Head


def of_pair(key: tuple[str, str], entry: RawItem | None, link: Link | None, keys: Keys) -> Iterator[Finding]:
    """An entry, if it is there, and what stands in the place of its link, None where that is no link any more."""
    place, place_of_link = "/".join(key), "/".join(Link.key_of(key))
    if link is None:
        yield Finding("link-changed", place_of_link, "this is not a link")
    elif not macs.link_stands(link, keys):
        yield Finding("link-changed", place_of_link, "this is not what was signed")
    elif entry is None:
        yield Finding("entry-removed", place, f"it was sealed as {link.chain}#{link.position}")
    elif link.digest != macs.digest(entry):
        yield Finding("entry-changed", place, f"it is not what was sealed as {link.chain}#{link.position}")


def of_unsealed(key: tuple[str, str]) -> Finding:
    return Finding("entry-unsealed", "/".join(key), "it has no link: it was never sealed, or the link was removed")


def of_chain(chain: Chain, keys: Keys) -> Iterator[Finding]:
    ordered = sorted(chain.places, key=lambda it: it.position)
    yield from _doubled(chain.name, ordered)
    yield from _missing(chain, ordered)
    for before, after in pairwise(ordered):
        follows = before.stands and after.stands and after.position == before.position + 1
        if follows and after.previous != before.mac:
            yield Finding(
                "chain-broken", f"{chain.name}#{after.position}", f"{after.key} was signed after another link"
            )
    if chain.head is not None:
        yield from _ends(chain.head, ordered, keys)


def _doubled(name: str, ordered: Sequence[Place]) -> Iterator[Finding]:
    for position, same in groupby((it for it in ordered if it.stands), key=lambda it: it.position):
        taken = [it.key for it in same]
        if len(taken) > 1:
            yield Finding("chain-broken", f"{name}#{position}", f"this place has several links: {', '.join(taken)}")


def _missing(chain: Chain, ordered: Sequence[Place]) -> Iterator[Finding]:
    # A link that does not stand is named for itself, and may say any place.
    there = {it.position: it.key for it in ordered}
    end = max(chain.reached, chain.head.position if chain.head else 0, *(it.position for it in ordered if it.stands), 0)
    lacking = [position for position in range(1, end + 1) if position not in there]
    for _, run in groupby(enumerate(lacking), key=lambda it: it[1] - it[0]):
        first, *_, last = [position for _, position in run] * 2
        between = f"between {there.get(first - 1, 'the beginning')} and {there.get(last + 1, 'the end')}"
        span = f"{first}" if first == last else f"{first}-{last}"
        yield Finding("link-removed", f"{chain.name}#{span}", f"there is no link of this place, {between}")


def _ends(head: Head, ordered: Sequence[Place], keys: Keys) -> Iterator[Finding]:
    """Whether a chain begins and ends as its head says, which was read after the links."""
    opening = macs.opening_mac(head, keys)
    standing = {it.position: it for it in ordered if it.stands}
    if 1 in standing and standing[1].previous != opening:
        yield Finding("chain-broken", f"{head.day}#1", f"{standing[1].key} was signed after another beginning")
    at_head = standing[head.position].mac if head.position in standing else opening if head.position == 0 else None
    if at_head is not None and head.mac != at_head:
        yield Finding("head-changed", _place(head.day), f"it does not end as the link at place {head.position}")
    farthest = max(standing, default=0)
    if farthest > head.position:
        yield Finding("head-changed", _place(head.day), f"it ends at {head.position}, and the chain at {farthest}")


def of_heads(heads: Mapping[str, Head | None], keys: Keys) -> Iterator[Finding]:
    """All heads there are, by the names of their chains and in their order. None: what is there is no head."""
    standing = {name: head for name, head in heads.items() if head and macs.head_stands(head, keys)}
    for name in heads:
        if name not in standing:
            yield Finding("head-changed", _place(name), "this is not what was signed")
    for name, head in standing.items():
        for other in (head.previous_day, head.next):
            if other and other not in heads:
                yield Finding("head-removed", _place(other), f"the chain {name} tells of it")
    for (before_name, before), (name, head) in pairwise(standing.items()):
        # What lies between them and does not stand, or is gone, was named already.
        if head.previous_day != before_name and (head.previous_day is None or head.previous_day in standing):
            yield Finding("head-changed", _place(name), f"it does not go on from {before_name}, the one before it")
        if before.next != name and (before.next is None or before.next in standing):
            yield Finding("head-changed", _place(before_name), f"it does not say that {name} follows")
        if head.previous_day == before_name and head.previous_mac != before.mac:
            yield Finding("head-changed", _place(before_name), f"it does not end where {name} goes on")


def of_lost_head(name: str) -> Finding:
    return Finding("head-removed", _place(name), "links or objects tell of it")


def of_object(name: str) -> Finding:
    return Finding("object-changed", name, "this is not what was signed")


def of_witness(witness: Witness, places: Iterable[Place], keys: Keys) -> Iterator[Finding]:
    """An object that stands, beside the chain that it tells of. That the chain is shorter, `of_chain` says."""
    seen = witness.head
    standing = {it.position: it.mac for it in places if it.stands} | {0: macs.opening_mac(seen, keys)}
    if standing.get(seen.position, seen.mac) != seen.mac:
        yield Finding("chain-broken", f"{seen.day}#{seen.position}", f"the object {witness.name} tells of another link")


def of_closing(head: Head, witnesses: Iterable[Witness]) -> Iterator[Finding]:
    """A chain that is closed was put into the bucket before."""
    if head.next is not None and head.position not in {it.head.position for it in witnesses}:
        yield Finding("object-missing", _place(head.day), "no object of the bucket has how this chain ended")


def _place(name: str) -> str:
    return "/".join(Head.key_of(name))
