"""Stores the search terms of orders, from the changes of the orders.

Each change of an order gives its terms before and after it. The terms are written, and then the order is read: if its
terms are others by now, those are written, until a read agrees with the last write. So each worker reads the order
after its last write, and the stored terms are those of the latest order, even if changes arrive twice or in another
order, or if two workers process them at once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import batched

from oms.core.dynamodb import batch_get, write_batches
from oms.core.retries import ConcurrentUpdateError
from oms.events.streams import Change
from oms.orders.models import Order
from oms.search.models import Term
from oms.search.terms import SearchTerm, terms_of

type Terms = frozenset[SearchTerm]

_NO_TERMS: Terms = frozenset()
# Each round is caused by a change of an order during the one before.
_MAX_ROUNDS = 10
_BATCH_SIZE = 100


@dataclass(frozen=True)
class TermChange:
    """The terms of an order before and after a change."""

    order_id: str
    before: Terms
    after: Terms


def term_change(change: Change) -> TermChange | None:
    """Returns the change of an order's terms; None if they are the same, as after most moves."""
    before, after = (terms_of(Order.from_raw_data(image)) if image else _NO_TERMS for image in (change.old, change.new))
    return None if before == after else TermChange(change.keys["id"]["S"], before, after)


def store_terms(changes: Iterable[TermChange]) -> None:
    """Stores the terms of the changed orders, and removes those that they no longer have. Safe to repeat.

    Raises UnavailableError after lasting contention.
    """
    stored: dict[str, Terms] = {}
    seen: dict[str, Terms] = {}
    wanted: dict[str, Terms] = {}
    for change in changes:
        # The terms before the first change were stored with the changes before it.
        stored.setdefault(change.order_id, change.before)
        seen[change.order_id] = seen.get(change.order_id, _NO_TERMS) | change.before | change.after
        wanted[change.order_id] = change.after
    puts = {order_id: terms - stored[order_id] for order_id, terms in wanted.items()}
    _settle(puts, wanted, {order_id: seen[order_id] - terms for order_id, terms in wanted.items()})


def store_terms_of(orders: Sequence[Order]) -> None:
    """Stores all terms of these orders, which may have none yet."""
    wanted = {order.id: terms_of(order) for order in orders}
    _settle(wanted, wanted, {})


def missing_terms(orders: Sequence[Order]) -> dict[str, Terms]:
    """Returns the terms of these orders that are not stored, by order."""
    wanted = {term.key: term for order in orders for term in terms_of(order)}
    found: dict[str, Terms] = {}
    for key in wanted.keys() - batch_get(Term, wanted).keys():
        term = wanted[key]
        found[term.order_id] = found.get(term.order_id, _NO_TERMS) | {term}
    return found


def _settle(puts: dict[str, Terms], wanted: dict[str, Terms], removals: dict[str, Terms]) -> None:
    """Writes and removes terms, until the orders as they are have the terms in `wanted`."""
    for _ in range(_MAX_ROUNDS):
        _write(puts, removals)
        changed = {order_id: terms for order_id, terms in _current(wanted).items() if terms != wanted[order_id]}
        if not changed:
            return
        puts, removals = changed, {order_id: wanted[order_id] - terms for order_id, terms in changed.items()}
        wanted = changed
    raise ConcurrentUpdateError


def _current(order_ids: Iterable[str]) -> dict[str, Terms]:
    """Returns the terms of the orders as they are; of an order that does not exist, none."""
    terms: dict[str, Terms] = dict.fromkeys(order_ids, _NO_TERMS)
    for some in batched(list(terms), _BATCH_SIZE, strict=False):
        terms |= {order.id: terms_of(order) for order in batch_get(Order, some).values()}
    return terms


def _write(puts: dict[str, Terms], removals: dict[str, Terms]) -> None:
    keys = sorted(term.key for terms in puts.values() for term in terms)
    gone = sorted(term.key for terms in removals.values() for term in terms)
    write_batches(Term, puts=[Term(*key).serialize() for key in keys], deletes=gone)
