"""Which index serves a product list: the filters decide the order, and what no index serves is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oms.core import texts
from oms.core.errors import InvalidRequestError
from oms.core.pages import HIGHEST, LOWEST, Index, Range
from oms.inventory import models
from oms.inventory.models import category_listing, name_prefix, price_prefix
from oms.inventory.schemas import ListProductsQuery

_LISTING = {"name": models.BY_NAME, "price": models.BY_PRICE, "created_at": models.BY_CREATED, "sku": models.BY_SKU}
_CATEGORY = {
    "name": models.CATEGORY_BY_NAME,
    "price": models.CATEGORY_BY_PRICE,
    "created_at": models.CATEGORY_BY_CREATED,
}
_MOST_PARTITIONS = 20


@dataclass(frozen=True)
class Listing:
    """One index, the partitions of it to read, and the part of each."""

    index: Index
    partitions: Sequence[str]
    part: Range

    def holds(self, attributes: Mapping[str, str]) -> bool:
        """Whether a product is part of the list, wherever a reader of it has got to."""
        place = attributes[self.index.sort_key]
        return attributes[self.index.partition_key] in self.partitions and self.part.low <= place <= self.part.high


def listing(query: ListProductsQuery, *, after: str | None) -> Listing:
    """How `query` is answered. Raises InvalidRequestError naming the filters that do not go together."""
    order = _order(query)
    field = order.removeprefix("-")
    statuses = query.status or ("active",)
    if query.category is None:
        index, partitions = _LISTING[field], list(statuses)
    else:
        if field == "sku":
            raise InvalidRequestError.at("cannot be combined with category: no index serves both", parameter="sku")
        index = _CATEGORY[field]
        partitions = [category_listing(status, name) for name in _categories(query.category) for status in statuses]
    if len(partitions) > _MOST_PARTITIONS:
        raise InvalidRequestError.at("names too many categories", parameter="category")
    low, high = _bounds(query)
    part = Range(query.limit, descending=order.startswith("-"), low=low, high=high, after=after)
    return Listing(index, partitions, part)


def _order(query: ListProductsQuery) -> str:
    """The sort order: the one a filter implies, or else the one asked for. `name` when nothing says."""
    implied = {
        "q": ("name", query.q is not None),
        "sku": ("sku", query.sku is not None),
        "min_price": ("price", query.min_price is not None),
        "max_price": ("price", query.max_price is not None),
    }
    order: str | None = query.sort
    decided_by = "sort"
    for parameter, (field, is_set) in implied.items():
        if not is_set:
            continue
        if order is not None and order.removeprefix("-") != field:
            raise InvalidRequestError.at(
                f"sorts by {field} and cannot be combined with {decided_by}, which asks for another order",
                parameter=parameter,
            )
        order, decided_by = order or field, parameter
    return order or "name"


def _categories(text: str) -> list[str]:
    """The categories meant by a filter: its parts at the commas, and the whole, since a name may hold a comma.

    Each in the form that names have, and as it was given: products from before names had one form keep theirs.
    """
    given = [*(part for part in text.split(",") if part), text]
    return list(dict.fromkeys(form for name in given for form in (texts.key_name(name), name) if form))


def _bounds(query: ListProductsQuery) -> tuple[str, str]:
    if query.q is not None:
        prefix = name_prefix(query.q)
        return prefix, prefix + HIGHEST
    if query.sku is not None:
        prefix = query.sku.casefold()
        return prefix, prefix + HIGHEST
    low = LOWEST if query.min_price is None else price_prefix(query.min_price)
    high = HIGHEST if query.max_price is None else price_prefix(query.max_price) + HIGHEST
    return low, high
