"""Compares the reports' sums with the orders, the stock and the users, and prints the differences:
`python -m oms.commands.rebuild_reports --stage S [--from DAY] [--to DAY] [--fix]`; with `--fix` it repairs them.

It compares a day of orders when the day has been over for longer than the index of orders can lag.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from itertools import batched, chain
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
    key_names,
    query_raw,
    scan_keys,
    table_name,
)
from oms.core.pages import HIGHEST, LOWEST, Index, IndexEntry, all_entries
from oms.core.settings import adopt, settings
from oms.identity.models import USERS, IdentityItem, User, user_key
from oms.inventory.models import BY_CREATED as PRODUCTS
from oms.inventory.models import InventoryItem, StockItem
from oms.inventory.shards import keys_of
from oms.orders.models import BY_CREATED as ORDERS
from oms.orders.models import BY_CUSTOMER, Order, created_shard
from oms.orders.states import OrderStatus
from oms.reports import order_sums, stock_sums, user_sums
from oms.reports.checking import (
    Applications,
    CheckedPart,
    CheckResult,
    StoredSum,
    Sums,
    SumSnapshot,
    compare,
    parts_of,
    read_applied,
    sums_of,
)
from oms.reports.models import AppliedContribution, ReportItem, Sum
from oms.reports.order_sums import MAX_CHUNKS, CountedOrder
from oms.reports.sum_keys import (
    DAY_PREFIXES,
    DAYS,
    SHARDS,
    SumKey,
    categories_of,
    category_of_day,
    in_shard,
    products_of,
)
from oms.reports.user_sums import CountedUser
from oms.stock_ledger.models import LedgerItem, ProductLevel

_PAGE_SIZE = 1000
_BATCH_SIZE = 100
MODELS: dict[type[StoredItem], str] = {
    Order: "Orders",
    ReportItem: "Reports",
    InventoryItem: "Inventory",
    LedgerItem: "Inventory",
    IdentityItem: "Identity",
}
"""The models that the command reads, with the domain of their tables."""

type SumCheck = tuple[str, Callable[[], CheckResult]]
"""The name of a comparison, and the function that makes it."""


@dataclass(frozen=True)
class DaySpan:
    """The days of orders to compare. `whole` is true if they include all past days with orders."""

    start: date
    end: date
    whole: bool

    @classmethod
    def of(cls, first: date | None, last: date | None, *, shards: int) -> Self:
        """Returns the days from `first` to `last`. By default, they are all past days."""
        newest = clock.day_of(clock.now() - settings().consistency_grace) - timedelta(days=1)
        oldest = _oldest_day(shards) or newest
        start, end = first or oldest, min(last or newest, newest)
        return cls(start, end, whole=start <= oldest and end == newest)


def checks_of_days(span: DaySpan, *, shards: int) -> Iterator[SumCheck]:
    """Yields the comparisons of these days. If the span is `whole`, also of stored sums of days without orders."""
    for day in clock.days(span.start, span.end):
        yield f"orders of {day}", partial(check_day, day, shards=shards)
    if span.whole:
        # Clocks may differ, so the end of a day and the beginning of the next are not compared for a while.
        known = frozenset(clock.days(span.start, clock.day_of(clock.now() + settings().consistency_grace)))
        stored = (SumKey(*key).whole for key in scan_keys(table_name(Sum), key_names(Sum), DAY_PREFIXES))
        strays = dict.fromkeys(key for key in stored if key.day not in known)
        for some in batched(strays, _BATCH_SIZE, strict=False):
            yield "days without orders", partial(check_stray, some)


def checks_of_others() -> Iterator[SumCheck]:
    yield "stock", check_stock
    yield "users", check_users


def checks_by_days() -> Iterator[SumCheck]:
    """Yields the comparisons with data that `checks_of_days` compares: the days' sums and the applied contributions.

    So they are meaningful only if `checks_of_days` leaves no difference.
    """
    yield "totals of orders", check_totals
    for some in batched(_entries(USERS, IdentityItem, ["user"]), _BATCH_SIZE, strict=False):
        yield "open orders", partial(check_open_orders, [_id(entry) for entry in some])


# ---- orders ---------------------------------------------------------------------------------------------------------


def check_day(day: str, *, shards: int) -> CheckResult:
    """Compares all sums of a day, and the applied contributions of its orders."""
    # Sort keys of orders begin with their time, so orders at `end` sort after it and are excluded.
    start, end = (clock.timestamp(clock.start_of(date.fromisoformat(day) + timedelta(days=n))) for n in (0, 1))

    def take_snapshot() -> SumSnapshot:
        entries = _entries(ORDERS, Order, _partitions(shards), low=start, high=end)
        ids = [entry["id"] for entry in entries]
        before, applied, after = _sums_of(day), _applied(map(order_sums.contributor, ids), MAX_CHUNKS), _sums_of(day)
        return SumSnapshot(before, after, _parts(Order, ids, _parts_of_order, applied))

    def concerns(key: SumKey) -> bool:
        of_category = key.pk == categories_of(day[:7]) and key.sk.startswith(category_of_day(day, ""))
        return key == (DAYS, day) or key.pk == products_of(day) or of_category

    return compare(take_snapshot, concerns=concerns)


def _sums_of(day: str) -> Sums:
    return _in_ranges(
        (DAYS, day, day),
        (products_of(day), LOWEST, HIGHEST),
        (categories_of(day[:7]), category_of_day(day, ""), category_of_day(day, HIGHEST)),
    )


def _in_ranges(*ranges: tuple[str, str, str]) -> Sums:
    """Returns the sums of these partitions, each between two sort keys, by one Query per shard."""
    of_shards = [(in_shard(partition, shard), *keys) for partition, *keys in ranges for shard in range(SHARDS)]
    found = in_parallel(lambda bounds: list(query_raw(Sum, *bounds)), of_shards)
    return sums_of(chain.from_iterable(found))


def _parts_of_order(order: Order, applied: Applications) -> Iterator[CheckedPart]:
    chunks = order_sums.contribution(CountedOrder.of(order))
    return parts_of(chunks, applied, is_settled=_is_settled(order.updated_at))


def _is_settled(at: str) -> bool:
    """Returns whether the event of a change at this time must have arrived by now."""
    return clock.instant(at) < clock.now() - settings().consistency_grace


def _oldest_day(shards: int) -> date | None:
    first = next(_entries(ORDERS, Order, _partitions(shards)), None)
    return clock.day_of(clock.instant(first[ORDERS.sort_key].partition("#")[0])) if first else None


def _partitions(shards: int) -> list[str]:
    return [created_shard(number) for number in range(shards)]


def check_stray(keys: Sequence[SumKey]) -> CheckResult:
    """Reports each of these sums unless it is zero."""
    return compare(lambda: SumSnapshot(_read(keys), _read(keys), ()))


def check_totals() -> CheckResult:
    """Compares the number of orders of each status with the total over all days."""
    key, statuses = order_sums.ORDERS, frozenset(OrderStatus)

    def take_snapshot() -> SumSnapshot:
        before, days, after = _read([key]), _in_ranges((DAYS, LOWEST, HIGHEST)), _read([key])
        counts = [{name: n for name, n in day.amounts.items() if name in statuses} for day in days.values()]
        return SumSnapshot(before, after, [([], {key: count}) for count in counts])

    return compare(take_snapshot)


# ---- stock and users ------------------------------------------------------------------------------------------------


def check_stock() -> CheckResult:
    """Compares the sums of the stock, and each stock item's applied contribution with its place in its list."""

    def take_snapshot() -> SumSnapshot:
        ids = [_id(entry) for entry in _entries(PRODUCTS, InventoryItem, ["active", "archived"])]
        stocks, levels = _stock_keys(ids)
        sums = [stock_sums.STOCK]
        before, applied, after = _read(sums), _applied(pk for pk, _ in [*stocks, *levels]), _read(sums)
        parts = _parts(StockItem, stocks, _parts_of_stock, applied)
        return SumSnapshot(before, after, chain(parts, _parts(ProductLevel, levels, _parts_of_level, applied)))

    return compare(take_snapshot)


