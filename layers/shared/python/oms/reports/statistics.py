"""The statistics for admins, read from sums and counts. Their cost does not grow with the data."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from oms.core import clock, queues
from oms.core.dynamodb import batch_get
from oms.core.settings import settings
from oms.reports import order_sums, stock_sums, sums
from oms.reports.sales import sales_by_day
from oms.reports.user_sums import USERS
from oms.webhooks.models import DayOfAttempts

WEEK_DAYS, MONTH_DAYS = 7, 30


@dataclass(frozen=True)
class QueueState:
    """Approximate message counts. A poison queue belongs to no queue, so its `waiting` and `in_flight` are None."""

    name: str
    waiting: int | None
    in_flight: int | None
    dead_letters: int


@dataclass(frozen=True)
class Statistics:
    """`revenue` in minor units, by the number of the shop's days until today; `attempts` of the last seven days."""

    users: Mapping[str, int]
    stock: Mapping[str, int]
    orders: Mapping[str, int]
    revenue: Mapping[int, int]
    attempts: Mapping[str, int]
    queues: Sequence[QueueState]


def statistics() -> Statistics:
    today = clock.today()
    users, stock, orders = _totals()
    return Statistics(
        users=users,
        stock=stock,
        orders=orders,
        revenue=_revenue(today),
        attempts=_attempts(today),
        queues=_queues(),
    )


def _totals() -> tuple[Counter[str], Counter[str], Counter[str]]:
    """The totals of the users by role, of the stock, and of the orders by status."""
    shards = range(order_sums.SHARDS)
    of_stock = {stock_sums.totals_of(shard) for shard in shards}
    of_orders = {order_sums.totals_of(shard) for shard in shards}
    found = sums.read([USERS, *of_stock, *of_orders])
    parts: tuple[Counter[str], Counter[str], Counter[str]] = (Counter(), Counter(), Counter())
    for total, keys in zip(parts, ({USERS}, of_stock, of_orders), strict=True):
        for key in keys & found.keys():
            total.update(found[key])
    return parts


def _revenue(today: date) -> dict[int, int]:
    days = sales_by_day(_first_day(today, MONTH_DAYS), today)
    of_days = [amounts["revenue"] for amounts in days.values()]
    return {number: sum(of_days[-number:]) for number in (1, WEEK_DAYS, MONTH_DAYS)}


def _attempts(today: date) -> Counter[str]:
    keys = [DayOfAttempts.key((today - timedelta(days=number)).isoformat()) for number in range(WEEK_DAYS)]
    total: Counter[str] = Counter()
    for day in batch_get(DayOfAttempts, keys, consistent=False).values():
        total.update({outcome: getattr(day, outcome) for outcome in DayOfAttempts.OUTCOMES})
    return total


def _first_day(today: date, days: int) -> date:
    """The first day of a range of `days` days that ends today."""
    return today - timedelta(days=days - 1)


def _queues() -> list[QueueState]:
    watched = settings().queues
    names = [name for it in watched for name in (it.queue, it.failures) if name]
    depths = queues.depths(names)
    return [
        QueueState(
            name=it.name,
            waiting=depths[it.queue].waiting if it.queue else None,
            in_flight=depths[it.queue].in_flight if it.queue else None,
            dead_letters=depths[it.failures].waiting + depths[it.failures].in_flight,
        )
        for it in watched
    ]
