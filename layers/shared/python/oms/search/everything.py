"""One search for orders, users and products: the first few of each, read at once."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from oms.core.dynamodb import in_parallel
from oms.identity import administration
from oms.identity.models import User
from oms.identity.schemas import ListUsersQuery
from oms.inventory import service as inventory
from oms.inventory.schemas import ListProductsQuery
from oms.inventory.service import StockedProduct
from oms.orders.models import Order
from oms.search.finding import find_orders
from oms.search.schemas import FindOrdersQuery

# More are in the lists, which have pages.
_LIMIT = 5


@dataclass(frozen=True)
class Found:
    """The first orders, users and products that match a text."""

    orders: list[Order]
    users: list[User]
    products: list[StockedProduct]


def search(text: str) -> Found:
    """Returns orders as `q` of their list finds them, users by the beginning of their address, and products by the
    beginning of their name or SKU, archived ones included.

    Makes the same calls in a shop of any size. Raises UnavailableError.
    """
    found = Found([], [], [])
    by_sku: list[StockedProduct] = []

    def orders() -> None:
        found.orders.extend(find_orders(FindOrdersQuery(q=text, limit=_LIMIT), after=None).items)

    def users() -> None:
        found.users.extend(administration.list_users(ListUsersQuery(q=text, limit=_LIMIT), after=None).items)

    def products_by_name() -> None:
        found.products.extend(inventory.list_products(_products(q=text), after=None).items)

    def products_by_sku() -> None:
        try:
            query = _products(sku=text)
        except ValidationError:
            return  # no SKU has this form
        by_sku.extend(inventory.list_products(query, after=None).items)

    steps: list[Callable[[], None]] = [orders, users, products_by_name, products_by_sku]
    in_parallel(lambda step: step(), steps)
    known = {it.product.id for it in by_sku}
    products = by_sku + [it for it in found.products if it.product.id not in known]
    return Found(found.orders, found.users, products[:_LIMIT])


def _products(**terms: str) -> ListProductsQuery:
    return ListProductsQuery.model_validate(terms | {"status": "active,archived", "limit": _LIMIT})
