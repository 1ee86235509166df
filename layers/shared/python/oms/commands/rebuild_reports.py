"""Compares the reports' sums with the orders, the stock and the users, and prints the differences:
`python -m oms.commands.rebuild_reports --stage S [--from DAY] [--to DAY] [--fix]`; with `--fix` it repairs them.

It compares a day of orders once the day has been over for longer than the index of orders can lag behind.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from itertools import batched
from typing import Self

from oms.commands import stacks
from oms.commands.closed_pipe import run_until_unread
from oms.core import clock
from oms.core.dynamodb import (
    Key,
    StoredItem,
    batch_get,
    batch_get_raw,
    in_parallel,
    query_raw,
    scan_keys_with_prefix,
    table_name,
)
from oms.core.pages import HIGHEST, LOWEST, Index, IndexEntry, KeyRange, merged_page
from oms.core.settings import adopt, settings
from oms.identity.models import USERS, IdentityItem, User, user_key
from oms.inventory.models import BY_CREATED as PRODUCTS
from oms.inventory.models import InventoryItem, StockItem
from oms.orders.models import BY_CREATED as ORDERS
from oms.orders.models import BY_CUSTOMER, Order, created_shard
from oms.orders.states import OrderStatus
from oms.reports import order_sums, stock_sums, user_sums
from oms.reports.checking import (
    Applications,
    CheckResult,
    Look,
    Part,
    StoredSum,
    Sums,
    compare,
    parts_of,
    read_applied,
)
from oms.reports.models import AppliedContribution, ReportItem, Sum
from oms.reports.order_sums import (
    DAY_PREFIXES,
    MAX_CHUNKS,
    SHARDS,
    CountedOrder,
    categories_of,
    category_of_day,
    day_of,
    days_of,
    products_of,
)
from oms.reports.sums import SumKey, amounts_in
from oms.reports.user_sums import CountedUser

_PAGE_SIZE = 1000
_BATCH_SIZE = 100
MODELS: dict[type[StoredItem], str] = {
    Order: "Orders",
    ReportItem: "Reports",
    InventoryItem: "Inventory",
    IdentityItem: "Identity",
}
"""The models that the command reads, each with the domain of its table."""

type SumCheck = tuple[str, Callable[[], CheckResult]]
"""The name of a comparison, and the function that makes it."""


@dataclass(frozen=True)
class DaySpan:
    """The days of orders to compare. They are the `whole` if no order is older, and none newer whose day is over."""

    start: date
    end: date
    whole: bool

    @classmethod
    def of(cls, first: date | None, last: date | None, *, shards: int) -> Self:
        """The days from `first` to `last`; by default the whole."""
        newest = clock.day_of(clock.now() - settings().consistency_grace) - timedelta(days=1)
        oldest = _oldest_day(shards) or newest
        start, end = first or oldest, min(last or newest, newest)
        return cls(start, end, whole=start <= oldest and end == newest)


def checks_of_days(span: DaySpan, *, shards: int) -> Iterator[SumCheck]:
    """Compares the sums of these days; if they are the whole, also those of days that cannot have orders."""
    for day in clock.days(span.start, span.end):
        yield f"orders of {day}", partial(check_day, day, shards=shards)
    if span.whole:
        # Clocks may differ: the end of a day is not compared for a while, and neither is the beginning of the next.
        known = frozenset(clock.days(span.start, clock.day_of(clock.now() + settings().consistency_grace)))
        stored = (SumKey(*key) for key in scan_keys_with_prefix(Sum, DAY_PREFIXES))
        for some in batched((key for key in stored if day_of(key) not in known), _BATCH_SIZE, strict=False):
            yield "days without orders", partial(check_stray, some)


def checks_of_others() -> Iterator[SumCheck]:
    for shard in range(SHARDS):
        yield "stock", partial(check_stock, shard)
    yield "users", check_users


def checks_by_days() -> Iterator[SumCheck]:
    """Compares sums with the days' sums and with the orders' applied contributions. Needs both to be right."""
    for shard in range(SHARDS):
        yield "totals of orders", partial(check_totals, shard)
    for some in batched(_entries(USERS, IdentityItem, ["user"]), _BATCH_SIZE, strict=False):
        yield "open orders", partial(check_open_orders, [_id(entry) for entry in some])


# ---- orders ---------------------------------------------------------------------------------------------------------


def check_day(day: str, *, shards: int) -> CheckResult:
    """Compares all sums of a day, and the applied contributions of its orders."""
    # Sort keys of orders begin with their time, so those of `end` itself come after it.
    start, end = (clock.timestamp(clock.start_of(date.fromisoformat(day) + timedelta(days=n))) for n in (0, 1))

    def look() -> Look:
        entries = _entries(ORDERS, Order, _partitions(shards), low=start, high=end)
        ids = [entry["id"] for entry in entries]
        before, applied, after = _sums_of(day), _applied(map(order_sums.contributor, ids), MAX_CHUNKS), _sums_of(day)
        return Look(before, after, _parts(Order, ids, _parts_of_order, applied))

    def concerns(key: SumKey) -> bool:
        of_category = key.pk == categories_of(day[:7]) and key.sk.startswith(category_of_day(day, ""))
        return key.sk == day or key.pk == products_of(day) or of_category

    return compare(look, concerns=concerns)


def _sums_of(day: str) -> Sums:
    asked = [
        *((days_of(shard), day, day) for shard in range(SHARDS)),
        (products_of(day), LOWEST, HIGHEST),
        (categories_of(day[:7]), category_of_day(day, ""), category_of_day(day, HIGHEST)),
    ]
    found = in_parallel(lambda it: list(query_raw(Sum, *it)), asked)
    return {SumKey(raw["pk"]["S"], raw["sk"]["S"]): StoredSum.of(raw) for items in found for raw in items}


def _parts_of_order(order: Order, applied: Applications) -> Iterator[Part]:
    chunks = order_sums.contribution(CountedOrder.of(order))
    return parts_of(chunks, applied, is_settled=_is_settled(order.updated_at))


def _is_settled(at: str) -> bool:
    """Whether the event of a change at this time must have arrived."""
    return clock.instant(at) < clock.now() - settings().consistency_grace


def _oldest_day(shards: int) -> date | None:
    first = next(_entries(ORDERS, Order, _partitions(shards)), None)
    return clock.day_of(clock.instant(first[ORDERS.sort_key].partition("#")[0])) if first else None


def _partitions(shards: int) -> list[str]:
    return [created_shard(number) for number in range(shards)]


def check_stray(keys: Sequence[SumKey]) -> CheckResult:
    """Reports each of these sums that is not zero."""
    return compare(lambda: Look(_read(keys), _read(keys), ()))


def check_totals(shard: int) -> CheckResult:
    """Compares the number of orders of each status with the total over all days."""
    key, statuses = order_sums.totals_of(shard), frozenset(OrderStatus)

    def look() -> Look:
        before, days, after = _read([key]), list(query_raw(Sum, days_of(shard), LOWEST, HIGHEST)), _read([key])
        counts = [{name: n for name, n in amounts_in(raw).items() if name in statuses} for raw in days]
        return Look(before, after, [([], {key: count}) for count in counts])

    return compare(look)


# ---- stock and users ------------------------------------------------------------------------------------------------


def check_stock(shard: int) -> CheckResult:
    """Compares the sums of the stock, and each stock item's applied contribution with its place in its list."""

    def look() -> Look:
        ids = [_id(entry) for entry in _entries(PRODUCTS, InventoryItem, ["active", "archived"])]
        keys = [StockItem.key(it) for it in ids if order_sums.shard_of(it) == shard]
        sums = [stock_sums.totals_of(shard)]
        before, applied, after = _read(sums), _applied(pk for pk, _ in keys), _read(sums)
        return Look(before, after, _parts(StockItem, keys, _parts_of_stock, applied))

    return compare(look)


