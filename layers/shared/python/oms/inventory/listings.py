"""Chooses the index for a list of products. A filter may imply the order. Combinations without an index are refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oms.core import texts
from oms.core.errors import InvalidRequestError
from oms.core.pages import HIGHEST, LOWEST, Index, KeyRange
from oms.inventory import models
from oms.inventory.models import category_listing, name_prefix, price_prefix
from oms.inventory.schemas import ListProductsQuery

_LISTING = {"name": models.BY_NAME, "price": models.BY_PRICE, "created_at": models.BY_CREATED, "sku": models.BY_SKU}
_CATEGORY = {
    "name": models.CATEGORY_BY_NAME,
    "price": models.CATEGORY_BY_PRICE,
    "created_at": models.CATEGORY_BY_CREATED,
}
_MAX_PARTITIONS = 20


@dataclass(frozen=True)
class ProductListing:
    """The index of a list, the partitions to read, and the range of sort keys in each."""

    index: Index
    partitions: Sequence[str]
    part: KeyRange

    def holds(self, attributes: Mapping[str, str]) -> bool:
        """Returns whether a product is part of the list, on any page."""
        sort_key = attributes[self.index.sort_key]
        return attributes[self.index.partition_key] in self.partitions and self.part.low <= sort_key <= self.part.high


def listing(query: ListProductsQuery, *, after: str | None) -> ProductListing:
    """Returns the index and ranges for `query`. Raises InvalidRequestError for filters that cannot be combined."""
    order = _order(query)
    field = order.removeprefix("-")
    statuses = query.status or ("active",)
    if query.category is None:
        index, partitions = _LISTING[field], list(statuses)
    else:
        if field == "sku":
            raise InvalidRequestError.at("cannot be combined with category; omit one of them", parameter="sku")
        index = _CATEGORY[field]
        partitions = [category_listing(status, name) for name in _categories(query.category) for status in statuses]
    if len(partitions) > _MAX_PARTITIONS:
        text = f"must have fewer categories: at most {_MAX_PARTITIONS} pairs of category and status are allowed"
        raise InvalidRequestError.at(text, parameter="category")
    low, high = _bounds(query)
    part = KeyRange(query.limit, descending=order.startswith("-"), low=low, high=high, after=after)
    return ProductListing(index, partitions, part)


def _order(query: ListProductsQuery) -> str:
    """Returns the sort order that a filter implies, or the requested one, or else `name`."""
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
                f"sorts by {field} and cannot be combined with {decided_by}, which sorts by another field",
                parameter=parameter,
            )
        order, decided_by = order or field, parameter
    return order or "name"


def _categories(text: str) -> list[str]:
    """Returns the categories that a filter may mean: the parts between commas, and the whole text, as names may have
    commas.

    Each is included in its canonical form and as sent, since older products have names in other forms.
    """
    sent = [*(part for part in text.split(",") if part), text]
    return list(dict.fromkeys(form for name in sent for form in (texts.key_name(name), name) if form))


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
