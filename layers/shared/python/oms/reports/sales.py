"""The sales report, read from the sums of days. Its cost depends on the days, not on the number of orders."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from oms.core import clock
from oms.core.dynamodb import in_parallel, query_raw
from oms.core.errors import InvalidRequestError
from oms.core.pages import HIGHEST, LOWEST
from oms.reports import product_sums
from oms.reports.models import Sum
from oms.reports.order_sums import SHARDS, categories_of, category_of_day, days_of, products_of
from oms.reports.product_sums import TooManySumsError
from oms.reports.schemas import SalesQuery
from oms.reports.sums import amounts_in

# Days, including the first and the last.
_DEFAULT_DAYS, _MAX_DAYS, _MAX_DAYS_BY_PRODUCT = 30, 366, 31
# Entries have about 100 bytes, and a Lambda response can have 6 MB.
_MAX_ENTRIES = 10_000

type Amounts = Counter[str]
"""The amounts of `oms.reports.order_sums` by name; money in minor units."""
type Series = list[tuple[str, Amounts]]


@dataclass(frozen=True)
class Sales:
    """`totals` over all days from `start` to `end`, both inclusive, and `series` with the same sums in parts.

    `position`: the last one of a page, after which the next page begins; None if no more follow.
    """

    start: date
    end: date
    totals: Amounts
    series: Series
    position: str | None = None


def sales(query: SalesQuery, *, after: str | None = None) -> Sales:
    """Raises InvalidRequestError if the range ends before it begins, is too long or has too many sums."""
    start, end = _span(query)
    if query.limit is not None and query.group_by != "product":
        raise InvalidRequestError.at("can be used only with group_by=product", parameter="limit")
    if query.cursor is not None and query.limit is None:
        raise InvalidRequestError.at("is required with a cursor", parameter="limit")
    days = sales_by_day(start, end)
    position = None
    match query.group_by:
        case "product":
            series, position = _by_product(start, end, query.limit, after)
        case "category":
            series = _by_category(start, end)
        case "week":
            series = _grouped(days, _week)
        case "month":
            series = _grouped(days, lambda day: day[:7])
        case _:
            series = list(days.items())
    return Sales(start, end, _grouped(days, lambda _: "all")[0][1], series, position)


def _span(query: SalesQuery) -> tuple[date, date]:
    end = query.to or clock.today()
    start = query.from_ or date.fromordinal(max(1, end.toordinal() - _DEFAULT_DAYS + 1))
    if start > end:
        raise InvalidRequestError.at("must not be before from", parameter="to")
    most = _MAX_DAYS_BY_PRODUCT if query.group_by == "product" else _MAX_DAYS
    if (end - start).days >= most:
        by_product = ", by product" if query.group_by == "product" else ""
        detail = f"must be within the {most} days that begin with from{by_product}"
        raise InvalidRequestError.at(detail, parameter="to")
    return start, end


def sales_by_day(start: date, end: date) -> dict[str, Amounts]:
    """Each day of the range, in order, with the sums of the orders created on it. One Query per shard."""
    days = {day: Counter[str]() for day in clock.days(start, end)}
    first, last = start.isoformat(), end.isoformat()
    for found in in_parallel(lambda shard: list(query_raw(Sum, days_of(shard), first, last)), range(SHARDS)):
        for raw in found:
            days[raw["sk"]["S"]].update(amounts_in(raw))
    for amounts in days.values():
        # Reports count expired orders as cancelled.
        amounts["cancelled"] += amounts.pop("expired", 0)
    return days


def _week(day: str) -> str:
    """The ISO 8601 week: it begins on Monday, and belongs to the year of its Thursday."""
    year, week, _ = date.fromisoformat(day).isocalendar()
    return f"{year:04}-W{week:02}"


def _grouped(days: Mapping[str, Amounts], key: Callable[[str], str]) -> Series:
    groups: dict[str, Amounts] = {}
    for day, amounts in days.items():
        groups.setdefault(key(day), Counter()).update(amounts)
    return list(groups.items())


def _by_product(start: date, end: date, limit: int | None, after: str | None) -> tuple[Series, str | None]:
    """One Query per day, and one for each further MB; for a page, one Query per day."""
    partitions = [products_of(day) for day in clock.days(start, end)]
    if limit is not None:
        page, position = product_sums.page_by_key(partitions, limit=limit, after=after)
        return [it for it in page if it[1]["orders"]], position
    try:
        return _most_revenue_first(product_sums.add_up((it, LOWEST, HIGHEST) for it in partitions)), None
    except TooManySumsError as error:
        detail = "is required, since there are too many products for one response. Read pages with limit and cursor"
        raise InvalidRequestError.at(detail, parameter="limit") from error


def _by_category(start: date, end: date) -> Series:
    """One Query per month, and one for each further MB."""
    months: dict[str, list[str]] = {}
    for day in clock.days(start, end):
        months.setdefault(day[:7], []).append(day)
    spans = [
        (categories_of(month), category_of_day(days[0], ""), category_of_day(days[-1], HIGHEST))
        for month, days in months.items()
    ]
    try:
        return _most_revenue_first(product_sums.add_up(spans, lambda sort_key: sort_key.partition("#")[2]))
    except TooManySumsError as error:
        detail = "must be nearer to from, since these days have too many categories for one response"
        raise InvalidRequestError.at(detail, parameter="to") from error


def _most_revenue_first(groups: Mapping[str, Amounts]) -> Series:
    """Omits groups without counted orders."""
    counted = [it for it in groups.items() if it[1]["orders"]]
    return sorted(counted, key=lambda it: (-it[1]["revenue"], it[0]))[:_MAX_ENTRIES]
