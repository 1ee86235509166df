"""The search terms of an order, and the keys under which they are stored.

Terms that many orders share, SKUs and tags, are spread over the shards that the orders have in the list of all orders.
So no partition of a popular term takes more writes than one of that list. Terms about a person are stored as keyed
hashes.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from oms.core.email_addresses import fold
from oms.core.pseudonyms import term_pseudonym
from oms.orders.models import Order, shard_number

# A longer term is cut: a partition key has at most 2,048 bytes. The orders that are found are compared whole.
_MAX_CHARACTERS = 100

type TermKey = tuple[str, str]
"""The key of a stored term: its partition, and the order's `created_key`."""


class TermKind(StrEnum):
    """The kinds of search terms."""

    NUMBER = "number"
    EMAIL = "email"
    SKU = "sku"
    TRACKING = "tracking"
    TAG = "tag"


_SHARED = frozenset({TermKind.SKU, TermKind.TAG})
"""The kinds whose terms many orders have."""
_OF_PERSONS = frozenset({TermKind.EMAIL, TermKind.TRACKING})
"""The kinds whose terms lead to a person, also outside the shop."""


class SearchTerm(NamedTuple):
    """A term of an order, which has the shard and the `created_key` of the order."""

    kind: TermKind
    text: str
    shard: int
    place: str

    @property
    def key(self) -> TermKey:
        """The key of the stored term. Raises UnavailableError if the key of its hash cannot be read."""
        return _partition(self.kind, self.text, self.shard), self.place

    @property
    def order_id(self) -> str:
        return order_id_of(self.place)


def normalized(kind: TermKind, text: str) -> str:
    """Returns the form in which two equal terms are the same text. It is empty if no term can equal `text`.

    People type the tracking number of a parcel with blanks and hyphens, and a number in lower case.
    """
    if kind is TermKind.EMAIL:
        return fold(text)
    folded = text.strip().casefold()
    if kind is TermKind.TRACKING:
        return "".join(character for character in folded if character.isalnum())
    return folded


def terms_of(order: Order) -> frozenset[SearchTerm]:
    """Returns all terms of an order. Pure: no I/O."""
    texts = {(kind, normalized(kind, text)) for kind, text in _texts(order)}
    return frozenset(SearchTerm(kind, text, shard_number(order), order.created_key) for kind, text in texts if text)


def has_term(order: Order, kind: TermKind, text: str) -> bool:
    wanted = normalized(kind, text)
    return any(it is kind and normalized(it, its_text) == wanted for it, its_text in _texts(order))


def _texts(order: Order) -> Iterable[tuple[TermKind, str]]:
    yield TermKind.NUMBER, order.number
    if order.contact is not None:
        yield TermKind.EMAIL, order.contact["email"]
    for line in order.lines:
        yield TermKind.SKU, line.sku
    if order.shipment is not None:
        yield TermKind.TRACKING, order.shipment.tracking_number
    for tag in order.tags or ():
        yield TermKind.TAG, tag


def partitions(kind: TermKind, text: str, shards: int) -> Sequence[str]:
    """Returns all partitions of a term; none if no order can have it."""
    found = normalized(kind, text)
    return [_partition(kind, found, shard) for shard in range(shards if kind in _SHARED else 1)] if found else []


def _partition(kind: TermKind, text: str, shard: int) -> str:
    """Returns the partition of a normalized term of an order in this shard."""
    stored = term_pseudonym(kind, text) if kind in _OF_PERSONS else text[:_MAX_CHARACTERS]
    return f"find#{kind}#{stored}#{shard}" if kind in _SHARED else f"find#{kind}#{stored}"


def order_id_of(place: str) -> str:
    """Returns the id of the order of a sort key."""
    return place.rpartition("#")[2]
