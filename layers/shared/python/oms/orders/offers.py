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
    """The name, category and price of a product on sale. Each change raises `number`; `price` is in minor units."""

    sku: str
    name: str
    category: str
    price: int
    number: int

    @classmethod
    def of(cls, stock: StockItem) -> "Offer":
        return cls(stock.sku, stock.name, stock.category, stock.price, stock.offer)


class OfferCache:
    """The `size` offers that were learned last."""

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._offers: OrderedDict[str, Offer] = OrderedDict()

    def learn(self, stock: StockItem) -> None:
        """Stores the offer of an active product. A product that is not on sale is never answered from the cache."""
        self._offers.pop(stock.product_id, None)
        if stock.status == "active":
            self._offers[stock.product_id] = Offer.of(stock)
        while len(self._offers) > self._size:
            self._offers.popitem(last=False)

    def of(self, product_ids: Iterable[str]) -> dict[str, Offer]:
        """The offers of the products that are on sale. One BatchGet reads those that are not cached."""
        ids = list(product_ids)
        unknown = [product_id for product_id in ids if product_id not in self._offers]
        if unknown:
            for stock in batch_get(StockItem, [StockItem.key(product_id) for product_id in unknown]).values():
                self.learn(stock)
        return {product_id: self._offers[product_id] for product_id in ids if product_id in self._offers}
