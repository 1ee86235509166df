"""The offers that orders are computed with: a small cache, kept honest by the condition of the order's transaction.

A stale offer costs one retry, never a wrong price: each line's write holds only while the stock item still has the
offer the order was computed with, and a failure brings the current stock item back.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from oms.core.dynamodb import batch_get
from oms.inventory.models import StockItem


@dataclass(frozen=True)
class Offer:
    """What a product on sale is sold as. `number` rises whenever the rest changes; `price` is in minor units."""

    sku: str
    name: str
    category: str
    price: int
    number: int

    @classmethod
    def of(cls, stock: StockItem) -> "Offer":
        return cls(stock.sku, stock.name, stock.category, stock.price, stock.offer)


class OfferCache:
    """The offers last seen, at most `size` of them; the one learned longest ago goes first."""

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._offers: OrderedDict[str, Offer] = OrderedDict()

    def learn(self, stock: StockItem) -> None:
        """Remembers the offer, or forgets it: that a product is not on sale is never answered from memory."""
        self._offers.pop(stock.product_id, None)
        if stock.status == "active":
            self._offers[stock.product_id] = Offer.of(stock)
        while len(self._offers) > self._size:
            self._offers.popitem(last=False)

    def of(self, product_ids: Iterable[str]) -> dict[str, Offer]:
        """The offers of those products that are on sale: no call where all are known, else one BatchGet of the rest."""
        wanted = list(product_ids)
        unknown = [product_id for product_id in wanted if product_id not in self._offers]
        if unknown:
            for stock in batch_get(StockItem, [StockItem.key(product_id) for product_id in unknown]).values():
                self.learn(stock)
        return {product_id: self._offers[product_id] for product_id in wanted if product_id in self._offers}
