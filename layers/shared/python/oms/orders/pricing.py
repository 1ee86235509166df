"""Prices orders: merges the lines of a request, and prices them from offers. Pure except for the settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oms.core.errors import InvalidRequestError, UnknownProductError
from oms.core.money import MAX_TOTAL_MINOR_UNITS, to_text
from oms.core.settings import settings
from oms.inventory.models import StockItem
from oms.inventory.shards import Draw
from oms.orders.limits import Excess
from oms.orders.models import Allocation, OrderLine
from oms.orders.offers import Offer
from oms.orders.schemas import CreateOrderRequest, OrderItem


@dataclass(frozen=True)
class PricedLine:
    """A priced line of an order that is not stored yet. `position` is the product's first index in the request.

    `planned` has the shards from which the units are taken, chosen by a read of all shards; without it, the line takes
    all units from `shard`.
    """

    product_id: str
    quantity: int
    position: int
    offer: Offer
    shard: int = 0
    planned: Sequence[Draw] = ()

    @property
    def draws(self) -> Sequence[Draw]:
        return self.planned or (Draw(self.shard, self.quantity),)

    @property
    def stock_items(self) -> list[StockItem]:
        """The keys of the items from which the units are taken."""
        return [self.stock_item(draw) for draw in self.draws]

    def stock_item(self, draw: Draw) -> StockItem:
        return StockItem(*StockItem.key(self.product_id, draw.shard))

    def stored(self) -> OrderLine:
        return OrderLine(
            product_id=self.product_id,
            sku=self.offer.sku,
            name=self.offer.name,
            category=self.offer.category,
            quantity=self.quantity,
            unit_price=self.offer.price,
            drawn=[Allocation(shard=draw.shard, quantity=draw.quantity) for draw in self.draws],
        )


@dataclass(frozen=True)
class PricedOrder:
    """A request's lines at the offers of one moment. Amounts are in minor units."""

    lines: Sequence[PricedLine]
    shipping_cost: int

    @property
    def units(self) -> int:
        return sum(line.quantity for line in self.lines)

    @property
    def draws(self) -> list[tuple[PricedLine, Draw]]:
        """The units to take from each shard, with their lines."""
        return [(line, draw) for line in self.lines for draw in line.draws]

    @property
    def subtotal(self) -> int:
        return sum(line.quantity * line.offer.price for line in self.lines)

    @property
    def total(self) -> int:
        return self.subtotal + self.shipping_cost


@dataclass(frozen=True)
class Quote:
    """The current price of an order that is not placed.

    `short` has the lines with too little stock, as (line, available units). `excess` has the parts over the buyer's
    limits.
    """

    priced: PricedOrder
    short: Sequence[tuple[PricedLine, int]]
    excess: Excess


def merge(items: Sequence[OrderItem]) -> dict[str, tuple[int, int]]:
    """Returns (first position, total quantity) by product id, since a transaction allows one operation on an item."""
    merged: dict[str, tuple[int, int]] = {}
    for position, item in enumerate(items):
        first, quantity = merged.get(item.product_id, (position, 0))
        merged[item.product_id] = first, quantity + item.quantity
    return merged


def price(request: CreateOrderRequest, offers: Mapping[str, Offer], *, buyer_role: str) -> PricedOrder:
    """Prices the request with `offers`, which have all its products on sale, by product id.

    Raises InvalidRequestError, also for a total above the limit, and UnknownProductError for the products without an
    offer.
    """
    shipping_cost = _shipping_cost(request, buyer_role)
    merged = merge(request.items)
    missing = [(first, product_id) for product_id, (first, _) in merged.items() if product_id not in offers]
    if missing:
        raise unknown_products(missing)
    lines = [PricedLine(product_id, units, first, offers[product_id]) for product_id, (first, units) in merged.items()]
    priced = PricedOrder(lines, shipping_cost)
    if priced.total > MAX_TOTAL_MINOR_UNITS:
        limit, total = (f"{to_text(amount)} {settings().currency}" for amount in (MAX_TOTAL_MINOR_UNITS, priced.total))
        detail = f"must cost at most {limit} including shipping, but cost {total}; split the order"
        raise InvalidRequestError.at(detail, pointer="#/items")
    return priced


def unknown_products(products: Sequence[tuple[int, str]]) -> UnknownProductError:
    """Returns the error for these products, which are pairs of position in the request and product id."""
    return UnknownProductError(
        [
            {"pointer": f"#/items/{position}/product_id", "detail": f"{product_id} is not a product on sale"}
            for position, product_id in products
        ],
        "The order has products that are not on sale. Remove them from the order.",
    )


def implied_by_settings() -> dict[str, int]:
    """Returns the values of omitted fields for which the settings replace the field's default."""
    flat = settings().shipping_flat
    return {"shipping_cost": flat} if flat else {}


def _shipping_cost(request: CreateOrderRequest, buyer_role: str) -> int:
    flat, most = settings().shipping_flat, settings().shipping_max
    if flat is not None:
        if "shipping_cost" in request.model_fields_set and request.shipping_cost != flat:
            raise InvalidRequestError.at(f"must be {to_text(flat)}", pointer="#/shipping_cost")
        return flat
    if most is not None and buyer_role in ("customer", "guest") and request.shipping_cost > most:
        raise InvalidRequestError.at(f"must be at most {to_text(most)}", pointer="#/shipping_cost")
    return request.shipping_cost