def _parts_of_stock(stock: StockItem, applied: Applications) -> Iterator[Part]:
    changed_at = max(stock.last.at, stock.edited.at if stock.edited else "")
    return parts_of(stock_sums.contribution(stock), applied, is_settled=_is_settled(changed_at))


def check_users() -> CheckResult:
    """Compares the number of users of each role."""

    def look() -> Look:
        ids = [_id(entry) for entry in _entries(USERS, IdentityItem, ["user"])]
        sums = [user_sums.USERS]
        before, applied, after = _read(sums), _applied(map(user_sums.contributor, ids)), _read(sums)
        return Look(before, after, _parts(User, map(user_key, ids), _parts_of_user, applied))

    return compare(look)


def _parts_of_user(user: User, applied: Applications) -> Iterator[Part]:
    changed_at = user.changed.at if user.changed else user.created_at
    return parts_of(user_sums.contribution(CountedUser.of(user)), applied, is_settled=_is_settled(changed_at))


def check_open_orders(users: Sequence[str]) -> CheckResult:
    """Compares each user's number of open orders with the applied contributions of their orders."""

    def look() -> Look:
        found = in_parallel(lambda it: [entry["id"] for entry in _entries(BY_CUSTOMER, Order, [it])], users)
        orders = [order_sums.contributor(order_id) for ids in found for order_id in ids]
        before, applied, after = _open_orders(users), _applied(orders), _open_orders(users)
        return Look(before, after, [([], read_applied(raw)[1]) for raw in applied.values()])

    return compare(look, concerns=lambda _: False)


