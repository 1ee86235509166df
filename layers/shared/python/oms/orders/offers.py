"""A small cache of the offers with which orders are priced.

A stale offer causes one retry and never a wrong price: the order's transaction succeeds only if each stock item still
has the offer with which the line was priced. If it fails, the response has the current stock item.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from oms.core.dynamodb import batch_get
from oms.inventory.models import StockItem


@dataclass(frozen=True)
class Offer:
    """The name, category and price of a product on sale, and the number of its shards: of those from which orders draw
    first, and of all that are stored.

    Each change raises `number`; `price` is in minor units.
    """

    sku: str
    name: str
    category: str
    price: int
    number: int
    shards: int = 1
    stored_shards: int = 1

    @classmethod
    def of(cls, stock: StockItem) -> "Offer":
        """Returns the offer of a product from its shard 0, which has the number of shards."""
        return cls(stock.sku, stock.name, stock.category, stock.price, stock.offer, stock.shard_count, stock.item_count)


class OfferCache:
    """A cache of the `size` offers that were stored last."""

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._offers: OrderedDict[str, Offer] = OrderedDict()

    def learn(self, stock: StockItem) -> None:
        """Stores the offer of an active product from its shard 0, and removes that of an archived one."""
        self._offers.pop(stock.product_id, None)
        if stock.status == "active":
            self._offers[stock.product_id] = Offer.of(stock)
        while len(self._offers) > self._size:
            self._offers.popitem(last=False)

    def forget(self, product_id: str) -> None:
        """Removes an offer, so that it is read again."""
        self._offers.pop(product_id, None)

    def of(self, product_ids: Iterable[str]) -> dict[str, Offer]:
        """Returns the offers of the products that are on sale. One BatchGet reads those that are not cached."""
        ids = list(product_ids)
        unknown = [product_id for product_id in ids if product_id not in self._offers]
        if unknown:
            for stock in batch_get(StockItem, [StockItem.key(product_id) for product_id in unknown]).values():
                self.learn(stock)
        return {product_id: self._offers[product_id] for product_id in ids if product_id in self._offers}
