"""Random orders of the past: models over many days and in all states, with their history.

They are in memory until a test stores them. They have moved no stock.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from oms.core import clock
from oms.core.actors import System
from oms.orders.models import HistoryEntry, Order, OrderLine, Shipment, created_shard, status_keys
from oms.orders.states import EXPIRE, MOVES, OrderStatus

# Times of a day that are in another day in other time zones.
_EDGES = (time(0), time(0, 0, 0, 1000), time(23, 59, 59, 999000))
_MOST_LINES = 90


@dataclass(frozen=True)
class Product:
    """An ordered product; the price is in minor units."""

    id: str
    category: str
    price: int


PRODUCTS = [
    Product(id=str(number), category=category, price=price)
    for number, (category, price) in enumerate(
        zip(("Coffee", "Tea", "Kitchen", "Büro & Co.", "A#1", "") * 20, range(1, 120 * 333, 333), strict=True), 1
    )
]


@dataclass
class Past:
    """`number` orders of `customers`, spread over the `days` of `zone` up to `last`; the same each time for the same
    `seed`.

    Each has `lines` lines if given; otherwise mostly a few, and sometimes the maximum.
    """

    number: int
    days: int
    last: date
    customers: Sequence[str] = ("customer-1", "customer-2", "customer-3")
    products: Sequence[Product] = field(default_factory=lambda: PRODUCTS)
    seed: int = 1
    lines: int | None = None
    zone: tzinfo = UTC

    def orders(self) -> Iterator[Order]:
        """Yields the orders in no particular sequence."""
        chance = random.Random(self.seed)
        for number in range(self.number):
            order = self._placed(
                chance, self.last - timedelta(days=number % self.days), lines=self.lines or _lines(chance)
            )
            for _ in range(chance.choice((0, 1, 1, 2, 2, 3, 4))):
                _move(order, chance)
            yield order

    def _placed(self, chance: random.Random, day: date, *, lines: int) -> Order:
        moment = chance.choice((*_EDGES, time(chance.randrange(24), chance.randrange(60))))
        created = datetime.combine(day, moment, self.zone).astimezone(UTC)
        at, order_id = clock.timestamp(created), "".join(chance.choices(clock.CROCKFORD, k=20))
        ordered = [_line(it, chance) for it in chance.sample(self.products, min(lines, len(self.products)))]
        subtotal = sum(line.quantity * line.unit_price for line in ordered)
        shipping = chance.choice((0, 490, 1999))
        customer = chance.choice(self.customers)
        return Order(
            id=order_id,
            number=f"{created:%Y%m%d}-{order_id[:10]}",
            customer_id=customer,
            status=OrderStatus.PENDING,
            lines=ordered,
            subtotal=subtotal,
            shipping_cost=shipping,
            total=subtotal + shipping,
            currency="EUR",
            created_at=at,
            updated_at=at,
            expires_at=clock.timestamp(created + timedelta(minutes=30)),
            version=1,
            history=[_entry(None, OrderStatus.PENDING, at, order_id, actor_id=customer, role="customer")],
            request_hash="past",
            created_key=f"{at}#{order_id}",
            shard=created_shard(0),
            **status_keys(customer_id=customer, status=OrderStatus.PENDING, shard=0),
        )


def _lines(chance: random.Random) -> int:
    return _MOST_LINES if chance.random() < 0.005 else chance.choice((1, 1, 2, 3, 5))


def _line(product: Product, chance: random.Random) -> OrderLine:
    return OrderLine(
        product_id=product.id,
        sku=f"SKU-{product.id}",
        name=f"Product {product.id}",
        category=product.category,
        quantity=chance.choice((1, 1, 2, 7)),
        unit_price=product.price,
        drawn=[],
    )


def _entry(source: str | None, target: str, at: str, key: str, *, actor_id: str, role: str) -> HistoryEntry:
    return HistoryEntry(
        from_=source, to=target, at=at, actor_id=actor_id, actor_role=role, key=key, request_hash="past"
    )


def _move(order: Order, chance: random.Random) -> None:
    """Makes one of the possible moves, some time later."""
    possible = [move for move in MOVES if order.status in move.sources]
    if not possible:
        return
    move = chance.choice(possible)
    later = clock.instant(order.updated_at) + timedelta(seconds=chance.randrange(1, 3 * 24 * 3600))
    at, source = clock.timestamp(later), order.status
    actor, role = (System().id, System().role) if move is EXPIRE else ("manager-1", "manager")
    order.status, order.updated_at, order.expires_at = move.target.value, at, None
    order.version += 1
    order.history.append(_entry(source, move.target, at, f"{order.id}-{order.version}", actor_id=actor, role=role))
    for name, partition in status_keys(customer_id=order.customer_id, status=order.status, shard=0).items():
        setattr(order, name, partition)
    if move.target is OrderStatus.SHIPPED:
        order.shipment = Shipment(carrier="DHL", tracking_number="JD0140", shipped_at=at)
    if move.target is OrderStatus.CANCELLED:
        order.cancel_reason = "Ordered by mistake"
