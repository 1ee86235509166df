"""The statistics as they are answered."""

from collections.abc import Mapping
from typing import Self

from oms import money
from oms.reports.statistics import MONTH, WEEK, QueueState, Statistics
from oms.schemas import Response
from oms.settings import settings


class UserCounts(Response):
    customer: int
    manager: int
    admin: int


class OrderCounts(Response):
    """Of all orders, by their status now."""

    pending: int
    confirmed: int
    shipped: int
    delivered: int
    returned: int
    cancelled: int
    expired: int


class Revenue(Response):
    """Of the orders created on these days of the shop's time zone, today the last of them, but for those that are
    cancelled, expired or returned by now; with shipping.
    """

    currency: str
    today: str
    last_7_days: str
    last_30_days: str


class DeliveryCounts(Response):
    """Of the last seven days of the shop's time zone, with today: attempts that succeeded, after which there is another
    or none, and that were not made, since the webhook was not active.
    """

    delivered: int
    failed: int
    paused: int
    retried: int


class QueueResponse(Response):
    """A poison queue has dead letters alone."""

    name: str
    waiting: int | None
    in_flight: int | None
    dead_letters: int

    @classmethod
    def of(cls, queue: QueueState) -> Self:
        return cls(name=queue.name, waiting=queue.waiting, in_flight=queue.in_flight, dead_letters=queue.dead_letters)


class StatisticsResponse(Response):
    """`products` are those on sale. Of them `low_stock` have some left, but no more than their threshold, and
    `out_of_stock` have none.
    """

    users: UserCounts
    products: int
    low_stock: int
    out_of_stock: int
    orders: OrderCounts
    revenue: Revenue
    deliveries: DeliveryCounts
    queues: list[QueueResponse]

    @classmethod
    def of(cls, statistics: Statistics) -> Self:
        revenue = {days: money.to_text(amount) for days, amount in statistics.revenue.items()}
        return cls(
            users=UserCounts(**_counts(UserCounts, statistics.users)),
            products=statistics.stock.get("products", 0),
            low_stock=statistics.stock.get("low", 0),
            out_of_stock=statistics.stock.get("out", 0),
            orders=OrderCounts(**_counts(OrderCounts, statistics.orders)),
            revenue=Revenue(
                currency=settings().currency,
                today=revenue[1],
                last_7_days=revenue[WEEK],
                last_30_days=revenue[MONTH],
            ),
            deliveries=DeliveryCounts(**_counts(DeliveryCounts, statistics.attempts)),
            queues=[QueueResponse.of(it) for it in statistics.queues],
        )


def _counts(model: type[Response], found: Mapping[str, int]) -> dict[str, int]:
    """What there is none of may be missing in what was found."""
    return {name: found.get(name, 0) for name in model.model_fields}