def _open_orders(users: Sequence[str]) -> Sums:
    """The users' numbers of open orders as sums. The number itself serves as the count of changes."""
    name = User.open_orders.attr_name
    found = batch_get_raw(User, map(user_key, users), only=("pk", "sk", name))
    numbers = {SumKey(*key): int(raw[name]["N"]) if name in raw else None for key, raw in found.items()}
    return {key: StoredSum() if n is None else StoredSum({name: n}, n) for key, n in numbers.items()}


# ---- reading --------------------------------------------------------------------------------------------------------


def _applied(contributors: Iterable[str], chunks: int = 1) -> Applications:
    """The applied contributions, read in parallel: the less time it takes, the fewer sums change meanwhile."""
    keys = [AppliedContribution.key(contributor, number) for contributor in contributors for number in range(chunks)]
    found = in_parallel(
        lambda some: batch_get_raw(AppliedContribution, some), list(batched(keys, _BATCH_SIZE, strict=False))
    )
    return {key: raw for some in found for key, raw in some.items()}


def _parts[T: StoredItem](
    model: type[T], keys: Iterable[Key], parts: Callable[[T, Applications], Iterator[Part]], applied: Applications
) -> Iterator[Part]:
    for some in batched(keys, _BATCH_SIZE, strict=False):
        for item in batch_get(model, some).values():
            yield from parts(item, applied)


def _read(keys: Iterable[SumKey]) -> Sums:
    found = batch_get_raw(Sum, keys)
    return {SumKey(*key): StoredSum.of(raw) for key, raw in found.items()}


def _entries(
    index: Index, model: type[StoredItem], partitions: Sequence[str], *, low: str = LOWEST, high: str = HIGHEST
) -> Iterator[IndexEntry]:
    """The entries of an index between two sort keys. The index belongs to the table to which `model` is bound."""
    position: str | None = None
    while True:
        part = KeyRange(_PAGE_SIZE, low=low, high=high, after=position)
        page = merged_page(replace(index, table=table_name(model)), partitions, part)
        yield from page.items
        position = page.position
        if position is None:
            return


def _id(entry: Mapping[str, str]) -> str:
    return entry["pk"].partition("#")[2]


# ---- the command ----------------------------------------------------------------------------------------------------


def rebuild(first: date | None, last: date | None, *, shards: int, fix: bool, say: Callable[[str], None]) -> bool:
    """Reports the differences, and repairs them if `fix`. Returns whether none is left."""
    span = DaySpan.of(first, last, shards=shards)
    left = _left(checks_of_days(span, shards=shards), fix=fix, say=say)
    all_days_are_right = span.whole and not left
    left += _left(checks_of_others(), fix=fix, say=say)
    if all_days_are_right:
        left += _left(checks_by_days(), fix=fix, say=say)
    else:
        say("totals of orders, open orders: not compared, because a day was left out or is wrong")
    compared = "All sums" if span.whole else "The compared sums"
    say(f"{left} differences are left." if left else f"{compared} are right.")
    return not left


def _left(checks: Iterable[SumCheck], *, fix: bool, say: Callable[[str], None]) -> int:
    """Makes the checks and repairs; returns the number of differences left. Later checks use the repaired sums."""
    left = 0
    for name, check in checks:
        result = check()
        for difference in result.differences:
            repaired = fix and difference.repair()
            left += not repaired
            moved = "; it changed meanwhile, so run this again" if fix and not repaired else ""
            say(f"{name}: {difference.where} {difference.text}{'; repaired' if repaired else moved}")
        for where in result.moving:
            left += 1
            say(f"{name}: {where} changed while it was read, each time, and was not compared")
    return left


def main() -> None:
    parser = stacks.stage_parser("Compares the reports' sums with orders, stock and users.", stages=stacks.ALL_STAGES)
    parser.add_argument("--fix", action="store_true")
    arguments = stacks.parse_with_days(parser)
    stage: str = arguments.stage
    with stacks.acting_on(stage, MODELS):
        outputs = stacks.outputs_of(stage)
        shards = int(outputs["OrderShards"])
        # A stage without this output was deployed by an older version, whose days are those of UTC.
        adopt(OMS_TIME_ZONE=outputs.get("TimeZone", "UTC"))
        done = rebuild(arguments.first, arguments.last, shards=shards, fix=arguments.fix, say=print)
    if not done:
        raise SystemExit(1)


if __name__ == "__main__":
    run_until_unread(main)
