"""The response of the route of statistics."""

from pydantic import Field

from oms.core.money import CurrencyCode, MoneyText
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
    """Totals with shipping of the orders of these days that are not cancelled, expired or returned now.

    Days are those of the shop's time zone.
    """

    currency: CurrencyCode
    today: MoneyText = Field(description="Of today.", examples=["54.70"])
    last_7_days: MoneyText = Field(description="Of the last seven days, today included.", examples=["812.40"])
    last_30_days: MoneyText = Field(description="Of the last thirty days, today included.", examples=["3120.90"])


class DeliveryCounts(Response):
    """Attempts to deliver events in the last seven days of the shop's time zone, today included."""

    delivered: int = Field(description="Attempts that succeeded.", examples=[230])
    failed: int = Field(description="Deliveries given up after their last attempt.", examples=[1])
    paused: int = Field(description="Deliveries that were skipped, since the webhook was not active.", examples=[0])
    retried: int = Field(description="Failed attempts after which another follows.", examples=[4])


class QueueResponse(Response):
    """A queue of the system, by SQS's approximate counts."""

    name: str = Field(description="The queue's name.", examples=["deliveries"])
    waiting: int | None = Field(description="Messages that wait; null for a poison queue.", examples=[0])
    in_flight: int | None = Field(description="Messages in processing; null for a poison queue.", examples=[0])
    dead_letters: int = Field(description="Messages that failed permanently and wait for an operator.", examples=[0])


class StatisticsResponse(Response):
    """Figures of the whole system. Totals lag by seconds."""

    users: UserCounts = Field(description="How many users there are of each role.")
    products: int = Field(description="Products on sale.", examples=[40])
    low_stock: int = Field(description="Products with available units, but no more than their threshold.", examples=[4])
    out_of_stock: int = Field(description="Products without available units.", examples=[2])
    orders: OrderCounts = Field(description="Orders by status.")
    revenue: RevenueTotals = Field(description="Revenue of the last days.")
    deliveries: DeliveryCounts = Field(description="Attempts to deliver events.")
    queues: list[QueueResponse] = Field(description="The queues, by name.")
