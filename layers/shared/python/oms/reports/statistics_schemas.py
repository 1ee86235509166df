"""The response of the route of statistics."""

from pydantic import Field

from oms.core.money_fields import CurrencyCode, MoneyText
from oms.core.schemas import Response


class UserCounts(Response):
    """Users by role."""

    customer: int = Field(description="Customers.", examples=[120])
    manager: int = Field(description="Managers.", examples=[3])
    admin: int = Field(description="Admins.", examples=[1])


class OrderCounts(Response):
    """All orders by their current status."""

    pending: int = Field(description="Orders that are pending now.", examples=[2])
    confirmed: int = Field(description="Orders that are confirmed now.", examples=[2])
    shipped: int = Field(description="Orders that are shipped now.", examples=[8])
    delivered: int = Field(description="Orders that are delivered now.", examples=[90])
    returned: int = Field(description="Orders that are returned now.", examples=[1])
    cancelled: int = Field(description="Orders that are cancelled now.", examples=[4])
    expired: int = Field(description="Orders that are expired now.", examples=[6])


class RevenueTotals(Response):
    """The revenue, with shipping, of the orders that are not cancelled, expired or returned now.

    Days are those of the shop's time zone.
    """

    currency: CurrencyCode
    today: MoneyText = Field(description="The revenue of today.", examples=["54.70"])
    last_7_days: MoneyText = Field(
        description="The revenue of the last seven days, including today.", examples=["812.40"]
    )
    last_30_days: MoneyText = Field(
        description="The revenue of the last thirty days, including today.", examples=["3120.90"]
    )


class DeliveryCounts(Response):
    """Attempts to deliver events in the last seven days of the shop's time zone, including today."""

    delivered: int = Field(description="Attempts that succeeded.", examples=[230])
    failed: int = Field(description="Deliveries that failed permanently, after their last attempt.", examples=[1])
    paused: int = Field(description="Deliveries that were skipped, since the webhook was not active.", examples=[0])
    retried: int = Field(description="Failed attempts that are retried.", examples=[4])


class QueueResponse(Response):
    """A queue of the system, by SQS's approximate counts."""

    name: str = Field(description="The queue's name.", examples=["deliveries"])
    waiting: int | None = Field(description="Messages that wait; null for a poison queue.", examples=[0])
    in_flight: int | None = Field(
        description="Messages that are being processed; null for a poison queue.", examples=[0]
    )
    dead_letters: int = Field(description="Messages that failed permanently and wait for an operator.", examples=[0])


class StatisticsResponse(Response):
    """Figures of the whole system. Totals lag by seconds."""

    users: UserCounts = Field(description="The number of users of each role.")
    products: int = Field(description="Products on sale.", examples=[40])
    low_stock: int = Field(
        description="Products with available units, but not more than their low-stock threshold.", examples=[4]
    )
    out_of_stock: int = Field(description="Products without available units.", examples=[2])
    orders: OrderCounts = Field(description="The number of orders by status.")
    revenue: RevenueTotals = Field(description="The revenue of the last days.")
    deliveries: DeliveryCounts = Field(description="The attempts to deliver events.")
    queues: list[QueueResponse] = Field(description="The queues, sorted by name.")
