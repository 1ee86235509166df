"""Categories: how many active products each has. One begins with its first product and ends with its last."""

from contextlib import suppress

from pynamodb.transactions import TransactWrite

from oms.core.dynamodb import ConditionFailedError, delete_item
from oms.core.errors import UnavailableError
from oms.core.pages import Page, Range, table_page
from oms.inventory.models import Category

# A position in a list ends in an ASCII character, which a name may not.
_END = "."
# Categories without products that one request removes.
MAX_REMOVED = 10


def list_categories(*, limit: int, after: str | None) -> Page[Category]:
    """A page of the categories that have active products, by name.

    One that has none was left behind, by a version that kept them or by a request that was cut off: it is not shown,
    and is removed.
    """
    partition, _ = Category.key("")
    found = table_page(Category, partition, Range(limit, after=after and after.removesuffix(_END)))
    empty = [category for category in found.items if category.products <= 0]
    for category in empty[:MAX_REMOVED]:
        remove_if_empty(category.sk)
    shown = [(name + _END, category) for name, category in found.placed if category.products > 0]
    return Page(shown, found.position and found.position + _END)


def count_products(write: TransactWrite, category: str, products: int) -> None:
    """Adds to the category's count, in a transaction with the products. It begins where it was not there."""
    write.update(
        Category(*Category.key(category)), actions=[Category.kind.set(Category), Category.products.add(products)]
    )


def remove_if_empty(category: str) -> None:
    """Removes the category if it has no products at that moment. What is left behind, a list removes."""
    with suppress(ConditionFailedError, UnavailableError):
        delete_item(Category(*Category.key(category)), Category.products <= 0)
