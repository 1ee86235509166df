"""Categories with their number of active products. A category exists while it has active products."""

from contextlib import suppress

from oms.core.dynamodb import ConditionFailedError, delete_item
from oms.core.errors import UnavailableError
from oms.core.pages import KeyRange, Page, table_page
from oms.core.transactions import Transaction
from oms.inventory.models import Category

# A cursor's position must end in an ASCII character, but a name may end in another one.
_END = "."
# The number of empty categories that one request removes.
MAX_REMOVED = 10


def list_categories(*, limit: int, after: str | None) -> Page[Category]:
    """Returns a page of the categories that have active products, by name.

    Omits and removes empty categories, which older versions or interrupted requests have left.
    """
    partition, _ = Category.key("")
    found = table_page(Category, partition, KeyRange(limit, after=after and after.removesuffix(_END)))
    empty = [category for category in found.items if category.products <= 0]
    for category in empty[:MAX_REMOVED]:
        remove_if_empty(category.sk)
    shown = [(name + _END, category) for name, category in found.placed if category.products > 0]
    return Page(shown, found.position and found.position + _END)


def count_products(write: Transaction, category: str, products: int) -> None:
    """Adds `products` to the category's count, in the transaction of the product. Creates a missing category."""
    write.update(
        Category(*Category.key(category)), actions=[Category.kind.set(Category), Category.products.add(products)]
    )


def remove_if_empty(category: str) -> None:
    """Removes the category if it has no products. If that fails, the next list of categories removes it."""
    with suppress(ConditionFailedError, UnavailableError):
        delete_item(Category(*Category.key(category)), Category.products <= 0)
