"""What an order costs: lines merged and priced from offers. Pure but for the settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oms.core.errors import InvalidRequestError, UnknownProductError
from oms.core.money import MAX_TOTAL_MINOR_UNITS, to_text
from oms.core.settings import settings
from oms.inventory.models import StockItem
from oms.orders.limits import Excess
from oms.orders.models import Allocation, OrderLine
from oms.orders.offers import Offer
from oms.orders.schemas import CreateOrderRequest, OrderItem


@dataclass(frozen=True)
class PricedLine:
    """A line of an order that is not stored yet. `position` is the first one of the product in the request."""

    product_id: str
    quantity: int
    position: int
    offer: Offer

    @property
    def stock_item(self) -> StockItem:
        """The key of the item from which the units are taken."""
        return StockItem(*StockItem.key(self.product_id))

    def stored(self) -> OrderLine:
        return OrderLine(
            product_id=self.product_id,
            sku=self.offer.sku,
            name=self.offer.name,
            category=self.offer.category,
            quantity=self.quantity,
            unit_price=self.offer.price,
            drawn=[Allocation(shard=0, quantity=self.quantity)],
        )


@dataclass(frozen=True)
class PricedOrder:
    """A request's lines at the offers of one moment. Amounts in minor units."""

    lines: Sequence[PricedLine]
    shipping_cost: int

    @property
    def units(self) -> int:
        return sum(line.quantity for line in self.lines)

    @property
    def subtotal(self) -> int:
        return sum(line.quantity * line.offer.price for line in self.lines)

    @property
    def total(self) -> int:
        return self.subtotal + self.shipping_cost


@dataclass(frozen=True)
class Quote:
    """What an order would cost now, which lines are short, as (line, units available), and what is over the buyer's
    limits.
    """

    priced: PricedOrder
    short: Sequence[tuple[PricedLine, int]]
    excess: Excess


def merge(items: Sequence[OrderItem]) -> dict[str, tuple[int, int]]:
    """Product id → (first position, summed quantity): a transaction takes one operation on an item."""
    merged: dict[str, tuple[int, int]] = {}
    for position, item in enumerate(items):
        first, quantity = merged.get(item.product_id, (position, 0))
        merged[item.product_id] = first, quantity + item.quantity
    return merged


def price(request: CreateOrderRequest, offers: Mapping[str, Offer], *, buyer_role: str) -> PricedOrder:
    """The request at `offers`, which are those of its products that are on sale.

    Raises InvalidRequestError, also for a total above the limit, and UnknownProductError naming the products that have
    no offer.
    """
    shipping_cost = _shipping_cost(request, buyer_role)
    merged = merge(request.items)
    missing = [(first, product_id) for product_id, (first, _) in merged.items() if product_id not in offers]
    if missing:
        raise unknown_products(missing)
    lines = [PricedLine(product_id, units, first, offers[product_id]) for product_id, (first, units) in merged.items()]
    priced = PricedOrder(lines, shipping_cost)
    if priced.total > MAX_TOTAL_MINOR_UNITS:
        most, total = (f"{to_text(amount)} {settings().currency}" for amount in (MAX_TOTAL_MINOR_UNITS, priced.total))
        detail = f"must cost at most {most} together with the shipping, and cost {total}; split the order"
        raise InvalidRequestError.at(detail, pointer="#/items")
    return priced


def unknown_products(products: Sequence[tuple[int, str]]) -> UnknownProductError:
    """From (position in the request, product id)."""
    return UnknownProductError(
        [
            {"pointer": f"#/items/{position}/product_id", "detail": f"There is no product {product_id} on sale."}
            for position, product_id in products
        ],
        "The order names products that are not on sale.",
    )


def implied_by_settings() -> dict[str, int]:
    """What a request for an order means by leaving a field out, where that is not the field's default."""
    flat = settings().shipping_flat
    return {"shipping_cost": flat} if flat else {}


def _shipping_cost(request: CreateOrderRequest, buyer_role: str) -> int:
    flat, most = settings().shipping_flat, settings().shipping_max
    if flat is not None:
        if "shipping_cost" in request.model_fields_set and request.shipping_cost != flat:
            raise InvalidRequestError.at(f"must be {to_text(flat)}", pointer="#/shipping_cost")
        return flat
    if most is not None and buyer_role == "customer" and request.shipping_cost > most:
        raise InvalidRequestError.at(f"must be at most {to_text(most)}", pointer="#/shipping_cost")
    return request.shipping_cost