def _stock_keys(product_ids: Sequence[str]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Returns the keys of all shards of these products, and of the levels of those with several shards."""
    first = [StockItem.key(product_id) for product_id in product_ids]
    found = batch_get_raw(StockItem, first, only=("pk", "sk", "product_id", "shards_created"))
    sharded = {raw["product_id"]["S"]: int(raw["shards_created"]["N"]) for raw in found.values() if len(raw) > 3}
    others = [key for product_id, count in sharded.items() for key in keys_of(product_id, count)[1:]]
    return first + others, [ProductLevel.key(product_id) for product_id in sharded]


def _parts_of_level(level: ProductLevel, applied: Applications) -> Iterator[CheckedPart]:
    return parts_of(stock_sums.contribution_of_level(level), applied, is_settled=_is_settled(level.at))


def _parts_of_stock(stock: StockItem, applied: Applications) -> Iterator[CheckedPart]:
    changed_at = max(stock.last.at, stock.edited.at if stock.edited else "")
    return parts_of(stock_sums.contribution(stock), applied, is_settled=_is_settled(changed_at))


def check_users() -> CheckResult:
    """Compares the number of users of each role."""

    def take_snapshot() -> SumSnapshot:
        ids = [_id(entry) for entry in _entries(USERS, IdentityItem, ["user"])]
        sums = [user_sums.USERS]
        before, applied, after = _read(sums), _applied(map(user_sums.contributor, ids)), _read(sums)
        return SumSnapshot(before, after, _parts(User, map(user_key, ids), _parts_of_user, applied))

    return compare(take_snapshot)


def _parts_of_user(user: User, applied: Applications) -> Iterator[CheckedPart]:
    changed_at = user.changed.at if user.changed else user.created_at
    return parts_of(user_sums.contribution(CountedUser.of(user)), applied, is_settled=_is_settled(changed_at))


def check_open_orders(users: Sequence[str]) -> CheckResult:
    """Compares each user's number of open orders with the applied contributions of their orders."""

    def take_snapshot() -> SumSnapshot:
        found = in_parallel(lambda user: [entry["id"] for entry in _entries(BY_CUSTOMER, Order, [user])], users)
        orders = [order_sums.contributor(order_id) for ids in found for order_id in ids]
        before, applied, after = _open_orders(users), _applied(orders), _open_orders(users)
        return SumSnapshot(before, after, [([], read_applied(raw)[1]) for raw in applied.values()])

    return compare(take_snapshot, concerns=lambda _: False)


def _open_orders(users: Sequence[str]) -> Sums:
    """Returns the users' numbers of open orders as sums. The number also serves as the count of changes."""
    name = User.open_orders.attr_name
    found = batch_get_raw(User, map(user_key, users), only=("pk", "sk", name))
    numbers = {SumKey(*key): int(raw[name]["N"]) if name in raw else None for key, raw in found.items()}
    return {key: StoredSum() if n is None else StoredSum({name: n}, {key: n}) for key, n in numbers.items()}


# ---- reading --------------------------------------------------------------------------------------------------------


def _applied(contributors: Iterable[str], chunks: int = 1) -> Applications:
    """Returns the applied contributions. It reads them in parallel, so that fewer sums change meanwhile."""
    keys = [AppliedContribution.key(contributor, number) for contributor in contributors for number in range(chunks)]
    found = in_parallel(
        lambda some: batch_get_raw(AppliedContribution, some), list(batched(keys, _BATCH_SIZE, strict=False))
    )
    return {key: raw for some in found for key, raw in some.items()}


def _parts[T: StoredItem](
    model: type[T],
    keys: Iterable[Key],
    parts: Callable[[T, Applications], Iterator[CheckedPart]],
    applied: Applications,
) -> Iterator[CheckedPart]:
    for some in batched(keys, _BATCH_SIZE, strict=False):
        for item in batch_get(model, some).values():
            yield from parts(item, applied)


def _read(keys: Iterable[SumKey]) -> Sums:
    return sums_of(batch_get_raw(Sum, (shard for key in keys for shard in key.shards)).values())


def _entries(
    index: Index, model: type[StoredItem], partitions: Sequence[str], *, low: str = LOWEST, high: str = HIGHEST
) -> Iterator[IndexEntry]:
    """Yields the entries of an index between two sort keys.

    The index belongs to the table to which `model` is bound.
    """
    bound = replace(index, table=table_name(model))
    return all_entries(bound, partitions, page_size=_PAGE_SIZE, low=low, high=high)


def _id(entry: Mapping[str, str]) -> str:
    return entry["pk"].partition("#")[2]


# ---- the command ----------------------------------------------------------------------------------------------------


def rebuild(first: date | None, last: date | None, *, shards: int, fix: bool, say: Callable[[str], None]) -> bool:
    """Reports the differences, and repairs them if `fix`. Returns whether no difference is left."""
    span = DaySpan.of(first, last, shards=shards)
    left = _left(checks_of_days(span, shards=shards), fix=fix, say=say)
    all_days_are_right = span.whole and not left
    left += _left(checks_of_others(), fix=fix, say=say)
    if all_days_are_right:
        left += _left(checks_by_days(), fix=fix, say=say)
    else:
        say("totals of orders, open orders: not compared, because a day was omitted or is wrong")
    compared = "All sums" if span.whole else "The compared sums"
    say(f"{left} differences are left." if left else f"{compared} are right.")
    return not left


def _left(checks: Iterable[SumCheck], *, fix: bool, say: Callable[[str], None]) -> int:
    """Makes the checks and repairs. Returns the number of differences left. Later checks use the repaired sums."""
    left = 0
    for name, check in checks:
        result = check()
        for difference in result.differences:
            repaired = fix and difference.repair()
            left += not repaired
            moved = "; it changed meanwhile, so run this command again" if fix and not repaired else ""
            say(f"{name}: {difference.where} {difference.text}{'; repaired' if repaired else moved}")
        for where in result.moving:
            left += 1
            say(f"{name}: {where} changed during each read, so it was not compared")
    return left


def main() -> None:
    parser = stacks.stage_parser("Compares the reports' sums with orders, stock and users.", stages=stacks.ALL_STAGES)
    parser.add_argument("--fix", action="store_true")
    arguments = stacks.parse_with_days(parser)
    stage: str = arguments.stage
    with stacks.acting_on(stage, MODELS):
        outputs = stacks.outputs_of(stage)
        shards = int(outputs["OrderShards"])
        # If this output is missing, an older version deployed the stage. Its days are UTC days.
        adopt(OMS_TIME_ZONE=outputs.get("TimeZone", "UTC"))
        done = rebuild(arguments.first, arguments.last, shards=shards, fix=arguments.fix, say=print)
    if not done:
        raise SystemExit(1)


if __name__ == "__main__":
    run_until_unread(main)
