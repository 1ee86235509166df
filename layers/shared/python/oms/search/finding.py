"""Finds orders by a search term: one Query for each partition that can have them, and one BatchGet.

The stored terms lag behind the orders, so each order is compared with the search again after it was read.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from operator import itemgetter
from typing import Any

from oms.core.dynamodb import batch_get, in_parallel
from oms.core.email_addresses import fold
from oms.core.errors import InvalidRequestError
from oms.core.pages import HIGHEST, LOWEST, KeyRange, Page, merged_page, merged_table_page
from oms.core.settings import settings
from oms.core.shown_items import shown_items
from oms.identity.models import Claim, claim_key
from oms.orders.models import Order
from oms.orders.service import external_order_id, list_partitions
from oms.orders.states import OrderStatus
from oms.orders.views import VIEW_ATTRIBUTES
from oms.search.models import Term
from oms.search.schemas import SEARCHES, FindOrdersQuery, split_ref
from oms.search.terms import TermKind, has_term, order_id_of, partitions

# The status of an order is not part of a term's key. So a page reads this number of found orders at most, and shows
# those of the requested statuses.
_READ_WHEN_FILTERING = 100
_NUMBER = re.compile(r"\d{8}-[0-9a-z]{10}", re.IGNORECASE)
_ORDER_ID = re.compile(r"[0-9A-Za-z]{20}")

type _Read = Callable[[KeyRange], Page[Any]]
"""Returns a page of entries within a range. The sort key of each is the `created_key` of its order."""


@dataclass
class _Search:
    """The reads of a search. A found order matches if one of `tests` is true for it."""

    statuses: frozenset[OrderStatus]
    reads: list[_Read] = field(default_factory=list)
    order_ids: list[str] = field(default_factory=list)
    tests: list[Callable[[Order], object]] = field(default_factory=list)

    def add_term(self, kind: TermKind, text: str) -> None:
        found = partitions(kind, text, settings().order_shards)
        if found:
            self.reads.append(partial(merged_table_page, Term, found))
            self.tests.append(lambda order: has_term(order, kind, text))

    def add_order(self, order_id: str) -> None:
        self.order_ids.append(order_id)
        self.tests.append(lambda order: order.id == order_id)

    def add_external_ref(self, text: str) -> None:
        """Adds the order of an external reference, whose id is computed from it."""
        if ref := split_ref(text):
            self.order_ids.append(external_order_id(ref.channel, ref.id))
            self.tests.append(lambda order: (it := order.external_ref) and (it.channel, it.id) == (ref.channel, ref.id))

    def add_email(self, email: str) -> None:
        """Adds the orders of contacts with this address, and of the account that has it now.

        The address's claim leads to the account. So its orders are found by the present address, also those from before
        it was changed.
        """
        self.add_term(TermKind.EMAIL, email)
        key = claim_key(fold(email))
        claim = batch_get(Claim, [key]).get(key)
        if claim is not None:
            customer_id = claim.user_id
            index, of_customer = list_partitions(customer_id, self.statuses)
            self.reads.append(partial(merged_page, index, of_customer))
            self.tests.append(lambda order: order.customer_id == customer_id)

    def matches(self, order: Order) -> bool:
        return OrderStatus(order.status) in self.statuses and any(test(order) for test in self.tests)


def find_orders(query: FindOrdersQuery, *, after: str | None) -> Page[Order]:
    """Returns a page of the orders that the query's search finds, newest first.

    Raises InvalidRequestError for searches that cannot be combined, and UnavailableError.
    """
    search = _search_of(query)
    part = KeyRange(query.limit, descending=True, low=query.from_ or LOWEST, high=query.to or HIGHEST, after=after)
    reads = replace(part, limit=max(part.limit, _READ_WHEN_FILTERING if query.status else 0))
    places, position = _newest(search, reads)
    low, high = part.bounds()
    low = max(low, position or low)
    found = shown_items(Order, [*map(order_id_of, places), *search.order_ids], VIEW_ATTRIBUTES).values()
    placed = sorted(((f"{order.created_at}#{order.id}", order) for order in found), key=itemgetter(0), reverse=True)
    matching = [(place, order) for place, order in placed if low <= place <= high and search.matches(order)]
    if len(matching) > part.limit:
        return Page(matching[: part.limit], matching[part.limit - 1][0])
    return Page(matching, position)


def is_search(query: FindOrdersQuery) -> bool:
    return any(getattr(query, name) is not None for name in SEARCHES)


def _search_of(query: FindOrdersQuery) -> _Search:
    """Returns the query's only search. Raises InvalidRequestError if it has several, or one with a customer's id."""
    names = [name for name in (*SEARCHES, "customer_id") if getattr(query, name) is not None]
    if len(names) > 1:
        raise InvalidRequestError.at(f"cannot be combined with {' or '.join(names[1:])}; send one", parameter=names[0])
    (name,) = names
    given = getattr(query, name)
    search = _Search(frozenset(map(OrderStatus, query.status or OrderStatus)))
    if name == "email":
        search.add_email(given)
    elif name == "external_ref":
        search.add_external_ref(given)
    elif name == "q":
        _add_all(search, given)
    else:
        for text in [given] if isinstance(given, str) else given:
            search.add_term(TermKind(name), text)
    return search


def _add_all(search: _Search, text: str) -> None:
    """Adds all searches whose form the text has."""
    if "@" in text:
        search.add_email(text)
    elif _NUMBER.fullmatch(text):
        search.add_term(TermKind.NUMBER, text)
    else:
        if _ORDER_ID.fullmatch(text):
            search.add_order(text.upper())
        search.add_external_ref(text)
        for kind in (TermKind.SKU, TermKind.TRACKING, TermKind.TAG):
            search.add_term(kind, text)


def _newest(search: _Search, part: KeyRange) -> tuple[list[str], str | None]:
    """Returns the newest sort keys that the search's reads find, and the last of them if more follow.

    As in `merged_page`, a partition that was not read to its end may have more after its last key.
    """
    pages = in_parallel(lambda read: read(part), search.reads)
    ends = [page.position for page in pages if page.position is not None]
    fence = max(ends) if ends else None
    places = sorted({place for page in pages for place, _ in page.placed if fence is None or place >= fence})[::-1]
    if len(places) > part.limit:
        return places[: part.limit], places[part.limit - 1]
    return places, fence
