"""The sales report, read from the sums of days. Its cost depends on the number of days, not of orders."""

from collections import Counter
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from datetime import date

from oms.core import clock
from oms.core.dynamodb import batch_get, in_parallel, query_raw
from oms.core.errors import InvalidRequestError
from oms.core.pages import HIGHEST, LOWEST
from oms.inventory.models import StockItem
from oms.reports import product_sums
from oms.reports.models import Sum
from oms.reports.product_sums import TooManySumsError
from oms.reports.schemas import SalesQuery
from oms.reports.sum_keys import DAYS, SHARDS, categories_of, category_of_day, in_shard, products_of
from oms.reports.sums import amounts_in

# Days, including the first and the last.
_DEFAULT_DAYS, _MAX_DAYS, _MAX_DAYS_BY_PRODUCT = 30, 366, 31
# An entry has about 100 bytes, and Lambda's limit for a response is 6 MB.
_MAX_ENTRIES = 10_000
_NAMED_PRODUCTS = 20

type SalesAmounts = Counter[str]
"""The amounts of `oms.reports.order_sums` by name. Money is in minor units."""
type Series = list[tuple[str, SalesAmounts]]
type ShardsOfDays = Mapping[str, Set[int]]
"""The shards in which each day has sums."""


@dataclass(frozen=True)
class Sales:
    """The `totals` over all days from `start` to `end`, both inclusive, and `series` with their parts.

    `position` is the last entry of a page, after which the next page begins; None if no more entries follow.
    `products` has the stock items of the first entries by product, by their keys in `series`.
    """

    start: date
    end: date
    totals: SalesAmounts
    series: Series
    position: str | None = None
    products: Mapping[str, StockItem] = field(default_factory=dict)


def sales(query: SalesQuery, *, after: str | None = None) -> Sales:
    """Returns the report.

    Raises InvalidRequestError if the range ends before it begins, is too long or has too many sums.
    """
    start, end = _span(query)
    if query.limit is not None and query.group_by != "product":
        raise InvalidRequestError.at("can be used only with group_by=product", parameter="limit")
    if query.cursor is not None and query.limit is None:
        raise InvalidRequestError.at("is required if cursor is sent", parameter="limit")
    days, shards = _read_days(start, end)
    position, products = None, dict[str, StockItem]()
    match query.group_by:
        case "product":
            series, position = _by_product(shards, query.limit, after)
            products = {} if query.limit else _products_of(series[:_NAMED_PRODUCTS])
        case "category":
            series = _by_category(shards)
        case "week":
            series = _grouped(days, _week)
        case "month":
            series = _grouped(days, lambda day: day[:7])
        case _:
            series = list(days.items())
    return Sales(start, end, _grouped(days, lambda _: "all")[0][1], series, position, products)


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


def sales_by_day(start: date, end: date) -> dict[str, SalesAmounts]:
    """Returns each day of the range, in order, with the sums of the orders created on it, by one Query per shard."""
    return _read_days(start, end)[0]


def _read_days(start: date, end: date) -> tuple[dict[str, SalesAmounts], ShardsOfDays]:
    """Returns the same, and the shards in which products and categories of each day may have amounts.

    Shard 0 is one of them: before products and categories had shards, they were in it, and the days in others.
    """
    days = {day: Counter[str]() for day in clock.days(start, end)}
    shards = {day: {0} for day in days}
    first, last = start.isoformat(), end.isoformat()
    answers = in_parallel(lambda shard: list(query_raw(Sum, in_shard(DAYS, shard), first, last)), range(SHARDS))
    for shard, found in enumerate(answers):
        for raw in found:
            day = raw["sk"]["S"]
            days[day].update(amounts_in(raw))
            shards[day].add(shard)
    for amounts in days.values():
        # Reports count expired orders as cancelled.
        amounts["cancelled"] += amounts.pop("expired", 0)
    return days, shards


def _week(day: str) -> str:
    """Returns the ISO 8601 week of a day. A week begins on Monday, and belongs to the year of its Thursday."""
    year, week, _ = date.fromisoformat(day).isocalendar()
    return f"{year:04}-W{week:02}"


def _grouped(days: Mapping[str, SalesAmounts], key: Callable[[str], str]) -> Series:
    groups: dict[str, SalesAmounts] = {}
    for day, amounts in days.items():
        groups.setdefault(key(day), Counter()).update(amounts)
    return list(groups.items())


def _by_product(days: ShardsOfDays, limit: int | None, after: str | None) -> tuple[Series, str | None]:
    """Returns the series and the position of the next page.

    It makes one Query per shard of a day; without a limit, also one for each further MB.
    """
    partitions = [in_shard(products_of(day), shard) for day, shards in days.items() for shard in sorted(shards)]
    if limit is not None:
        page, position = product_sums.page_by_key(partitions, limit=limit, after=after)
        return [entry for entry in page if entry[1]["orders"]], position
    try:
        return _most_revenue_first(
            product_sums.total_by_name((partition, LOWEST, HIGHEST) for partition in partitions)
        ), None
    except TooManySumsError as error:
        detail = "is required: the report has too many products for one response; read pages with limit and cursor"
        raise InvalidRequestError.at(detail, parameter="limit") from error


def _products_of(series: Series) -> dict[str, StockItem]:
    """Returns the stock items, which have the products' names, by the products' ids. They may lag by a second."""
    found = batch_get(StockItem, [StockItem.key(product_id) for product_id, _ in series], consistent=False)
    return {stock.product_id: stock for stock in found.values()}


def _by_category(shards: ShardsOfDays) -> Series:
    """Returns the series, by one Query per shard of a month and one for each further MB."""
    months: dict[str, list[str]] = {}
    for day in shards:
        months.setdefault(day[:7], []).append(day)
    spans = [
        (in_shard(categories_of(month), shard), category_of_day(days[0], ""), category_of_day(days[-1], HIGHEST))
        for month, days in months.items()
        for shard in sorted({shard for day in days for shard in shards[day]})
    ]
    try:
        return _most_revenue_first(product_sums.total_by_name(spans, lambda sort_key: sort_key.partition("#")[2]))
    except TooManySumsError as error:
        detail = "must be closer to from: these days have too many categories for one response"
        raise InvalidRequestError.at(detail, parameter="to") from error


def _most_revenue_first(groups: Mapping[str, SalesAmounts]) -> Series:
    """Returns the groups with counted orders, sorted by revenue in descending order."""
    counted = [group for group in groups.items() if group[1]["orders"]]
    return sorted(counted, key=lambda group: (-group[1]["revenue"], group[0]))[:_MAX_ENTRIES]
