"""The statistics for admins, read from sums and counts, so their cost does not grow with the data."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from oms.core import clock, queues
from oms.core.dynamodb import batch_get
from oms.core.settings import settings
from oms.reports import order_sums, stock_sums, sums, user_sums
from oms.reports.sales import sales_by_day
from oms.webhooks import shards
from oms.webhooks.models import DayOfAttempts

WEEK_DAYS, MONTH_DAYS = 7, 30


@dataclass(frozen=True)
class QueueState:
    """A queue's approximate message counts. A poison queue has no queue before it, so its `waiting` and
    `in_flight` are None.
    """

    name: str
    waiting: int | None
    in_flight: int | None
    dead_letters: int


@dataclass(frozen=True)
class Statistics:
    """All figures. `revenue` is in minor units, by the number of days of the shop until today; `attempts` are of the
    last seven days.
    """

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
    """Returns the totals of the users by role, of the stock, and of the orders by status."""
    keys = (user_sums.USERS, stock_sums.STOCK, order_sums.ORDERS)
    found = sums.read(keys)
    users, stock, orders = (Counter(found.get(key, {})) for key in keys)
    return users, stock, orders


def _revenue(today: date) -> dict[int, int]:
    days = sales_by_day(_first_day(today, MONTH_DAYS), today)
    of_days = [amounts["revenue"] for amounts in days.values()]
    return {number: sum(of_days[-number:]) for number in (1, WEEK_DAYS, MONTH_DAYS)}


def _attempts(today: date) -> Counter[str]:
    days = [(today - timedelta(days=number)).isoformat() for number in range(WEEK_DAYS)]
    keys = [key for day in days for key in shards.outcomes_keys(day)]
    total: Counter[str] = Counter()
    for day in batch_get(DayOfAttempts, keys, consistent=False).values():
        total.update({outcome: getattr(day, outcome) for outcome in DayOfAttempts.OUTCOMES})
    return total


def _first_day(today: date, days: int) -> date:
    """Returns the first day of a range of `days` days that ends today."""
    return today - timedelta(days=days - 1)


def _queues() -> list[QueueState]:
    watched = settings().queues
    names = [name for queue in watched for name in (queue.queue, queue.failures) if name]
    depths = queues.depths(names)
    return [
        QueueState(
            name=queue.name,
            waiting=depths[queue.queue].waiting if queue.queue else None,
            in_flight=depths[queue.queue].in_flight if queue.queue else None,
            dead_letters=depths[queue.failures].waiting + depths[queue.failures].in_flight,
        )
        for queue in watched
    ]
